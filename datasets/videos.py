"""Video files: told by what is in them, and decoded to upright frames with square pixels in the order of a player."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import check_regular
from talkbench.core.images import check_pixels, on_colour
from talkbench.datasets.interface import Clip, Timeline

if TYPE_CHECKING:
    import av

CACHED_FRAMES = 16  # of a video: enough to step back over, small enough for several open clips
CONTAINERS = (
    *("asf", "avi", "dv", "flv", "gif", "h264", "hevc", "ivf", "m4v", "matroska", "mov", "mpeg", "mpegts"),
    *("mpegvideo", "mxf", "nut", "obu", "ogg", "rm", "webm", "yuv4mpegpipe"),
)
"""FFmpeg's readers that are used. Among the others are those for text, pictures, and lists of other files."""
OPTIONS = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
DECLARING = {"flv", "matroska", "mov"}
"""Those whose header says how long the video is; for others FFmpeg takes the length from what is in the file."""
BARE = {"h264", "hevc", "m4v", "mpegvideo", "obu"}
"""Streams without a container; FFmpeg makes up their time stamps."""
FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
"""Name of the part of an ASF file that declares its size in bytes."""
CUT_OFF = "it was cut off or is damaged"
TICK = Fraction(1, 90000)  # seconds; divides the frame times of film, PAL and NTSC


