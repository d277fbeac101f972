"""The lists that say which stretch and window of which raw video makes a clip (docs/specs/evaluation.md 6.2, 6.5, 6.6).

Those of VoxCeleb1 and TED-talks are CSV with a header; columns are found by name and others are ignored. Common to
both: ``bbox``, the window as left-top-right-bottom in pixels of a video of ``width`` x ``height``, and ``start`` and
``end``, the end not included. For HDTF see `talkbench.datasets.preparation.hdtf`.

* VoxCeleb1 (AliaksandrSiarohin/video-preprocessing, ``vox-metadata.csv``): ``start`` and ``end`` are frames at ``fps``
  per second. ``partition`` is train or test. ``video_id`` is the YouTube id and ``person_id`` the identity, ``id`` and
  five digits; or ``video_id`` names both, joined by ``#`` in either order.
* TED-talks (snap-research/articulated-animation, ``ted-metadata.csv``): ``start`` and ``end`` are 0 and ``partition``
  is train in every row, so both are left aside. ``video_id`` is ``<YouTube id>#<first>#<end>`` in frames of the video.

Rows that say the same are one. Of rows that contradict each other, the test part comes first, then the earlier row; and
nobody who is tested has rows for training.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path, PurePosixPath

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import check_regular
from talkbench.datasets.external import ExternalCard
from talkbench.datasets.pairs import plain_csv

COMMON = ("video_id", "bbox", "width", "height")
LONGEST_SHOWN = 80  # characters of a faulty field that a message quotes


@dataclass(frozen=True)
class Cut:
    """One clip to be cut.

    Attributes:
        clip: its folder below the data root.
        video: the raw file's name without its ending.
        start, end: first frame or moment, and the one after the last.
        rate: units of `start` and `end` per second; None: they are frame numbers of the video.
        box: left, top, right, bottom in pixels of a video of `width` x `height`.
        width: None where the list does not say; the video's height alone then gives the scale.
        other_names: what else the raw file may be called.
    """

    clip: str
    video: str
    start: int | Fraction
    end: int | Fraction
    rate: Fraction | None
    box: tuple[int, int, int, int]
    width: int | None
    height: int
    other_names: tuple[str, ...] = ()

    def named_as(self, names: Collection[str]) -> Cut:
        """Itself, or with another of its names as `video` if that one is in `names` and `video` is not."""
        return replace(
            self, video=next((name for name in (self.video, *self.other_names) if name in names), self.video)
        )


@dataclass(frozen=True)
class Unusable:
    """A clip that the lists name, but do not describe so that it could be cut: `status` is a slug, told in `detail`."""

    clip: str
    video: str
    status: str
    detail: str


@dataclass(frozen=True)
class CutList:
    """What a data set's lists say.

    Attributes:
        cuts: the clips to be cut, each once.
        unusable: the other clips.
        note: one line on what was read and what was left aside.
    """

    cuts: list[Cut]
    unusable: list[Unusable]
    note: str


class _Row:
    """One line of a list; its errors name the file, the line and the column."""

    def __init__(self, fields: dict[str, str], where: str) -> None:
        self.fields, self._where = fields, where

    def fault(self, column: str, expected: str) -> TalkbenchError:
        value = repr(self.fields.get(column))
        shown = value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}…"
        return TalkbenchError(f"{self._where}, column {column}: {shown} is not {expected}; correct the line")

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


# By data set, what else its list must have, and how a row is read.
LISTS: dict[str, tuple[tuple[str, ...], Callable[[_Row, ExternalCard], Cut]]] = {
    "voxceleb1": (("start", "end", "fps", "partition"), _voxceleb1),
    "ted-talks": ((), _ted_talks),
}


def read_cuts(card: ExternalCard, path: Path) -> CutList:
    """The clips of a data set as the list `path` describes them.

    Args:
        card: of ``voxceleb1`` or ``ted-talks``.

    Raises:
        TalkbenchError: a line or column is faulty; the message names file and line.
    """
    columns, parse = LISTS[card.name]
    rows = [
        (line, parse(_Row(fields, f"{path}, line {line}"), card)) for line, fields in _rows(path, (*COMMON, *columns))
    ]
    if not rows:
        raise TalkbenchError(f"{path} has no rows; give the list of clips")
    return _settle(rows, card)


def _settle(rows: list[tuple[int, Cut]], card: ExternalCard) -> CutList:
    """The clips of `rows` (with their line numbers), of which none is twice and nobody in both parts."""
    lines: dict[Cut, int] = {}
    for line, cut in rows:
        lines.setdefault(cut, line)

    def person(cut: Cut) -> str:
        return card.naming.person(PurePosixPath(cut.clip).name)

    tested = {*card.training.test_identities, *(person(cut) for cut in lines if cut.clip.startswith("test/"))}
    kept: dict[str, Cut] = {}
    left_out: dict[int, str] = {}  # by line, why
    for cut, line in sorted(lines.items(), key=lambda item: (item[0].clip.startswith("train/"), item[1])):
        name = PurePosixPath(cut.clip).name
        if name in kept:
            left_out[line] = f"{kept[name].clip} is in line {lines[kept[name]]}"
        elif cut.clip.startswith("train/") and person(cut) in tested:
            left_out[line] = f"{person(cut)} is tested"
        else:
            kept[name] = cut
    cuts = sorted(kept.values(), key=lines.__getitem__)
    tests = sum(cut.clip.startswith("test/") for cut in cuts)
    note = f"{len(rows)} rows: {tests} clips to test on, {len(cuts) - tests} to train on"
    if len(rows) > len(lines):
        note += f"; {len(rows) - len(lines)} rows repeat others"
    return CutList(cuts, [], note + _contradictions(left_out))


def _contradictions(left_out: dict[int, str]) -> str:
    """How many rows are left out, and why the first of them is; by line, why each is."""
    if not left_out:
        return ""
    first = min(left_out)
    return (
        f"; {len(left_out)} rows contradict others and are left out, since the test part comes first, then the earlier "
        f"row (line {first}: {left_out[first]})"
    )


def read_text(path: Path) -> str:
    """The text of a list, without a byte order mark.

    Raises:
        TalkbenchError: the file cannot be read, is empty or not UTF-8; the message names the line.
    """
    check_regular(path)
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise TalkbenchError(
            f"cannot read the list of clips {path}: {error.strerror}; name the file with --metadata"
        ) from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TalkbenchError(f"cannot read the list of clips {path}, line {line}: not UTF-8; convert it") from error
    if not text.strip():
        raise TalkbenchError(f"the list of clips {path} is empty; get it anew with bench data fetch-lists")
    return text


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with the numbers of their last lines."""
    reader = csv.DictReader(io.StringIO(plain_csv(read_text(path)), newline=""), strict=True)
    try:
        names = list(reader.fieldnames or ())
        missing = [column for column in columns if column not in names]
        if missing:
            raise TalkbenchError(f"{path}, line 1: column {missing[0]} is missing; needed: {', '.join(columns)}")
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise TalkbenchError(f"{path}, line 1: column {twice[0]} is there twice; remove one of them")
        for row in reader:
            if None in row or None in row.values():
                raise TalkbenchError(f"{path}, line {reader.line_num}: not as many fields as the header; correct it")
            yield reader.line_num, row
    except csv.Error as error:
        raise TalkbenchError(f"{path}, line {reader.line_num + 1}: not CSV ({error}); correct the line") from error
