"""Clips: a folder of image files, a pack of them, or a video file, read frame by frame with exact indices."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import holds_picture, read_image, stored_size
from talkbench.datasets.interface import Clip
from talkbench.datasets.packs import Pack, is_pack
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
        self.files = [path / name for name in _by_place(path, image_names(path))]
        if not self.files:
            raise TalkbenchError(f"{path} holds no frames, PNG, JPEG or the like; give a folder of frames or a video")

    def __len__(self) -> int:
        return len(self.files)

    def file(self, index: int) -> Path:
        return self.files[index]

    def name(self, index: int) -> str:
        return self.files[index].name

    def stored_size(self, index: int) -> tuple[int, int]:
        return stored_size(self.files[index])

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


class _NumberedFiles(Clip):
    """A clip that has its frames by number.

    Args:
        files: the names of the image files by the numbers of the frames.
    """

    def __init__(self, path: Path, files: dict[int, str]) -> None:
        super().__init__(path)
        self._files, self._numbers = files, sorted(files)

    def __len__(self) -> int:
        return len(self._files)

    @property
    def numbers(self) -> Sequence[int]:
        return self._numbers

    def name(self, index: int) -> str:
        return self._files[index]

    def read(self, index: int) -> np.ndarray:
        """The frame with the number `index`.

        Raises:
            PairError: ``missing-frame``, or ``undecodable-frame`` where this frame is damaged.
        """
        if index not in self._files:
            raise PairError("missing-frame", f"{self.path} has no frame {index}; prepare this clip anew")
        return self._read(index)


class NumberedClip(_NumberedFiles):
    """The images of a folder by the numbers in their names (`file_number`): a frame keeps its number even
    if others are missing. Files without a number are no frames."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _by_number(path, image_names(path)))

    def file(self, index: int) -> Path:
        return self.path / self._files[index]

    def stored_size(self, index: int) -> tuple[int, int]:
        return stored_size(self.file(index))

    def _read(self, index: int) -> np.ndarray:
        return read_image(self.file(index))


class PackedClip(_NumberedFiles):
    """The frames of a pack, as those of the folder or the video that it was made from.

    Args:
        numbered: see `open_clip`.
    """

    def __init__(self, path: Path, numbered: bool = False) -> None:
        self._pack, self._numbered = Pack(path), numbered
        names = self._pack.names
        super().__init__(path, _by_number(path, names) if numbered else dict(enumerate(_by_place(path, names))))
        self.damage = self._pack.facts.damage and f"{path}: {self._pack.facts.damage}"

    def read(self, index: int) -> np.ndarray:
        """See `NumberedClip`, or `FolderClip` where frames go by their place."""
        return super().read(index) if self._numbered else Clip.read(self, index)

    def name(self, index: int) -> str:
        return "" if self._pack.facts.video else self._files[index]

    def stored_size(self, index: int) -> tuple[int, int]:
        return self._pack.stored_size(self._files[index])

    def __reduce__(self) -> tuple[type[PackedClip], tuple[Path, bool]]:
        return PackedClip, (self.path, self._numbered)

    def _read(self, index: int) -> np.ndarray:
        return self._pack.read(self._files[index])


def open_clip(path: Path, numbered: bool = False) -> Clip:
    """The clip at `path`: a folder of images, a pack by its ending, or a video file, whatever its ending.

    Args:
        numbered: frames in a folder or a pack go by the number in their names, not by their place.

    Raises:
        TalkbenchError: what is at `path` cannot be read as a clip.
        PairError: ``missing-clip``, `path` does not exist.
    """
    if path.is_dir():
        return NumberedClip(path) if numbered else FolderClip(path)
    if path.is_file():
        if is_pack(path):
            return PackedClip(path, numbered)
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


def _by_place(path: Path, names: Iterable[str]) -> list[str]:
    """The names of image files in natural order.

    Raises:
        TalkbenchError: two of them are one frame of the clip at `path`.
    """
    ordered = sorted(names, key=natural)
    frames: dict[tuple[tuple[int, str], ...], str] = {}
    for name in ordered:
        other = frames.setdefault(tuple(natural(Path(name).stem)), name)
        if other != name:
            both = " and ".join(sorted((name, other)))
            raise TalkbenchError(f"{path}: {both} are both one frame; remove one of them")
    return ordered


def _by_number(path: Path, names: Iterable[str]) -> dict[int, str]:
    """The names of image files by the numbers in them.

    Raises:
        TalkbenchError: two of them are one frame of the clip at `path`, or none has a number.
    """
    files: dict[int, str] = {}
    for name in names:
        number = file_number(name)
        if number in files:
            both = " and ".join(sorted((name, files[number])))
            raise TalkbenchError(f"{path}: {both} are both frame {number}; remove one of them")
        if number is not None:
            files[number] = name
    if not files:
        raise TalkbenchError(f"{path} holds no frames with numbers in their names; prepare this clip anew")
    return files


def natural(name: str) -> list[tuple[int, str]]:
    """The key by which names are in natural order, ``2.png`` before ``10.png``."""
    parts = re.findall(r"(\d+)|(\D+)", name)
    return [(int(digits), "") if digits else (-1, text) for digits, text in parts]
