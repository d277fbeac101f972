"""Frames that another program has generated, read in place of running a method.

A file is named after the number of its pair in the list, from 0 and with six digits, as ``--save-frames`` writes it:
``000012.png`` is the frame of pair 12. Instead, the frames of a whole *stretch* of the list (see `stretches`) may be
one video or one folder, named after the stretch's first pair (``000000.mp4``, ``000000/``). Its frames are those of the
stretch's pairs, in the same order; a folder's are in the natural order of their names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from talkbench.benchmark.progress import Progress
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import sha256_bytes, sha256_file
from talkbench.core.images import TooDeep, open_image, read_image
from talkbench.datasets import Pair, Split
from talkbench.datasets.clip_store import VIDEO_SUFFIXES
from talkbench.datasets.clips import IMAGE_SUFFIXES, FolderClip, open_clip
from talkbench.datasets.interface import Clip
from talkbench.datasets.videos import VideoClip, is_video, open_video
from talkbench.methods import registry
from talkbench.results.record import FramesInfo

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

ORIGIN = "frames given by the user"
LOSSLESS = ("PNG", "BMP", "TIFF", "WEBP", "ffv1 bgr0", "ffv1 bgra", "ffv1 gbrp")  # as `_kind` calls them
OPEN_VIDEOS = 8  # pairs come in order of their sources, so few videos are in use at the same time


def frame_name(number: int) -> str:
    """File name of the generated frame of pair `number`.

    >>> frame_name(12)
    '000012.png'
    """
    return f"{number:06d}.png"


def stretches(pairs: Sequence[Pair]) -> list[range]:
    """The numbers of `pairs`, cut into stretches wherever the source frame or the driving clip changes. One video may
    hold the frames of one stretch."""
    groups = groupby(range(len(pairs)), key=lambda number: (pairs[number].source, pairs[number].driving.clip))
    members = [list(numbers) for _, numbers in groups]
    return [range(numbers[0], numbers[-1] + 1) for numbers in members]


def check_name(name: str, where: str = "--name") -> None:
    """Check the name for frames of another program; they must not look like those of a method that talkbench runs.

    Args:
        where: what has the name, for the message.

    Raises:
        TalkbenchError: the name is not of lower-case letters and digits with single ``.``, ``_`` or ``-`` between them;
            or, without these signs, it is the name of a registered method.
    """
    if not re.fullmatch(r"[a-z0-9]+([._-][a-z0-9]+)*", name):
        raise TalkbenchError(f"{where} {name!r}: use a-z and 0-9, with single . _ or - between them")
    method = {_letters(method): method for method in registry.names()}.get(_letters(name))
    if method:
        raise TalkbenchError(f"{where} {name} may be taken for the method {method}, which bench runs; choose another")


def _letters(name: str) -> str:
    return re.sub(r"[@._-]", "", name)


@dataclass(frozen=True)
class _File:
    """An image or a video of generated frames.

    Attributes:
        kind: how it is stored (``PNG``, ``JPEG (lossy)``, ``h264 yuv420p``); empty if that cannot be told.
        size: width and height in pixels (``256x256``); empty if that cannot be told.
        fault: why it cannot be used: the reason for the rows, and the message; None if it can.
    """

    path: Path
    sha256: str = ""
    kind: str = ""
    size: str = ""
    fault: tuple[str, str] | None = None


Place = tuple[_File, int | None]  # an image, or a video and the index of a frame in it


class GivenFrames:
    """The frames that the user gives for the pairs of a list.

    Args:
        name: what the user calls the program that made them.
        folder: holds the files, named as the module says.
        pairs: the whole list.
        count: how many of them are evaluated, from the first on.
        size: side in pixels that frames must have; they are never resized.

    Attributes:
        info: describes them in the record.
        settings: what they follow from besides the pairs, as far as that is known.
        remarks: warnings for the user.

    Raises:
        TalkbenchError: no file belongs to a pair, two belong to one, or none has the right size.
    """

    def __init__(self, name: str, folder: Path, pairs: Sequence[Pair], count: int, size: int) -> None:
        self.name, self.folder, self.size = name, folder, size
        self.settings: dict[str, Any] = {}
        claims, strangers = _claims(folder, pairs)
        self._places: dict[int, Place] = {
            number: place
            for path, numbers in claims.items()
            for number, place in _places(path, numbers, [number for number in numbers if number < count])
        }
        hint = _counted_from_one((*claims, *strangers), stretches(pairs))
        if not self._places:
            raise TalkbenchError(
                f"no file in {folder} is named after the number of a pair, {frame_name(0)} to {frame_name(count - 1)}; "
                + (hint or "the README.txt that bench data export-pairs writes says how to name them")
            )
        self.info = _info(self._places)
        if f"{size}x{size}" not in self.info.sizes:
            raise TalkbenchError(f"no frame in {folder} is {size}x{size}, as evaluated: {_instead(self._places)}")
        self.remarks = [*filter(None, [hint]), *_remarks(self.info, folder, strangers, count)]

    @cached_property
    def _open(self) -> Callable[[Path], VideoClip]:
        return lru_cache(OPEN_VIDEOS)(VideoClip)

    def __getstate__(self) -> dict[str, object]:
        """All but the open videos; each process opens its own."""
        return {name: value for name, value in vars(self).items() if name != "_open"}

    def video(self, number: int) -> Path | None:
        """The video that holds the frame of pair `number`; None if an image file does, or no file."""
        file, index = self._places.get(number, (None, None))
        return file.path if file is not None and index is not None else None

    def read(self, number: int) -> np.ndarray:
        """The frame of pair `number`, uint8 RGB (size, size, 3).

        Raises:
            PairError: ``missing-frame``, ``undecodable-frame``, ``not-8-bit-rgb``, ``wrong-size``, or
                ``wrong-frame-count`` for a video or folder that has not as many frames as its stretch has pairs.
        """
        if number not in self._places:
            raise PairError("missing-frame", f"there is no {frame_name(number)} in {self.folder}")
        file, index = self._places[number]
        if file.fault:
            raise PairError(*file.fault)
        image = read_image(file.path) if index is None else self._open(file.path).read(index)
        if image.shape != (self.size, self.size, 3):
            height, width = image.shape[:2]
            raise PairError("wrong-size", f"{file.path} is {width}x{height} instead of {self.size}x{self.size}")
        return image


class FrameMaker(Protocol):
    """Makes the frames of the pairs, when all else that a run needs has been checked."""

    @property
    def name(self) -> str:
        """Of the method in the record."""

    @property
    def origin(self) -> str:
        """What the record says of the frames."""

    @property
    def size(self) -> int | None:
        """Side in pixels of the images that are compared, unless the user wants another; None: as usual."""

    def check(self, motion: str) -> None:
        """Refuse, with a `TalkbenchError`, a name or a `motion` that cannot be."""

    def make(self, split: Split, size: int, progress: Progress) -> GivenFrames:
        """The frames of all pairs of a split, `size` pixels wide and high."""


def _claims(folder: Path, pairs: Sequence[Pair]) -> tuple[dict[Path, range], list[Path]]:
    """The files and folders that are named after a pair, each with the numbers of its pairs; and all other files."""
    whole = {stretch.start: stretch for stretch in stretches(pairs)}
    claims: dict[Path, range] = {}
    strangers = []
    owners: dict[int, Path] = {}
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        numbers = _numbers(path, whole, len(pairs))
        if not numbers:
            strangers.append(path)
            continue
        claims[path] = numbers
        for number in numbers:
            if number in owners:
                both = f"{owners[number].name} and {path.name}"
                raise TalkbenchError(f"{folder} holds {both}, both for pair {number}; keep the right one")
            owners[number] = path
    return claims, strangers


def _counted_from_one(files: Iterable[Path], whole: Sequence[range]) -> str:
    """A hint where the numbers of the files begin at 1, or where they would be those of some of the stretches `whole`
    if each were one less, so that each may stand for the pair before; else ""."""

    def complete(numbers: set[int]) -> bool:
        return {number for stretch in whole if numbers & {*stretch} for number in stretch} == numbers

    numbers = {int(path.stem) for path in files if re.fullmatch(r"[0-9]{6,}", path.stem)}
    first = min(numbers, default=0)
    if first != 1 and (first == 0 or complete(numbers) or not complete({number - 1 for number in numbers})):
        return ""
    return (
        f"there is a {frame_name(first)} and no {frame_name(first - 1)}: the first pair has the number 0, so if the "
        "numbers were counted from 1, every frame is taken for that of the next pair; rename the files"
    )


def _numbers(path: Path, whole: dict[int, range], count: int) -> range:
    stem = path.name if path.is_dir() else path.stem
    if not re.fullmatch(r"[0-9]{6,}", stem) or frame_name(int(stem)) != f"{stem}.png":
        return range(0)
    number = int(stem)
    if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir():
        return range(number, number + 1) if number < count else range(0)
    named = path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES
    return whole.get(number, range(0)) if named or is_video(path) else range(0)


def _places(path: Path, numbers: range, evaluated: list[int]) -> Iterator[tuple[int, Place]]:
    """The frames that the file or folder `path` holds of the `evaluated` pairs.

    Args:
        numbers: all pairs that the file is for.
        evaluated: those of them that the run evaluates.
    """
    if not evaluated:
        return
    if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        yield evaluated[0], (_image(path), None)
        return
    try:
        clip = open_clip(path)
    except TalkbenchError as error:
        broken = _File(path, fault=("undecodable-frame", str(error)))
        yield from ((number, (broken, None)) for number in evaluated)
        return
    if len(clip) not in (len(numbers), len(evaluated)):
        fault = f"{path} has {len(clip)} frames, but its pairs, {numbers[0]} to {numbers[-1]}, are {len(numbers)}"
        wrong = _File(path, fault=("wrong-frame-count", fault))
        yield from ((number, (wrong, None)) for number in evaluated)
    elif isinstance(clip, FolderClip):
        yield from ((number, (_image(file), None)) for number, file in zip(evaluated, clip.files, strict=False))
    else:
        video = _video(clip)
        yield from ((number, (video, index)) for index, number in enumerate(evaluated))


def _image(path: Path) -> _File:
    data = b""
    try:
        data = path.read_bytes()
        with open_image(path, data) as image:
            fault: tuple[str, str] | None = None
            opaque = image.mode == "RGBA" and image.getchannel("A").getextrema()[0] == 255
            if image.mode != "RGB" and not opaque:
                problem = "is transparent in places" if image.mode == "RGBA" else f"has pixels of mode {image.mode}"
                fault = "not-8-bit-rgb", f"{path} {problem}; write 8-bit RGB"
            return _File(path, sha256_bytes(data), _kind(image, data), f"{image.width}x{image.height}", fault)
    except OSError as error:
        return _File(path, fault=("undecodable-frame", f"cannot read {path}: {error.strerror}"))
    except PairError as error:
        reason = "not-8-bit-rgb" if isinstance(error, TooDeep) else error.reason
        return _File(path, sha256_bytes(data), fault=(reason, error.message))


def _kind(image: ImageFile, data: bytes) -> str:
    """How an image is stored: its format, and whether that has lost something."""
    compression = str(image.info.get("compression", ""))
    lossless = {"PNG": True, "BMP": True, "WEBP": b"VP8L" in data[:64], "TIFF": "jpeg" not in compression}
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    return kind if lossless.get(kind, False) else f"{kind} (lossy)"


def _video(clip: Clip) -> _File:
    with open_video(clip.path) as (_, stream):
        kind = f"{stream.codec_context.name} {stream.codec_context.pix_fmt}"
    height, width = clip.read(clip.sound_numbers()[0]).shape[:2]
    return _File(clip.path, sha256_file(clip.path), kind, f"{width}x{height}")


def _info(places: dict[int, Place]) -> FramesInfo:
    lines = [f"{number} {file.sha256} {index}\n" for number, (file, index) in sorted(places.items())]
    files = [file for file, _ in places.values()]
    return FramesInfo(
        sha256=sha256_bytes("".join(lines).encode()),
        pairs=len(places),
        kinds=Counter(file.kind for file in files if file.kind),
        sizes=Counter(file.size for file in files if file.size),
    )


def _instead(places: dict[int, Place]) -> str:
    """The size that most frames have, none having the right one, and the remedy."""
    sizes = Counter(file.size for file, _ in places.values() if file.size)
    if not sizes:
        return next(file.fault[1] for file, _ in places.values() if file.fault)
    ((size, count),) = sizes.most_common(1)
    width, _, height = size.partition("x")
    remedy = f"give --image-size {width} if that was intended" if width == height else "write square images"
    return f"{count} are {size}; {remedy}"


def _remarks(info: FramesInfo, folder: Path, strangers: list[Path], count: int) -> Iterator[str]:
    if strangers:
        yield f"{len(strangers)} of the files in {folder} belong to no pair and are ignored ({strangers[0].name} …)"
    if info.pairs < count:
        yield f"{count - info.pairs} of {count} pairs have no frame in {folder}"
    yield from lossy(info)


def lossy(info: FramesInfo) -> Iterator[str]:
    """A remark on frames that have lost something in their files, if there are any."""
    losses = {kind: number for kind, number in info.kinds.items() if kind not in LOSSLESS}
    if losses:
        kinds = ", ".join(f"{number} {kind}" for kind, number in losses.items())
        yield f"frames that are not lossless are scored with the losses of their compression: {kinds}"
