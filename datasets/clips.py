"""Clips: a folder of image files or a video file, read frame by frame with exact indices."""

from __future__ import annotations

import math
import os
import re
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import check_regular
from talkbench.core.images import read_image

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
CACHED_FRAMES = 16  # of a video: enough to step back over, small enough for several open clips


class Clip(ABC):
    """A run of frames; `len` counts them.

    Args:
        path: the folder or the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def rate(self) -> Fraction | None:
        """Frames per second, on average; None where frames carry no time."""
        return None

    def file(self, index: int) -> Path:
        """The file that frame `index` is in."""
        return self.path

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    def numbers(self) -> Sequence[int]:
        """The frame numbers that `read` accepts, ascending; at least one."""
        return range(len(self))

    @abstractmethod
    def _read(self, index: int) -> np.ndarray: ...

    def read(self, index: int) -> np.ndarray:
        """Frame `index`, from 0, as uint8 RGB (H, W, 3).

        Raises:
            PairError: ``index-beyond-clip``, or ``undecodable-frame`` where this frame is damaged.
        """
        if not 0 <= index < len(self):
            raise PairError("index-beyond-clip", f"{self.path} has frames 0 to {len(self) - 1}, not {index}")
        return self._read(index)


class FolderClip(Clip):
    """The PNG and JPEG files of a folder in natural order (``2.png`` before ``10.png``)."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.files = sorted(image_files(path), key=_natural)
        if not self.files:
            raise TalkbenchError(f"{path} holds no PNG or JPEG frames; give a folder of frames or a video")

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
    """The PNG and JPEG files of a folder by the numbers in their names (`file_number`): a frame keeps its number even
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
            raise TalkbenchError(f"{path} holds no numbered PNG or JPEG frames; prepare this clip anew")

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


class VideoClip(Clip):
    """A video file, decoded in order of time.

    Frame i is the one with the i-th smallest time stamp among the file's packets, so that a frame
    that does not decode leaves the numbers of the others as they are. Reading forward goes on
    decoding; reading back beyond the last `CACHED_FRAMES` frames starts again at the beginning. May
    be read from several threads, and pickled (the copy opens the file for itself).
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        check_regular(path)
        self._index: dict[int | None, int] = {stamp: index for index, stamp in enumerate(self._stamps())}
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()
        self._position = 0  # the first frame that the decoder may still give
        self._decoder = self._decode()
        if next(self._decode(), None) is None:
            raise TalkbenchError(f"{path}: no frame of this video can be decoded; replace the file")

    def __len__(self) -> int:
        return len(self._index)

    @property
    def rate(self) -> Fraction | None:
        import av

        with av.open(str(self.path)) as container:
            return container.streams.video[0].average_rate

    def frames_between(self, start: Fraction, end: Fraction) -> range:
        """The frames shown in [start, end), in seconds since the first frame; past the video's end, frames are assumed
        to go on at the same rate.

        Where every time stamp is within half a frame of the file's rate, that rate is taken as exact, since some
        containers round stamps to milliseconds; else the stamps themselves are used.
        """
        import av

        with av.open(str(self.path)) as container:
            base, rate = container.streams.video[0].time_base, container.streams.video[0].average_rate
        assert base is not None  # as the frames have time stamps
        stamps = np.array([stamp for stamp in self._index if stamp is not None])
        times = (stamps - stamps[0]) * float(base)
        if rate and np.abs(times * float(rate) - np.arange(len(times))).max() <= 0.5:
            return range(math.ceil(start * rate), math.ceil(end * rate))
        step = times[-1] / max(1, len(times) - 1)
        times = np.append(times, np.arange(times[-1] + step, float(end), step) if step else [])
        first, last = np.searchsorted(times, (float(start), float(end)))
        return range(int(first), int(last))

    def __reduce__(self) -> tuple[type[VideoClip], tuple[Path]]:
        return VideoClip, (self.path,)

    def _read(self, index: int) -> np.ndarray:
        with self._lock:
            if index in self._cache:
                return self._cache[index].copy()
            if index < self._position:
                self._decoder, self._position = self._decode(), 0
            for position, image in self._decoder:
                self._position = position + 1
                self._cache[position] = image
                if len(self._cache) > CACHED_FRAMES:
                    self._cache.popitem(last=False)
                if position == index:
                    return image.copy()
                if position > index:
                    break
        raise PairError("undecodable-frame", f"frame {index} of {self.path} cannot be decoded")

    def _stamps(self) -> list[int]:
        """The presentation times of all frames, without decoding."""
        import av

        try:
            with av.open(str(self.path)) as container:
                if not container.streams.video:
                    raise TalkbenchError(f"{self.path} holds no video; give a folder of frames or a video")
                packets = [packet for packet in container.demux(video=0) if packet.size and not packet.is_discard]
        except (av.FFmpegError, OSError) as error:
            raise TalkbenchError(f"cannot read the video {self.path}: {error.strerror}; replace the file") from error
        stamps = {packet.pts for packet in packets if packet.pts is not None}
        if not packets or len(stamps) < len(packets):
            problem = "frames without time stamps; convert it to mp4" if packets else "no frames; replace the file"
            raise TalkbenchError(f"the video {self.path} has {problem}")
        return sorted(stamps)

    def _decode(self) -> Iterator[tuple[int, np.ndarray]]:
        """All sound frames with their indices, in order. After a packet that does not decode, the
        frames up to the next key frame are left out: the decoder patches them up without saying so."""
        import av

        damaged = False

        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    damaged = True
                    continue
                for frame in frames:
                    damaged = (damaged or frame.is_corrupt) and not frame.key_frame
                    index = self._index.get(frame.pts)
                    if index is not None and not damaged:
                        image = frame.to_ndarray(format="rgb24")
                        yield index, np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))


def open_clip(path: Path, numbered: bool = False) -> Clip:
    """The clip at `path`: a folder of PNG or JPEG frames, or a video file of any container.

    Args:
        numbered: frames in a folder go by the number in their names, not by their place.

    Raises:
        TalkbenchError: what is at `path` cannot be read as a clip.
        PairError: ``missing-clip``, `path` does not exist.
    """
    if path.is_dir():
        return NumberedClip(path) if numbered else FolderClip(path)
    if path.is_file():
        return VideoClip(path)
    raise PairError("missing-clip", f"there is no clip {path}; give a folder of frames or a video")


def is_image(name: str) -> bool:
    """Whether `name` is the name of a PNG or JPEG file that is not hidden."""
    return name.lower().endswith(IMAGE_SUFFIXES) and name[0] != "."


def image_names(folder: Path) -> Iterator[str]:
    """The names of the PNG and JPEG files in `folder`, hidden ones left out, in no order."""
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
