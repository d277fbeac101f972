"""Takes the frames out of what a program wrote, and checks them against its card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from talkbench.benchmark.evaluation.given_frames import frame_name
from talkbench.benchmark.programs.calls import Call
from talkbench.benchmark.programs.card import Cut, Output, ProgramCard
from talkbench.benchmark.programs.frame_map import count_fault, places, resamples
from talkbench.benchmark.programs.templates import fill
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import open_image, read_image
from talkbench.core.text import few
from talkbench.datasets.clips import natural
from talkbench.datasets.videos import VideoClip, open_video

LOST = "lost-in-frame-map"
"""The reason of pairs to which no frame of the output belongs."""


@dataclass(frozen=True)
class Pictures:
    """What a program wrote in a call: the pictures in their order, as they are.

    Attributes:
        kind: how they are stored, ``PNG``, ``JPEG (lossy)``, ``h264 yuv420p``.
    """

    files: list[Path]
    kind: str
    video: VideoClip | None = None

    def __len__(self) -> int:
        return len(self.files) if self.video is None else len(self.video)

    def read(self, index: int) -> np.ndarray:
        """Picture `index`, uint8 RGB (H, W, 3); raises `PairError` if it does not decode."""
        return read_image(self.files[index]) if self.video is None else self.video.read(index)


def pictures(output: Output, out: Path) -> Pictures:
    """The pictures of a call of a pair or a clip.

    Args:
        out: the folder that the program wrote into.

    Raises:
        PairError: ``no-output``: there are none, or several videos; ``undecodable-frame``: the video is broken.
    """
    files = _files(output.files, out)
    if output.form == "frames":
        return Pictures(files, kind_of(files[0]))
    if len(files) > 1:
        raise PairError("no-output", f"several files are called {output.files}: {few([f.name for f in files])}; narrow "
                        "output.files of the card")  # fmt: skip
    try:
        with open_video(files[0]) as (_, stream):
            kind = f"{stream.codec_context.name} {stream.codec_context.pix_fmt}"
        return Pictures(files, kind, VideoClip(files[0]))
    except TalkbenchError as error:
        problem = str(error).removesuffix("; replace the file")
        raise PairError("undecodable-frame", f"what it wrote is broken: {problem}") from error


@contextmanager
def named_below(out: Path) -> Iterator[None]:
    """Name the files of a program by their paths below `out`, which is gone when the message is read."""
    try:
        yield
    except PairError as error:
        raise PairError(error.reason, error.message.replace(f"{out}/", "")) from error


def _files(pattern: str, out: Path) -> list[Path]:
    files = [path for path in out.glob(pattern) if path.is_file()]
    if files:
        return sorted(files, key=lambda path: natural(path.relative_to(out).as_posix()))
    others = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    raise PairError("no-output", f"it wrote {few(others)}, and no {pattern}, as output.files of its card says")


def kind_of(path: Path) -> str:
    """How an image is stored, in a word."""
    with open_image(path) as image:
        return str(image.format) if image.format in ("PNG", "BMP") else f"{image.format} (lossy)"


def cut_of(picture: np.ndarray, cut: Cut | None) -> np.ndarray:
    """The part of a picture (H, W, 3) that is the frame.

    Raises:
        PairError: ``wrong-size``: its sides are no multiples of the parts.
    """
    if cut is None:
        return picture
    height, width = picture.shape[:2]
    if height % cut.rows or width % cut.columns:
        raise PairError("wrong-size", f"a picture of {width}x{height} is no montage of {cut.columns}x{cut.rows} parts; "
                        "mend output.cut of the card")  # fmt: skip
    high, wide = height // cut.rows, width // cut.columns
    return picture[cut.row * high : (cut.row + 1) * high, cut.column * wide : (cut.column + 1) * wide]


def frames_of(card: ProgramCard, call: Call, out: Path, size: int) -> Iterator[tuple[int, np.ndarray, str]]:
    """The frames of a call's pairs, each with the number of its place in the call and how it was stored.

    Pairs to which no frame belongs are left out.

    Args:
        size: side in pixels of the images that the program got.

    Raises:
        PairError: the output is not what the card says: ``no-output``, ``undecodable-frame``, ``wrong-frame-count`` or
            ``wrong-size``. Then none of its frames can be relied on.
    """
    side = card.output.size or size
    if call.source is None:
        yield from _of_list(card, call, out, side)
        return
    written, count = pictures(card.output, out), len(call.drivings)
    if fault := count_fault(card.frames, len(written), count, call.rate):
        raise PairError(
            "wrong-frame-count", f"{fault}; bench check program finds out what frames of the card should say"
        )
    first = places(card.frames, count, call.rate)
    for place in call.places:
        if first.get(place, len(written)) < len(written):
            yield place, _checked(written.read(first[place]), card.output, side), written.kind


def _of_list(card: ProgramCard, call: Call, out: Path, side: int) -> Iterator[tuple[int, np.ndarray, str]]:
    missing: list[str] = []
    for number in call.numbers:
        path = list_file(card.output, out, number)
        if path.is_file():
            yield number, _checked(read_image(path), card.output, side), kind_of(path)
        else:
            missing.append(path.relative_to(out).as_posix())
    if len(missing) == len(call.numbers):
        others = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
        raise PairError("no-output", f"it wrote {few(others)}, and no {missing[0]}, as output.files of its card says")


def list_file(output: Output, out: Path, number: int) -> Path:
    """Where a program for whole lists writes the frame of pair `number`."""
    return out / str(fill(output.files, {"number": frame_name(number).removesuffix(".png")}))


def _checked(picture: np.ndarray, output: Output, side: int) -> np.ndarray:
    frame = cut_of(picture, output.cut)
    height, width = frame.shape[:2]
    if (width, height) != (side, side):
        raise PairError("wrong-size", f"it wrote frames of {width}x{height} instead of {side}x{side}; mend output.size "
                        "or output.cut of the card")  # fmt: skip
    return frame


def lost(card: ProgramCard, call: Call) -> dict[int, str]:
    """The pairs of a call to which no frame belongs by the frame map, each with the reason in words."""
    if call.source is None:
        return {}
    frames, causes = card.frames, []
    if frames.rate is not None and resamples(frames, call.rate):
        causes.append(f"the program resamples from {float(call.rate):g} to {frames.rate:g} frames per second")
    if frames.cap is not None:
        causes.append(f"the program writes at most {frames.cap} frames")
    if frames.dropped:
        causes.append(f"the program drops the first {frames.dropped} frames")
    first = places(frames, len(call.drivings), call.rate)
    message = f"its driving frame has none in the output: {'; '.join(causes)}"
    pairs = zip(call.numbers, call.places, strict=True)
    return {number: message for number, place in pairs if place not in first}


def shrunk(frame: np.ndarray, size: int) -> np.ndarray:
    """A frame (S, S, 3) at another size: the mean of n by n pixels where the side is n times as long, else as frames of
    data sets are resized."""
    from talkbench.core.images import resize

    side = len(frame)
    if side == size or side % size:
        return resize(frame, size)
    parts = frame.reshape(size, side // size, size, side // size, 3).astype(np.float64)
    rounded: np.ndarray = np.floor(parts.mean(axis=(1, 3)) + 0.5).astype(np.uint8)
    return rounded
