"""The lists that say which stretch and window of which raw video makes a clip (docs/specs/evaluation.md 6.2, 6.5, 6.6).

All are CSV with a header; columns are found by name and others are ignored. Common to all: ``bbox``, the window as
left-top-right-bottom in pixels of a video of ``width`` x ``height``, and ``start`` and ``end``, the end not included.

* VoxCeleb1 (AliaksandrSiarohin/video-preprocessing, ``vox-metadata.csv``): ``start`` and ``end`` are frames at ``fps``
  per second. ``partition`` is train or test. ``video_id`` is taken to name the identity (``id`` and five digits) and
  the YouTube id, joined by ``#`` in either order; or the YouTube id alone, the identity being in ``person_id``.
* TED-talks (snap-research/articulated-animation, ``ted-metadata.csv``): ``start`` and ``end`` are 0 and ``partition``
  is train in every row, so both are left aside. ``video_id`` is ``<YouTube id>#<first>#<end>`` in frames of the video.
* HDTF: its official annotation is text files whose layout is not documented, so they have to be brought into this
  form: ``video_id`` is the raw file's name without its ending, ``clip`` the clip's name (``RD_Radio39_000``), ``start``
  and ``end`` are in units of which ``fps`` make a second (1: seconds).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.external import ExternalCard

COMMON = ("video_id", "bbox", "width", "height")


@dataclass(frozen=True)
class Cut:
    """One clip to be cut.

    Attributes:
        clip: its folder below the data root.
        video: the raw file's name without its ending.
        start, end: first frame or moment, and the one after the last.
        rate: units of `start` and `end` per second; None: they are frame numbers of the video.
        box: left, top, right, bottom in pixels of a video of `width` x `height`.
    """

    clip: str
    video: str
    start: int | Fraction
    end: int | Fraction
    rate: Fraction | None
    box: tuple[int, int, int, int]
    width: int
    height: int


class _Row:
    """One line of a list; its errors name the file, the line and the column."""

    def __init__(self, fields: dict[str, str], where: str) -> None:
        self.fields, self._where = fields, where

    def fault(self, column: str, expected: str) -> TalkbenchError:
        value = self.fields.get(column)
        return TalkbenchError(f"{self._where}, column {column}: {value!r} is not {expected}; correct the line")

    def match(self, column: str, pattern: str, expected: str) -> re.Match[str]:
        match = re.fullmatch(pattern, self.fields.get(column) or "", re.ASCII)
        if not match:
            raise self.fault(column, expected)
        return match

    def number(self, column: str) -> int:
        return int(self.match(column, r"\d{1,9}", "a whole number")[0])

    def fraction(self, column: str) -> Fraction:
        return Fraction(self.match(column, r"\d{1,9}(\.\d{1,9})?", "a number")[0])

    def cut(self, clip: str, video: str, start: int | Fraction, end: int | Fraction, rate: Fraction | None) -> Cut:
        corners = self.match("bbox", r"(\d{1,5})-(\d{1,5})-(\d{1,5})-(\d{1,5})", "left-top-right-bottom").groups()
        left, top, right, bottom = (int(corner) for corner in corners)
        width, height = self.number("width"), self.number("height")
        if not (left < right and top < bottom and left < width and top < height):
            raise self.fault("bbox", f"a window inside {width} x {height} pixels")
        if start >= end:
            raise TalkbenchError(f"{self._where}: the clip ends at {end}, before it begins; correct the line")
        if rate == 0:
            raise self.fault("fps", "above 0")
        return Cut(clip, video, start, end, rate, (left, top, right, bottom), width, height)


def _voxceleb1(row: _Row, card: ExternalCard) -> Cut:
    names = row.fields["video_id"]
    if "#" not in names and row.fields.get("person_id"):
        names = f"{row.fields['person_id']}#{names}"
    match = re.fullmatch(r"(id\d{5})#([\w-]+)|([\w-]+)#(id\d{5})", names, re.ASCII)
    if not match:
        raise row.fault("video_id", "<id and five digits>#<YouTube id>")
    identity, video = match[1] or match[4], match[2] or match[3]
    partition = row.match("partition", "train|test", "train or test")[0]
    start, end = row.number("start"), row.number("end")
    clip = f"{partition}/{identity}#{video}#{start:06d}#{end:06d}.mp4"
    return row.cut(clip, video, start, end, row.fraction("fps"))


def _ted_talks(row: _Row, card: ExternalCard) -> Cut:
    match = row.match("video_id", r"([\w-]+)#(\d{1,9})#(\d{1,9})", "<YouTube id>#<first frame>#<end>")
    partition = "test" if match[1] in card.training.test_identities else "train"
    return row.cut(f"{partition}/{match[0]}.mp4", match[1], int(match[2]), int(match[3]), None)


def _hdtf(row: _Row, card: ExternalCard) -> Cut:
    clip = row.match("clip", r"((?:RD|WDA|WRA)_[\w-]+_\d{3})(?:\.mp4)?", "<RD|WDA|WRA>_<Name>_<three digits>")[1]
    video = row.match("video_id", r"[\w-]+", "a file's name without its ending")[0]
    return row.cut(f"{clip}.mp4", video, row.fraction("start"), row.fraction("end"), row.fraction("fps"))


# By data set, what else its list must have, and how a row is read.
LISTS: dict[str, tuple[tuple[str, ...], Callable[[_Row, ExternalCard], Cut]]] = {
    "voxceleb1": (("start", "end", "fps", "partition"), _voxceleb1),
    "ted-talks": ((), _ted_talks),
    "hdtf": (("clip", "start", "end", "fps"), _hdtf),
}


def columns_of(dataset: str) -> tuple[str, ...]:
    """The columns that the list of `dataset` must have."""
    return (*COMMON, *LISTS[dataset][0])


def read_cuts(card: ExternalCard, path: Path) -> list[Cut]:
    """The clips of a data set as the list `path` describes them.

    Args:
        card: of ``voxceleb1``, ``ted-talks`` or ``hdtf``.

    Raises:
        TalkbenchError: a line or column is faulty, or two lines have one clip's name; the message names file and line.
    """
    _, parse = LISTS[card.name]
    lines: dict[str, int] = {}
    cuts = []
    for line, fields in _rows(path, columns_of(card.name)):
        cut = parse(_Row(fields, f"{path}, line {line}"), card)
        if cut.clip in lines:
            raise TalkbenchError(
                f"{path}, line {line}: {cut.clip} is in line {lines[cut.clip]} too; remove one of them"
            )
        lines[cut.clip] = line
        cuts.append(cut)
    if not cuts:
        raise TalkbenchError(f"{path} has no rows; give the list of clips")
    return cuts


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TalkbenchError(f"cannot read the list of clips {path}: {error}; give a CSV file in UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise TalkbenchError(f"{path}, line 1: column {missing[0]} is missing; needed: {', '.join(columns)}")
        for row in reader:
            if None in row or None in row.values():
                raise TalkbenchError(f"{path}, line {reader.line_num}: not as many fields as the header; correct it")
            yield reader.line_num, row
    except csv.Error as error:
        raise TalkbenchError(f"{path}, line {reader.line_num + 1}: not CSV ({error}); correct the line") from error
