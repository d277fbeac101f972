"""Generated frames that are kept while a run goes on, since only its end tells which of them are shown."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np

from talkbench.core.errors import PairError
from talkbench.core.images import read_image

QUALITY = 90
"""Of JPEG: what it loses is less than what the videos lose, and a frame takes a millisecond."""


def encode(frame: np.ndarray) -> bytes:
    """A frame, uint8 RGB (H, W, 3), as a JPEG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(frame).save(file, format="JPEG", quality=QUALITY)
    return file.getvalue()


class KeptFrames:
    """Frames in `folder`, which need not exist: JPEG files in one zip for each batch, so that they are few."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, frames: Mapping[int, bytes]) -> None:
        """Keep the frames of some pairs, as `encode` gives them, by their numbers. Call it before the pairs count as
        done: what is left of a process that was killed is written again.

        Raises:
            OSError: the folder cannot be written.
        """
        content = io.BytesIO()
        with ZipFile(content, "w") as archive:
            for number, frame in frames.items():
                archive.writestr(str(number), frame)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{min(frames):06d}.zip").write_bytes(content.getvalue())

    @cached_property
    def _archives(self) -> dict[int, Path]:
        """By the number of a pair, the file with its frame; half files are passed over."""
        archives: dict[int, Path] = {}
        for path in sorted(self.folder.glob("*.zip")):
            try:
                with ZipFile(path) as archive:
                    archives |= {int(name): path for name in archive.namelist()}
            except (BadZipFile, OSError, ValueError):
                continue
        return archives

    def __contains__(self, number: int) -> bool:
        return number in self._archives

    def read(self, number: int) -> np.ndarray:
        """The frame of a pair. Call it when the last one was added.

        Raises:
            PairError: ``undecodable-frame``.
            KeyError: it was not kept.
        """
        path = self._archives[number]
        try:
            with ZipFile(path) as archive:
                return read_image(path, archive.read(str(number)))
        except (BadZipFile, OSError) as error:
            raise PairError("undecodable-frame", f"{path} is damaged: {error}") from error

    def remove(self) -> None:
        """Delete all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)