@contextmanager
def open_video(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """The container and its first stream of moving pictures; the picture of a cover is none.

    Raises:
        TalkbenchError: it is no such file, or what is done with it fails in the decoder's library.
    """
    import av

    check_regular(path)
    try:
        with av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace") as container:
            streams = [stream for stream in container.streams.video if not _is_cover(stream)]
            if not streams:
                raise TalkbenchError(f"{path} holds no video; give a folder of frames or a video")
            yield container, streams[0]
    except TalkbenchError:
        raise
    except Exception as error:  # damaged files make the library fail in any way
        problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise TalkbenchError(f"cannot read the video {path}: {' '.join(problem.split())}; replace the file") from error


def _is_cover(stream: av.VideoStream) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def is_video(path: Path) -> bool:
    """Whether the file at `path` is a video by its content, whatever its name. A GIF of one picture is none."""
    try:
        with open_video(path) as (container, stream):
            return (
                container.format.name != "gif" or len([packet for packet in container.demux(stream) if packet.size]) > 1
            )
    except TalkbenchError:
        return False


def has_sound(path: Path) -> bool:
    """Whether the video at `path` comes with sound, which may be damaged.

    Raises:
        TalkbenchError: it cannot be read.
    """
    with open_video(path) as (container, _):
        return bool(container.streams.audio)


@dataclass
class _Survey:
    """What the packets of a video tell, without decoding.

    Attributes:
        stamps: presentation times of the frames in the order of the file.
        tick: their unit in seconds.
        rate: frames per second, on average, as the container has it; 25 where it has none.
        counted: whether `stamps` cannot be trusted: there is no container, some are missing or there twice, or the
            container keeps the order of the file (AVI) while the codec shows frames in another; or the other way
            round, where stamps are damaged.
        timed: whether `stamps`, ascending, are when the frames are shown one after the other.
        head: frames in the file before the first key frame.
        end: the moment in seconds when the last frame goes.
        damage: see `Clip`.
    """

    stamps: list[int | None] = field(default_factory=list)
    tick: Fraction = TICK
    rate: Fraction = Fraction(25)
    counted: bool = False
    timed: bool = True
    head: int = 0
    end: Fraction = Fraction(0)
    damage: str = ""


def _survey(path: Path) -> _Survey:
    with open_video(path) as (container, stream):
        check_pixels(stream.width, stream.height)
        rate = stream.average_rate or stream.guessed_rate
        survey = _Survey(tick=stream.time_base or TICK, rate=rate if rate and rate > 0 else Fraction(25))
        sound_end, keyed = Fraction(0), False
        for packet in container.demux([stream, *container.streams.audio]):
            moment = packet.pts if packet.pts is not None else packet.dts
            until = Fraction(0)
            if moment is not None and packet.time_base:
                until = (moment + (packet.duration or 0)) * packet.time_base
            if packet.stream_index != stream.index:
                sound_end = max(sound_end, until)
                continue
            keyed = keyed or packet.is_keyframe  # perhaps one that an edit list hides
            if not packet.size or packet.is_discard or _is_hidden(packet, stream):
                continue
            survey.head += not keyed
            survey.stamps.append(packet.pts)
            survey.end = max(survey.end, until)
        if not survey.stamps:
            raise TalkbenchError(f"the video {path} has no frames; replace the file")
        if container.format.name == "gif" and len(survey.stamps) == 1:
            raise TalkbenchError(f"{path} is a GIF of one picture, no video; convert it to PNG")
        known = {stamp for stamp in survey.stamps if stamp is not None}
        unlike = len(known) == len(survey.stamps)
        ascending = unlike and survey.stamps == sorted(known)
        reorders = bool(getattr(stream.codec_context, "has_b_frames", False))
        bare = container.format.name in BARE
        survey.counted = bare or not unlike or ascending == reorders
        survey.timed = not bare and unlike and (ascending or reorders)
        survey.damage = _missing_bytes(path, container) or _missing_time(container, stream, survey, sound_end)
    return survey


def _is_hidden(packet: av.Packet, stream: av.VideoStream) -> bool:
    """Whether a packet of VP8 holds a frame that others refer to and nobody sees (RFC 6386, 9.1: show_frame)."""
    return stream.codec_context.name == "vp8" and not memoryview(packet)[0] & 0x10


def _missing_bytes(path: Path, container: av.container.InputContainer) -> str:
    """For AVI and ASF, whose length in time FFmpeg adapts to what is there: whether the file is shorter than its header
    declares, in words; "" if not."""
    with path.open("rb") as file:
        head = file.read(4096)
    declared, held = 0, path.stat().st_size
    if container.format.name == "avi":
        declared = int.from_bytes(head[4:8], "little") + 8
    elif FILE_PROPERTIES in head:
        place = head.index(FILE_PROPERTIES) + 40  # after the object's name and size and the file's name
        declared = int.from_bytes(head[place : place + 8], "little")
    return f"it declares {declared} bytes and has {held}: {CUT_OFF}" if declared > held else ""


def _missing_time(
    container: av.container.InputContainer, stream: av.VideoStream, survey: _Survey, sound_end: Fraction
) -> str:
    """How much of the time that the container declares is missing, in words; "" if nothing is."""
    if not DECLARING & set(container.format.name.split(",")):
        return ""
    if stream.duration:
        declared, held = stream.duration * survey.tick, survey.end
    else:
        declared, held = Fraction(container.duration or 0, 1_000_000), max(survey.end, sound_end)
    held -= min(Fraction(0), Fraction(container.start_time or 0, 1_000_000))
    if declared - held <= 2 / survey.rate:  # the last frame's length is often left out
        return ""
    return f"it declares {float(declared):.2f} s and ends after {float(held):.2f} s: {CUT_OFF}"


class VideoClip(Clip):
    """A video file.

    Frame i is the one with the i-th smallest presentation time among the file's packets, so that a frame that does not
    decode leaves the numbers of the others as they are. Where the container has no presentation times (AVI, bare
    streams), frames are counted as the decoder puts them out, which is the same order; after a damage none can be
    numbered, so none is read. Reading forward goes on decoding; reading back beyond the last `CACHED_FRAMES` frames
    starts again at the beginning. May be read from several threads, and pickled (the copy opens the file for itself).

    Frames are upright and mirrored as a player shows them (the display matrix, to the nearest right angle), and their
    pixels are square: where they are stored wider than high, the width is stretched, and where they are higher, the
    height. What is transparent becomes black.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._survey = _survey(path)
        self.damage = self._survey.damage and f"{path}: {self._survey.damage}"
        self._index: dict[int | None, int] = {}
        if not self._survey.counted:
            stamps = sorted(stamp for stamp in self._survey.stamps if stamp is not None)
            self._index = {stamp: index for index, stamp in enumerate(stamps)}
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()
        self._position = 0  # the first frame that the decoder may still give
        self._decoder = self._decode()
        if next(self._decode(), None) is None:
            raise TalkbenchError(f"{path}: no frame of this video can be decoded; replace the file")

    def __len__(self) -> int:
        return len(self._survey.stamps)

    @cached_property
    def timeline(self) -> Timeline:
        """See `Clip`. Where every time stamp is within half a frame of the file's rate, that rate is taken as exact,
        since some containers round stamps to milliseconds; else the stamps themselves are used."""
        count, rate = len(self), self._survey.rate
        start = min((stamp for stamp in self._survey.stamps if stamp is not None), default=0) * self._survey.tick
        timed = self._survey.timed
        stamps = np.sort(np.array(self._survey.stamps if timed else range(count), dtype=np.float64))
        times = (stamps - stamps[0]) * float(self._survey.tick if timed else 1 / rate)
        if np.abs(times * float(rate) - np.arange(count)).max() <= 0.5:
            return Timeline(range(count + 1), 1 / rate, start)
        last = float(self._survey.end) - stamps[0] * float(self._survey.tick)
        usual = times[-1] / (count - 1)
        end = last if times[-1] < last <= times[-1] + 10 * usual else times[-1] + usual
        ticks = np.round(np.append(times, end) / float(TICK)).astype(np.int64)
        rising = np.maximum.accumulate(ticks - np.arange(count + 1)) + np.arange(count + 1)
        return Timeline(rising.tolist(), TICK, start)

    def frames_between(self, start: Fraction, end: Fraction) -> range:
        """The frames shown in [start, end), in seconds since the first frame; past the video's end, frames are assumed
        to go on at the same rate. See `timeline` for when a frame is shown."""
        ticks, tick = self.timeline.ticks, self.timeline.tick
        if isinstance(ticks, range):
            return range(math.ceil(start / tick), math.ceil(end / tick))
        first, last = (int(np.searchsorted(ticks[:-1], math.ceil(moment / tick))) for moment in (start, end))
        beyond = (
            max(0, math.ceil((end / tick - ticks[-2]) * (len(self) - 1) / ticks[-2]) - 1) if last == len(self) else 0
        )
        return range(first, last + beyond)

    def sound_frames(self) -> Iterator[tuple[int, np.ndarray]]:
        return self._decode()

    def __reduce__(self) -> tuple[type[VideoClip], tuple[Path]]:
        return VideoClip, (self.path,)

    def _read(self, index: int) -> np.ndarray:
        with self._lock:
            if index in self._cache:
                return self._cache[index].copy()
            if index < self._position:
                self._decoder, self._position = self._decode(), 0
            try:
                self._decode_up_to(index)
            except TalkbenchError as error:
                raise PairError("undecodable-frame", str(error)) from error
            if index in self._cache:
                return self._cache[index].copy()
        raise PairError("undecodable-frame", f"frame {index} of {self.path} cannot be decoded")

    def _decode_up_to(self, index: int) -> None:
        """Go on decoding into the cache until frame `index` is in it or has been passed."""
        for position, image in self._decoder:
            self._position = position + 1
            self._cache[position] = image
            if len(self._cache) > CACHED_FRAMES:
                self._cache.popitem(last=False)
            if position >= index:
                return

    def _decode(self) -> Iterator[tuple[int, np.ndarray]]:
        """All sound frames with their indices, in order. Before the first key frame, and after a packet that does not
        decode up to the next one, frames are left out: the decoder patches them up without saying so."""
        frames = self._counted_frames() if self._survey.counted else self._stamped_frames()
        yield from ((index, image) for index, image in frames if index < len(self))

    def _stamped_frames(self) -> Iterator[tuple[int, np.ndarray]]:
        damaged, last = self._survey.head > 0, -1
        with open_video(self.path) as (container, stream):
            for frame in _decoded(container, stream):
                damaged = (damaged or frame is None or frame.is_corrupt) and not (frame and frame.key_frame)
                index = self._index.get(frame.pts) if frame else None
                if frame and index is not None and index > last and not damaged:  # a stamp may be damaged
                    yield index, _as_shown(frame, stream.sample_aspect_ratio)
                    last = index

    def _counted_frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """Those before the first damage."""
        count, waiting = self._survey.head, self._survey.head > 0
        with open_video(self.path) as (container, stream):
            for frame in _decoded(container, stream):
                waiting = waiting and not (frame and frame.key_frame)
                if waiting:
                    continue
                if frame is None or frame.is_corrupt:
                    return
                yield count, _as_shown(frame, stream.sample_aspect_ratio)
                count += 1


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame | None]:
    """The frames as the decoder puts them out; None for a packet that does not decode."""
    import av

    stream.thread_type = "NONE"  # with several threads, damaged frames come out now this way, now that
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.FFmpegError:
            yield None


def _as_shown(frame: av.VideoFrame, aspect: Fraction | None) -> np.ndarray:
    """A decoded frame as a player shows it, uint8 RGB (H, W, 3).

    Args:
        aspect: width of a pixel over its height; None and 0: not known, square.
    """
    check_pixels(frame.width, frame.height)
    if any(component.is_alpha for component in frame.format.components):
        image = on_colour(frame.to_ndarray(format="rgba"))
    else:
        image = frame.to_ndarray(format="rgb24")
    if aspect and aspect > 0:
        image = _with_square_pixels(image, Fraction(aspect))
    matrix = _display_matrix(frame)
    return image if matrix is None else _turned(image, matrix)


def _with_square_pixels(image: np.ndarray, aspect: Fraction) -> np.ndarray:
    from PIL import Image

    height, width = image.shape[:2]
    size = round(width * max(Fraction(1), aspect)), round(height * max(Fraction(1), 1 / aspect))
    if size == (width, height):
        return image
    check_pixels(*size)
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def _display_matrix(frame: av.VideoFrame) -> np.ndarray | None:
    """The 2 x 2 part of the frame's display matrix, for row vectors (x, y); None if there is none."""
    side: Any = frame.side_data.get("DISPLAYMATRIX")
    if side is None:
        return None
    return np.frombuffer(bytes(side), dtype=np.int32)[:9].reshape(3, 3)[:2, :2].astype(np.float64)


def _turned(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """An image moved as the `matrix` says, to the nearest of the eight ways to lay a rectangle."""
    if abs(matrix[0, 1]) + abs(matrix[1, 0]) > abs(matrix[0, 0]) + abs(matrix[1, 1]):
        image, matrix = image.swapaxes(0, 1), matrix[::-1]  # x and y change places
    if matrix[0, 0] < 0:
        image = image[:, ::-1]
    if matrix[1, 1] < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)
