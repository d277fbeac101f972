"""Clips: a folder of image files or a video file, read frame by frame with exact indices."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import holds_picture, read_image
from talkbench.datasets.interface import Clip
from talkbench.datasets.videos import VideoClip

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff")
"""By their endings files are taken for frames; what they are is told by their content when they are read."""


class FolderClip(Clip):
    """The images of a folder in natural order (``2.png`` before ``10.png``).

    Raises:
        TalkbenchError: there are none; or two of them have one name or number, as ``1.png``, ``1.jpg`` and ``01.png``.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.files = sorted(image_files(path), key=_natural)
        if not self.files:
            raise TalkbenchError(f"{path} holds no frames, PNG, JPEG or the like; give a folder of frames or a video")
        frames: dict[tuple[tuple[int, str], ...], Path] = {}
        for file in self.files:
            other = frames.setdefault(tuple(_natural(Path(file.stem))), file)
            if other != file:
                both = " and ".join(sorted((file.name, other.name)))
                raise TalkbenchError(f"{path}: {both} are both one frame; remove one of them")

    def __len__(self) -> int:
        return len(self.files)

    def file(self, index: int) -> Path:
        return self.files[index]

    def _read(self, index: int) -> np.ndarray:
        return read_image(self.files[index])


class ListedClip(Clip):
    """Frames in memory, uint8 RGB (H, W, 3), or image files by their paths, in the order of the list.

    Raises:
        TalkbenchError: the list is empty, an array is no such image, or sizes differ; names the first at fault.
    """

    def __init__(self, frames: Sequence[np.ndarray | Path | str]) -> None:
        super().__init__(Path("the list of frames"))
        for index, frame in enumerate(frames):
            if not isinstance(frame, np.ndarray | Path | str):
                kind = type(frame).__name__
                raise TalkbenchError(f"frame {index} of the list is a {kind}; give uint8 arrays (H, W, 3) or paths")
        self._frames = [frame if isinstance(frame, np.ndarray) else Path(frame) for frame in frames]
        if not self._frames:
            raise TalkbenchError("the list of frames is empty; give arrays (H, W, 3) or paths of images")
        sizes = [self._read(index).shape for index in range(len(self))]
        for index, size in enumerate(sizes):
            if size != sizes[0]:
                height, width = size[:2]
                raise TalkbenchError(
                    f"frame {index} of the list is {width}x{height} and the first is {sizes[0][1]}x{sizes[0][0]}; "
                    "give frames of one size"
                )

    def __len__(self) -> int:
        return len(self._frames)

    def _read(self, index: int) -> np.ndarray:
        frame = self._frames[index]
        if isinstance(frame, Path):
            return read_image(frame)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise TalkbenchError(
                f"frame {index} of the list is {frame.dtype} {frame.shape}; give RGB images as uint8 (H, W, 3)"
            )
        return frame


class NumberedClip(Clip):
    """The images of a folder by the numbers in their names (`file_number`): a frame keeps its number even
    if others are missing. Files without a number are no frames."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._files: dict[int, str] = {}
        for name in image_names(path):
            number = file_number(name)
            if number in self._files:
                both = " and ".join(sorted((name, self._files[number])))
                raise TalkbenchError(f"{path}: {both} are both frame {number}; remove one of them")
            if number is not None:
                self._files[number] = name
        self._numbers = sorted(self._files)
        if not self._files:
            raise TalkbenchError(f"{path} holds no frames with numbers in their names; prepare this clip anew")

    def __len__(self) -> int:
        return len(self._files)

    @property
    def numbers(self) -> Sequence[int]:
        return self._numbers

    def read(self, index: int) -> np.ndarray:
        """The frame with the number `index`.

        Raises:
            PairError: ``missing-frame``, or ``undecodable-frame`` where this frame is damaged.
        """
        if index not in self._files:
            raise PairError("missing-frame", f"{self.path} has no frame {index}; prepare this clip anew")
        return self._read(index)

    def file(self, index: int) -> Path:
        return self.path / self._files[index]

    def _read(self, index: int) -> np.ndarray:
        return read_image(self.file(index))


def open_clip(path: Path, numbered: bool = False) -> Clip:
    """The clip at `path`: a folder of images, or a video file, whatever its ending.

    Args:
        numbered: frames in a folder go by the number in their names, not by their place.

    Raises:
        TalkbenchError: what is at `path` cannot be read as a clip.
        PairError: ``missing-clip``, `path` does not exist.
    """
    if path.is_dir():
        return NumberedClip(path) if numbered else FolderClip(path)
    if path.is_file():
        try:
            return VideoClip(path)
        except TalkbenchError as error:
            if holds_picture(path):
                remedy = "of animations only GIF is supported; give a folder of frames or a video"
                raise TalkbenchError(f"{path} is a picture, which holds no video; {remedy}") from error
            raise
    raise PairError("missing-clip", f"there is no clip {path}; give a folder of frames or a video")


def is_image(name: str) -> bool:
    """Whether `name` is the name of an image file that is not hidden."""
    return name.lower().endswith(IMAGE_SUFFIXES) and name[0] != "."


def image_names(folder: Path) -> Iterator[str]:
    """The names of the image files in `folder`, hidden ones left out, in no order."""
    with os.scandir(folder) as entries:
        yield from filter(is_image, (entry.name for entry in entries))


def image_files(folder: Path) -> list[Path]:
    """The files of `image_names`."""
    return [folder / name for name in image_names(folder)]


def has_two_frames(path: Path) -> bool:
    """Whether the folder `path` holds two images, without listing all; a video is assumed to have two frames."""
    return len(list(islice(image_names(path), 2))) == 2 if path.is_dir() else path.is_file()


def file_number(name: str) -> int | None:
    """The frame number in a file's name, the last run of digits before the suffix: 13 of ``0000013.png``, 123 of
    CelebV's ``x_7.jpg_0123.jpg``; None without digits."""
    digits = re.findall(r"[0-9]+", name.rpartition(".")[0])
    return int(digits[-1]) if digits else None


def _natural(file: Path) -> list[tuple[int, str]]:
    parts = re.findall(r"(\d+)|(\D+)", file.name)
    return [(int(digits), "") if digits else (-1, text) for digits, text in parts]
