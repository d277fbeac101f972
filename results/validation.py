"""The checks of an entry before it joins a leaderboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_folder, write_atomic
from talkbench.core.text import visible
from talkbench.results.checks.mp4 import check_decodes, read_index
from talkbench.results.checks.plausibility import (
    NEW_EXPORT,
    Expectations,
    Expected,
    nothing_expected,
    record_faults,
    row_faults,
    summary_faults,
)
from talkbench.results.entries import (
    ENTRY,
    MAX_CLIP_BYTES,
    MAX_SIDE,
    RECORD,
    ROWS,
    SUMMARY,
    Entry,
    EntryClip,
    EntryInfo,
    check_distinct,
    entry_folders,
    file_faults,
    is_run,
    load_entries,
    parse_file,
    read_info,
    read_json,
)
from talkbench.results.privacy import public, without_folders
from talkbench.results.record import RunRecord
from talkbench.results.rows import Summary
from talkbench.results.run_store import read_rows
from talkbench.results.summary import summarise

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MAX_BYTES = 3_000_000
"""Size of an entry of `USUAL_ROWS` rows or fewer; one of more may grow in proportion."""

USUAL_ROWS = 2083 * 12

PLACE = ["source_clip", "source_index", "driving_clip", "driving_index"]


def faults(folder: Path | str, expectations: Expectations = nothing_expected) -> list[str]:
    """Everything that is wrong with an entry, each in one line that names the file and the remedy; empty: it is sound.

    Checked are:

    - the schema of the files, their hashes and their size, and that there are no further files and no links;
    - that every pair has its rows;
    - that the protocol ids and the summary follow from the record and the rows;
    - that no text names a folder of the machine that the run was made on;
    - that thumbnails and clips are pictures and videos of the pairs, within their bounds;
    - that none of them shows a clip of which no picture may be published;
    - that date, metrics, values and weights can be true (`results.checks.plausibility`).
    """
    folder = Path(folder)
    try:
        info = read_info(folder)
    except TalkbenchError as error:
        return [visible(str(error))]
    return [visible(fault) for fault in [*file_faults(folder, info), *_content_faults(folder, info, expectations)]]


def _content_faults(folder: Path, info: EntryInfo, expectations: Expectations) -> Iterator[str]:
    record = summary = rows = None
    for name in (RECORD, SUMMARY, ROWS):
        path = folder / name
        if not path.is_file() or path.is_symlink():
            continue  # file_faults reports it
        try:
            if name == RECORD:
                record = parse_file(RunRecord, path)
            elif name == SUMMARY:
                summary = parse_file(Summary, path)
            else:
                rows = read_rows(path, NEW_EXPORT)
        except TalkbenchError as error:
            yield str(error)
    yield from _size_faults(folder, rows)
    yield from _picture_faults(folder, info, record)
    yield from _video_faults(folder, info, record)
    if record is None:
        return
    expected = expectations(record)
    yield from _record_faults(folder / RECORD, record)
    yield from record_faults(folder / RECORD, record, expected)
    if summary is not None:
        yield from summary_faults(folder / SUMMARY, summary, record, expected)
    if rows is not None:
        wrong = list(_row_faults(folder / ROWS, rows, record, expected))
        yield from wrong
        yield from _shown_faults(folder / ENTRY, info, rows.to_pandas(), expected)
        if summary is not None and not wrong:
            yield from _summary_faults(folder, record, rows.to_pandas(), summary)


def _size_faults(folder: Path, rows: pa.Table | None) -> Iterator[str]:
    allowed = MAX_BYTES * max(1, (0 if rows is None else len(rows)) / USUAL_ROWS)
    size = sum(path.lstat().st_size for path in folder.rglob("*"))
    if size > allowed:
        yield f"{folder} has {size / 1e6:.1f} MB and may have {allowed / 1e6:.1f}; export it with fewer --thumbnails"


def _picture_faults(folder: Path, info: EntryInfo, record: RunRecord | None) -> Iterator[str]:
    from PIL import Image

    for item in info.thumbnails:
        if record is not None and item.pair >= record.dataset.pairs:
            yield f"{folder / ENTRY} has a thumbnail of pair {item.pair}, which the run does not have; {NEW_EXPORT}"
        for name in (item.source, item.driving, item.generated):
            path = folder / name
            if path.is_symlink() or not path.is_file():
                continue
            try:
                with Image.open(path, formats=["WEBP"]) as picture:  # the header alone is read
                    if max(picture.size) > MAX_SIDE:
                        yield f"{path} is larger than {MAX_SIDE} pixels; {NEW_EXPORT}"
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                yield f"{path} is no WebP picture; {NEW_EXPORT}"


def _video_faults(folder: Path, info: EntryInfo, record: RunRecord | None) -> Iterator[str]:
    paths = {clip: folder / clip.video for clip in info.clips}
    paths = {clip: path for clip, path in paths.items() if path.is_file() and not path.is_symlink()}
    size = sum(path.stat().st_size for path in paths.values())
    if size > MAX_CLIP_BYTES:
        yield f"the clips of {folder} have {size} bytes and may have {MAX_CLIP_BYTES} together; {NEW_EXPORT}"
        return
    for clip, path in paths.items():
        if record is not None and max(clip.pairs) >= record.dataset.pairs:
            yield f"{folder / ENTRY} has a clip of pair {max(clip.pairs)}, which the run does not have; {NEW_EXPORT}"
        try:
            _check_video(path, clip)
        except ValueError as error:
            yield f"{path} is not the video that {ENTRY} describes: {error}; {NEW_EXPORT}"


def _check_video(path: Path, clip: EntryClip) -> None:
    """Raises ValueError for a file that is no video of a clip."""
    index = read_index(path.read_bytes())
    if index.codec != "avc1":
        raise ValueError("it is not coded in H.264")
    if index.width != 3 * index.height or index.height > MAX_SIDE:
        size = f"{index.width}x{index.height} pixels"
        raise ValueError(f"it has {size}, which are not three squares of at most {MAX_SIDE}")
    if index.frames != len(clip.pairs):
        raise ValueError(f"it has {index.frames} frames of {len(clip.pairs)} pairs")
    if abs(index.seconds - index.frames / clip.rate) > max(0.5 / clip.rate, 0.002):
        raise ValueError(f"its {index.frames} frames take {index.seconds:.3f} s, at {clip.rate:g} per second")
    check_decodes(path, index)


def _shown_faults(path: Path, info: EntryInfo, rows: pd.DataFrame, expected: Expected) -> Iterator[str]:
    """Whether thumbnails and clips show what may be published, and clips frames that follow one another."""
    import numpy as np

    places = rows.drop_duplicates("pair").set_index("pair")[PLACE]
    shown = [("thumbnail", (item.pair,)) for item in info.thumbnails] + [("clip", clip.pairs) for clip in info.clips]
    for what, pairs in shown:
        if not set(pairs) <= set(places.index):
            continue  # other faults say so
        frames = places.loc[list(pairs)]
        names = {*frames["source_clip"], *frames["driving_clip"]}
        for name in sorted(name for name in names if not expected.may_show(name)):
            where = f"a {what} of pair {pairs[0]} with {name}"
            yield f"{path} has {where}, of which no picture is published; {NEW_EXPORT}"
        follow = frames["driving_index"] - np.arange(len(frames))
        if (frames.assign(driving_index=follow).nunique() > 1).any():
            yield f"{path} has a clip of pair {pairs[0]} whose frames do not follow one another; {NEW_EXPORT}"


def _record_faults(path: Path, record: RunRecord) -> Iterator[str]:
    written = json.loads(read_json(path)).get("protocol_ids")
    if written != record.protocol_ids:
        ids = written if isinstance(written, dict) else {}
        name = next((name for name in record.protocol_ids if ids.get(name) != record.protocol_ids[name]), "")
        what = f"protocol id of {name}" if name else "list of protocol ids"
        yield f"{path}: the {what} is not the one that follows from the record; {NEW_EXPORT}"
    if public(record) != record:
        yield f"{path} names a folder of the machine that made it; {NEW_EXPORT}"


def _row_faults(path: Path, table: pa.Table, record: RunRecord, expected: Expected) -> Iterator[str]:
    import pyarrow.compute as pc

    rows = table.to_pandas()
    for column in ("value", "weight"):
        if not pc.all(pc.is_finite(table[column].drop_null())).as_py():
            yield f"{path} holds a {column} that is not finite; {NEW_EXPORT}"
    if any(table[column].null_count for column in table.column_names if column != "value"):
        yield f"{path} has an empty field besides value; {NEW_EXPORT}"
    if (rows["weight"] < 0).any():
        yield f"{path} holds a negative weight; {NEW_EXPORT}"
    if (rows["value"].isna() & (rows["reason"] == "")).any():
        yield f"{path} holds a row without value and without reason; {NEW_EXPORT}"
    if any(without_folders(text) != text for text in rows["message"].dropna().unique()):
        yield f"{path} names a folder of the machine that made it; {NEW_EXPORT}"
    yield from _pair_faults(path, rows, record)
    yield from row_faults(path, rows, record, expected)


def _pair_faults(path: Path, rows: pd.DataFrame, record: RunRecord) -> Iterator[str]:
    count, numbers = record.dataset.pairs, set(rows["pair"])
    if len(numbers) != count or numbers != set(range(count)):
        yield f"{path} has rows of {len(numbers)} pairs where the run has {count}, numbered from 0; {NEW_EXPORT}"
    twice = rows[rows.duplicated(["pair", "metric"])]
    if len(twice):
        yield f"{path} has two rows of pair {twice['pair'].iloc[0]} and {twice['metric'].iloc[0]}; {NEW_EXPORT}"
    frames = rows[["pair", "source_clip", "source_index", "driving_clip", "driving_index"]].drop_duplicates()
    if frames["pair"].duplicated().any():
        pair = frames.loc[frames["pair"].duplicated(), "pair"].iloc[0]
        yield f"{path} gives pair {pair} two sets of frames; {NEW_EXPORT}"


def _summary_faults(folder: Path, record: RunRecord, rows: pd.DataFrame, summary: Summary) -> Iterator[str]:
    """Where the summary is not the one that follows from the rows. Values of metrics that take whole sets cannot follow
    from rows and are not checked."""
    sets = {result.metric: result.mean for result in summary.metrics}
    rows = rows.sort_values(["pair", "metric"], kind="stable", ignore_index=True)
    try:
        derived = summarise(rows, record.metrics, record.missing_faces, sets)
    except TalkbenchError:
        names = sorted(set(rows["metric"]) - {spec.name for spec in record.metrics})
        yield f"{folder / ROWS} holds {names[0]!r}, which {RECORD} does not list; {NEW_EXPORT}"
        return
    if derived == summary:
        return
    expected = {result.metric: result for result in derived.metrics}
    wrong = [result.metric for result in summary.metrics if expected.get(result.metric) != result]
    what = f"of {wrong[0]}" if wrong else "as a whole"
    yield f"{folder / SUMMARY}: the summary {what} does not follow from {ROWS}; {NEW_EXPORT}"


def import_entry(folder: Path | str, out: Path, expectations: Expectations = nothing_expected) -> Entry:
    """Copy a sound entry into the folder `out`, beside the others there.

    Raises:
        TalkbenchError: the entry has faults, is in `out` already, or is of the same run as another one there.
    """
    lines = faults(folder, expectations)
    if lines:
        more = f" (and {len(lines) - 1} more; see bench results validate)" if lines[1:] else ""
        raise TalkbenchError(lines[0] + more)
    entry = Entry.load(folder)
    if out.is_dir():
        check_distinct([*load_entries(out), entry])
    with atomic_folder(out / entry.info.name) as target:
        for name in (ENTRY, *entry.info.files):
            write_atomic(target / name, (entry.folder / name).read_bytes())
    return Entry.load(out / entry.info.name)


def validate(folder: Path, expectations: Expectations = nothing_expected) -> tuple[list[Entry], list[str]]:
    """The sound entries, and all faults, of an entry or of a folder of entries.

    Raises:
        TalkbenchError: there is no such folder, or nothing in it.
    """
    if is_run(folder):
        raise TalkbenchError(f"{folder} is a run's folder; export it with bench results export")
    folders = [folder] if (folder / ENTRY).exists() else entry_folders(folder)
    if not folders:
        raise TalkbenchError(f"{folder} holds no entry; make one with bench results export")
    sound, lines = [], []
    for entry_folder in folders:
        entry_faults = faults(entry_folder, expectations)
        lines += entry_faults
        if not entry_faults:
            sound.append(Entry.load(entry_folder))
    try:
        check_distinct(sound)
    except TalkbenchError as error:
        lines.append(str(error))
    return sound, lines
