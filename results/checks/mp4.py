"""Short videos of strangers in MP4: checked before anything plays them, within small bounds of time and memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CONTAINERS = {b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"}
"""The boxes that are opened; of the others those are looked at that say how much there is."""

MAX_EDITS = 2


@dataclass(frozen=True)
class VideoIndex:
    """What the index of an MP4 file says.

    Attributes:
        codec: the four letters of the coding: ``avc1`` is H.264.
        width, height: in pixels.
        frames: how many there are.
        seconds: how long it plays, in milliseconds at the best.
    """

    codec: str
    width: int
    height: int
    frames: int
    seconds: float


def read_index(data: bytes) -> VideoIndex:
    """The index of an MP4 file that holds one video and nothing else; no decoder looks at it.

    Raises:
        ValueError: it is no such file, in words.
    """
    top = [kind for kind, _ in _boxes(data)]
    if top[:1] != [b"ftyp"] or top.count(b"moov") != 1 or b"moof" in top:
        raise ValueError("it is no MP4 file with an index")
    boxes: dict[bytes, list[bytes]] = {}
    for kind, content in _opened(data):
        boxes.setdefault(kind, []).append(content)
    if len(boxes.get(b"trak", [])) != 1 or b"mvex" in boxes:
        raise ValueError("it does not hold one video alone")
    try:
        return _index(boxes)
    except (KeyError, IndexError, struct.error, ZeroDivisionError) as error:
        raise ValueError("its index is damaged") from error


def _index(boxes: dict[bytes, list[bytes]]) -> VideoIndex:
    (handler,), (times,), (form,), (sizes,) = (boxes[kind] for kind in (b"hdlr", b"mvhd", b"stsd", b"stsz"))
    if handler[8:12] != b"vide" or struct.unpack_from(">I", form, 4)[0] != 1:
        raise ValueError("it does not hold one video alone")
    ticks, length = struct.unpack_from(">IQ" if times[0] else ">II", times, 20 if times[0] else 12)
    width, height = struct.unpack_from(">HH", form, 40)
    (frames,) = struct.unpack_from(">I", sizes, 8)
    for table in (*boxes[b"stts"], *boxes.get(b"ctts", [])):
        counts = struct.unpack_from(f">{(len(table) - 8) // 8 * 2}I", table, 8)[::2]
        if sum(counts) != frames:
            raise IndexError
    if any(struct.unpack_from(">I", edits, 4)[0] > MAX_EDITS for edits in boxes.get(b"elst", [])):
        raise IndexError
    return VideoIndex(form[12:16].decode("latin-1"), width, height, frames, length / ticks)


def _opened(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for kind, content in _boxes(data):
        yield kind, content
        if kind in CONTAINERS:
            yield from _opened(content)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes that follow one another; of those after a damaged one nothing."""
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if not 8 <= size <= len(data) - place:
            raise ValueError("it is no MP4 file, or was cut off")
        yield kind, data[place + 8 : place + size]
        place += size


def check_decodes(path: Path, index: VideoIndex) -> None:
    """Decode a file that `read_index` has read, no more pixels and frames than it says.

    Raises:
        ValueError: its frames cannot be decoded, or are not those of the index.
    """
    import av

    bound = {"max_pixels": str(2 * index.width * index.height)}  # H.264 counts in blocks of 16x16
    options = {"format_whitelist": "mov", "protocol_whitelist": "file"}
    try:
        with av.open(f"file:{path}", options={**options, **bound}) as container:
            stream = container.streams.video[0]
            stream.codec_context.options = bound
            sizes = [(frame.width, frame.height) for frame in container.decode(stream)]
    except Exception as error:  # damaged files make the library fail in any way
        raise ValueError("its frames cannot be decoded") from error
    if sizes != [(index.width, index.height)] * index.frames:
        raise ValueError("its frames are not those of its index")
