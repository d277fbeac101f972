"""Pairs of frames, the unit of every evaluation, and the CSV files that list them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import check_regular, sha256_bytes, write_atomic

COLUMNS = ("source_clip", "source_index", "driving_clip", "driving_index", "reference_clip", "reference_index")
SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True, order=True)
class Frame:
    """Frame number `index` of the clip named `clip`.

    Attributes:
        clip: path below the data root, without the folder if the data set's clips lie in one of several
            (`talkbench.datasets.clip_store.Store`).
        index: place in the video or folder, from 0; in the folders of published data sets the number in the file's
            name.
    """

    clip: str
    index: int


@dataclass(frozen=True)
class Pair:
    """The face of `source` is to move as in `driving`; relative motion is measured from `reference`
    (None: absolute motion)."""

    source: Frame
    driving: Frame
    reference: Frame | None = None


def format_pairs(pairs: Iterable[Pair]) -> str:
    """The canonical CSV text of a list: the six `COLUMNS`, the last two empty without a reference."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for pair in pairs:
        frames = (pair.source, pair.driving, pair.reference)
        writer.writerow([field for frame in frames for field in ((frame.clip, frame.index) if frame else ("", ""))])
    return text.getvalue()


def pairs_sha256(pairs: Iterable[Pair]) -> str:
    """SHA-256 of the canonical text, in which the file's line ends and further columns have no part."""
    return sha256_bytes(format_pairs(pairs).encode())


def repetition(pairs: Iterable[Pair]) -> str:
    """Which rows of a list stand there before, in words; "" if none does. They are kept, as published lists have some.

    >>> pair = Pair(Frame("a", 0), Frame("a", 1))
    >>> repetition([pair, Pair(Frame("a", 0), Frame("b", 2)), pair])
    '1 of 3 rows repeats an earlier one and counts again, the first: a 0 → a 1'
    """
    counts = Counter(pairs)
    rows = counts.total()
    repeated = rows - len(counts)
    if not repeated:
        return ""
    first = next(pair for pair, count in counts.items() if count > 1)
    counted = "repeats an earlier one and counts" if repeated == 1 else "repeat earlier ones and count"
    return (
        f"{repeated} of {rows} rows {counted} again, the first: {first.source.clip} {first.source.index} → "
        f"{first.driving.clip} {first.driving.index}"
    )


def highest_frames(pairs: Iterable[Pair]) -> dict[str, int]:
    """The highest frame number that a list names of each clip."""
    highest: dict[str, int] = {}
    for pair in pairs:
        for frame in filter(None, (pair.source, pair.driving, pair.reference)):
            highest[frame.clip] = max(frame.index, highest.get(frame.clip, 0))
    return highest


def write_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    """Write the canonical CSV of `pairs` atomically."""
    write_atomic(path, format_pairs(pairs))


def read_text(path: Path) -> str:
    """The text of a list, without a byte order mark.

    Raises:
        TalkbenchError: the file cannot be read, or a line is not UTF-8; the message names the line.
    """
    check_regular(path)
    try:
        content = path.read_bytes()
        return plain_csv(content.decode("utf-8-sig"))
    except OSError as error:
        raise TalkbenchError(f"cannot read the pair list {path}: {error}; give a CSV file in UTF-8") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TalkbenchError(
            f"cannot read the pair list {path}, line {line}: {error}; give a CSV file in UTF-8"
        ) from error


def plain_csv(text: str) -> str:
    """A list as spreadsheets export it, made plain: commas for semicolons, tabs or bars, no blanks around fields, the
    header in small letters, no line ``sep=;`` before it (an empty one behind keeps the numbers of the lines). What is
    plain already, or no table, stays as it is.

    >>> plain_csv("sep=;\\nSource; Driving\\na b;c\\n")
    'source,driving\\n\\na b,c\\n'
    """
    named = re.match(r'"?sep=(.)"?[ \t,;]*\r?\n', text, re.IGNORECASE)  # saved again, the line has empty fields
    body = text[named.end() :] if named else text
    header = body.partition("\n")[0]
    separator = named[1] if named else max(SEPARATORS, key=header.count)  # the first of SEPARATORS if there is none
    if separator == "," and not named and header == header.lower() and not re.search(r"[ \t],|,[ \t]", text):
        return text
    try:
        rows = list(csv.reader(io.StringIO(body, newline=""), delimiter=separator, skipinitialspace=True))
    except (csv.Error, TypeError, ValueError):  # whoever reads the list says what is wrong with it
        return text
    rows = [[field.strip() for field in row] for row in rows]
    rows[:1] = [[field.lower() for field in row] for row in rows[:1]] + ([[]] if named else [])
    plain = io.StringIO()
    csv.writer(plain, lineterminator="\n").writerows(rows)
    return plain.getvalue()


