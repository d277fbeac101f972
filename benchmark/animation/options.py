"""What the user of `bench animate` asks for, and what cannot be asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import FITS
from talkbench.datasets.clips import is_image
from talkbench.datasets.interface import Clip

if TYPE_CHECKING:
    from talkbench.methods.interface import Method

ENDINGS = (".mp4", ".webp", ".gif", ".png")
"""Of what can be written; ``.png`` holds one frame."""

FACES = "largest, first or a number from 1"


@dataclass(frozen=True)
class AnimateOptions:
    """See ``bench animate --help`` for each.

    Attributes:
        source: an array is uint8, RGB (H, W, 3) or RGBA (H, W, 4).
        crop: None: source and driver are cropped to the face where they are not head crops.
        source_face, driving_face: see `talkbench.datasets.preparation.crops.position_of`; None: the largest.
        source_frame: None: the first in which a face is found.
    """

    method: str | Method
    source: Path | np.ndarray
    driving: Path | Clip
    out: Path
    checkpoint: Path | None = None
    motion: str | None = None
    side_by_side: bool = False
    paste_back: bool = False
    crop: bool | None = None
    source_face: str | None = None
    driving_face: str | None = None
    source_frame: int | None = None
    fit: str = "crop"
    background: str = "white"
    sound: bool = True
    strict: bool = False
    frames: Path | None = None
    batch_size: int | None = None  # None: by device and method
    device: str = "auto"
    precision: str = "float32"
    compiled: bool = False
    settings: dict[str, object] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What is written, of `ENDINGS`."""
        return self.out.suffix.lower()

    def check(self) -> None:
        """Refuse what cannot be done, before any work.

        Raises:
            TalkbenchError: an option has a value that it cannot have, two contradict each other, or an input would be
                overwritten.
        """
        if self.kind not in ENDINGS:
            raise TalkbenchError(
                f"--out {self.out} does not end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}; name one of them"
            )
        if self.fit not in FITS:
            raise TalkbenchError(f"--fit {self.fit}: give {', '.join(FITS[:-1])} or {FITS[-1]}")
        for option, face in (("--source-face", self.source_face), ("--driving-face", self.driving_face)):
            if face not in (None, "largest", "first") and not re.fullmatch("[1-9][0-9]?", str(face)):
                raise TalkbenchError(f"{option} {face}: give {FACES}")
            if face and self.crop is False:
                raise TalkbenchError(f"{option} says what to crop to; leave it or --no-crop out")
        background_colour(self.background)
        self._check_paths()

    def _check_paths(self) -> None:
        inputs = [path.resolve() for path in (self.driving, self.source) if isinstance(path, Path)]
        out = self.out.resolve()
        if out in inputs:
            raise TalkbenchError(f"--out {self.out} would overwrite an input; choose another name")
        if out.parent in inputs and is_image(out.name):
            raise TalkbenchError(f"--out {self.out} would lie among the frames of an input; choose another folder")
        if self.frames and self.frames.resolve() in inputs:
            raise TalkbenchError(f"--frames {self.frames} would overwrite an input; choose another folder")
        if self.out.is_dir():
            raise TalkbenchError(f"--out {self.out} is a folder; give the name of a file")


def background_colour(name: str) -> tuple[int, int, int]:
    """The colour of a name or of hexadecimal digits, 0 to 255.

    Raises:
        TalkbenchError: there is none.
    """
    from PIL.ImageColor import getrgb

    try:
        red, green, blue, *alpha = getrgb(name)
    except ValueError:
        alpha = [0]
    if alpha and alpha[0] != 255:
        raise TalkbenchError(f"--background {name!r} is no colour; give a name such as white, or six digits: '#808080'")
    return red, green, blue