def read_pairs(path: Path, frame_count: Callable[[str], int]) -> list[Pair]:
    """Read and check a whole pair list.

    Args:
        path: CSV (see `plain_csv` for its forms) with the first four of `COLUMNS`, in any order; the reference columns
            may be missing or empty; further columns are ignored.
        frame_count: returns the number of frames of a clip and raises TalkbenchError for an unknown clip.

    Raises:
        TalkbenchError: names the file, and the line and column at fault.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    pairs = []
    try:
        check_header(reader.fieldnames or (), path)
        missing = [column for column in COLUMNS[:4] if column not in (reader.fieldnames or ())]
        if missing:
            columns = f"column {missing[0]} is missing; needed: {', '.join(COLUMNS[:4])}"
            raise TalkbenchError(f"{path}, line 1: {columns}{_other_separator(reader.fieldnames or ())}")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row:
                raise TalkbenchError(f"{where}, column {len(row)}: more fields than the header names; remove them")
            _check_separator(row, where)
            source, driving = (_frame(row, role, where, frame_count) for role in ("source", "driving"))
            refers = row.get("reference_clip") or row.get("reference_index")
            pairs.append(Pair(source, driving, _frame(row, "reference", where, frame_count) if refers else None))
    except csv.Error as error:
        raise TalkbenchError(f"{path}, line {reader.line_num + 1}: not CSV ({error}); correct the line") from error
    if not pairs:
        raise TalkbenchError(f"{path}: the pair list has no rows; add at least one pair")
    return pairs


def _check_separator(row: dict[str, str], where: str) -> None:
    first, *others = row.values()
    sign = next((sign for sign in SEPARATORS[1:] if first.count(sign) >= 3), "")
    if sign and not any(others):
        raise TalkbenchError(f"{where}: fields are separated by {sign!r}, those of the header are not; use commas")


def _other_separator(columns: Sequence[str]) -> str:
    """What stands between the columns of a header that is none, for the error; "" if that cannot be told."""
    names = "(?:source|driving|reference)_(?:clip|index)"
    between = re.search(rf"{names}(\W{{1,8}}){names}", ",".join(columns), re.IGNORECASE)
    return f"; they are separated by {between[1]!r}, which is not read: use commas" if between else ""


def check_header(columns: Sequence[str], path: Path) -> None:
    """Refuse a header that names a column twice, of which a reader would see one alone."""
    twice = next((column for place, column in enumerate(columns) if column and column in columns[:place]), None)
    if twice is not None:
        raise TalkbenchError(f"{path}, line 1: the column {twice!r:.80} stands twice; remove one of them")


def _frame(row: dict[str, str], role: str, where: str, frame_count: Callable[[str], int]) -> Frame:
    clip, index = row.get(f"{role}_clip") or "", row.get(f"{role}_index") or ""
    if not clip:
        raise TalkbenchError(f"{where}, column {role}_clip: empty; name a clip")
    try:
        length = frame_count(clip)
    except (TalkbenchError, OSError, ValueError) as error:  # the latter two: names no file system takes
        raise TalkbenchError(f"{where}, column {role}_clip: {error}") from error
    if not (index.isascii() and index.isdigit()):
        raise TalkbenchError(f"{where}, column {role}_index: {index!r:.40} is not a frame number (0, 1, 2, …)")
    if len(index) > 18 or int(index) >= length:
        raise TalkbenchError(
            f"{where}, column {role}_index: {index:.40} is beyond the clip {clip!r}, whose last frame is {length - 1}"
        )
    return Frame(clip, int(index))
