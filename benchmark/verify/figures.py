"""`bench verify`: the figures of a run or an entry, computed again from what they follow from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from talkbench import datasets, methods, metrics
from talkbench.benchmark.environment import choose_device
from talkbench.benchmark.evaluation.protocol import load as load_protocol
from talkbench.benchmark.evaluation.record import spec_of
from talkbench.benchmark.evaluation.runner import set_values
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.verify.rescore import TOLERANCE, Place, Rescored, agreement, pair_list, rescore, same_digits
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.datasets import Frame, Pair
from talkbench.datasets.pairs import pairs_sha256
from talkbench.methods.cards import find_weights
from talkbench.results import MethodInfo, MetricSpec, RunRecord, RunStore, Summary, summarise
from talkbench.results.entries import ENTRY, RECORD, SUMMARY, Entry, EntryInfo, parse_file, read_info

if TYPE_CHECKING:
    import pandas as pd

State = Literal["equal", "different", "not checkable"]


@dataclass(frozen=True)
class Figure:
    """A figure of a result, and what became of computing it again.

    Attributes:
        part: what the figure belongs to or follows from: ``files``, ``method``, ``record``, ``pairs``, ``weights``,
            ``metrics`` (what is computed under their names), ``rows`` (the summary), ``frames`` (the metrics).
        subject: what it is a figure of: a file, a metric, the method.
        name: of the figure.
        stored, found: as the result has it, and as it comes out here; None if there is none.
        reason: how it was compared, what is different, or why it cannot be checked.
    """

    part: str
    subject: str
    name: str
    state: State
    stored: Any = None
    found: Any = None
    reason: str = ""


@dataclass(frozen=True)
class VerifyOptions:
    """What the user asks for; see ``bench verify --help`` for each."""

    result: Path
    frames: Path | None = None
    checkpoint: Path | None = None
    place: Place = field(default_factory=Place)


@dataclass(frozen=True)
class StoredResult:
    """A run or an entry as it is stored, whether or not its parts fit together.

    Attributes:
        info: ``entry.json``; None for a run.
        stated_ids: the protocol ids that ``run.json`` states.
    """

    folder: Path
    info: EntryInfo | None
    record: RunRecord
    summary: Summary
    rows: pd.DataFrame
    stated_ids: dict[str, object]

    @classmethod
    def read(cls, folder: Path) -> StoredResult:
        """The result in `folder`.

        Raises:
            TalkbenchError: it holds neither a finished run nor an entry, or files that cannot be read.
        """
        if (folder / ENTRY).is_file():
            info = read_info(folder)
            record, summary = parse_file(RunRecord, folder / RECORD), parse_file(Summary, folder / SUMMARY)
            rows = Entry(folder, info, record, summary).rows()
        else:
            info, store = None, RunStore(folder)
            record, summary, rows = store.read_record(), store.read_summary(), store.rows()
        if rows.drop(columns="value").isna().any(axis=None):
            raise TalkbenchError(f"{folder} has rows with empty cells; fetch it anew or run again")
        stated = json.loads((folder / RECORD).read_text(encoding="utf-8")).get("protocol_ids")
        return cls(folder, info, record, summary, rows, stated if isinstance(stated, dict) else {})


def results_in(folder: Path) -> list[Path]:
    """The folder itself, if it holds a result or nothing of the kind, else those of the results in it."""
    if (folder / RECORD).is_file() or not folder.is_dir():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"[!.]*/{RECORD}")) or [folder]


def verify(options: VerifyOptions, progress: Progress | None = None) -> list[Figure]:
    """Every figure of a run or an entry that follows from something else, computed again as far as it can be here.

    Raises:
        TalkbenchError: there is no such result, or its files cannot be read.
    """
    choose_device(options.place.device)
    if options.frames and not options.frames.is_dir():
        raise TalkbenchError(f"--frames {options.frames} is not a folder; give the one that holds the frames")
    if options.checkpoint and not options.checkpoint.is_file():
        raise TalkbenchError(f"--checkpoint {options.checkpoint} is not a file; give that of the method's weights")
    result = StoredResult.read(options.result)
    if options.checkpoint and result.record.method.checkpoint_sha256 is None:
        raise TalkbenchError(f"{options.result} was made without weights; leave --checkpoint out")
    definitions = list(_definitions(result.record))
    return [
        *_files(result),
        *_method(result),
        *_record(result),
        *_pairs(result, options.place),
        *_weights(result.record, options.checkpoint),
        *definitions,
        *_summary(result),
        *_frames(result, options, definitions, progress or Progress()),
    ]


def _compared(part: str, subject: str, name: str, stored: object, found: object, reason: str = "") -> Figure:
    """Equal if both are the same, or numbers within `TOLERANCE`."""
    same = stored == found
    if isinstance(stored, float) and isinstance(found, float):
        same = math.isclose(stored, found, rel_tol=TOLERANCE)
    return Figure(part, subject, name, "equal" if same else "different", stored, found, reason)


def _unknown(part: str, subject: str, name: str, reason: object, stored: object = None) -> Figure:
    return Figure(part, subject, name, "not checkable", stored, reason=str(reason))


def _files(result: StoredResult) -> Iterator[Figure]:
    """The files of an entry by their hashes."""
    if result.info is None:
        return
    found = {path.relative_to(result.folder).as_posix(): path for path in result.folder.rglob("*") if path.is_file()}
    for name, stored in result.info.files.items():
        if name in found:
            yield _compared("files", name, "sha256", stored, sha256_file(found.pop(name)))
        else:
            yield Figure("files", name, "sha256", "different", stored, reason="the file is missing")
    for name in sorted(set(found) - {ENTRY}):
        yield Figure("files", name, "sha256", "different", reason=f"{ENTRY} does not list it")


def _method(result: StoredResult) -> Iterator[Figure]:
    """What an entry says of its method in numbers."""
    info, name = result.info, result.record.method.name
    if info is None:
        return
    if info.parameters is not None:
        try:
            yield _compared("method", name, "parameters", info.parameters, methods.count_parameters(name))
        except TalkbenchError as error:
            yield _unknown("method", name, "parameters", error, info.parameters)
    if info.frames_per_second is not None:
        reason = f"measured on {info.device}; bench perf measures it anew"
        yield _unknown("method", name, "frames per second", reason, info.frames_per_second)


def _record(result: StoredResult) -> Iterator[Figure]:
    """The protocol and the protocol ids, which follow from the other fields of the record."""
    record = result.record
    if record.protocol:
        name, stored = record.protocol.name, record.protocol.sha256
        try:
            yield _compared("record", name, "protocol", stored, load_protocol(name).sha256)
        except TalkbenchError as error:
            yield _unknown("record", name, "protocol", error, stored)
    for metric, found in record.protocol_ids.items():
        yield _compared("record", metric, "protocol id", result.stated_ids.get(metric), found)


def _pairs(result: StoredResult, place: Place) -> Iterator[Figure]:
    """The pair list, from the rows and from the data set."""
    data = result.record.dataset
    yield _compared("pairs", "rows", "pairs", data.pairs, int(result.rows["pair"].nunique()))
    if data.motion == "relative-best":
        yield _unknown("pairs", "rows", "sha256", "the rows do not name the reference frames", data.pairs_sha256)
    else:
        yield _compared("pairs", "rows", "sha256", data.pairs_sha256, pairs_sha256(_listed(result)))
    try:
        given = pair_list(result.record, place)
        split = datasets.create(data.name, root=place.root).split(data.task, pairs=given, motion=data.motion)
    except (TalkbenchError, OSError) as error:
        yield _unknown("pairs", data.name, "sha256", error, data.pairs_sha256)
        return
    yield _compared("pairs", data.name, "sha256", data.pairs_sha256, split.head(data.pairs).sha256)
    if data.list_sha256:
        yield _compared("pairs", data.name, "list_sha256", data.list_sha256, split.list_sha256)


def _listed(result: StoredResult) -> Iterator[Pair]:
    """The pairs by their rows."""
    columns = ["source_clip", "source_index", "driving_clip", "driving_index"]
    for source, start, driving, index in result.rows.drop_duplicates("pair")[columns].itertuples(index=False):
        reference = Frame(driving, 0) if result.record.dataset.motion == "relative-first" else None
        yield Pair(Frame(source, start), Frame(driving, index), reference)


def _weights(record: RunRecord, checkpoint: Path | None) -> Iterator[Figure]:
    """The weights of the method by their hash; those of the metrics are in their definitions."""
    method = record.method
    if method.checkpoint_sha256 is None:
        return
    figure = "weights", method.name, "sha256"
    try:
        found = find_weights(method.name, checkpoint)
    except TalkbenchError as error:
        yield _unknown(*figure, error, method.checkpoint_sha256)
        return
    path = found.path
    if path is None or (checkpoint is None and path.name != method.checkpoint):
        reason = f"{method.checkpoint} is missing; name the file with --checkpoint"
        yield _unknown(*figure, reason, method.checkpoint_sha256)
    else:
        yield _compared(*figure, method.checkpoint_sha256, sha256_file(path))


def _definitions(record: RunRecord) -> Iterator[Figure]:
    """What is computed under the name of each metric, by the metric's own word."""
    for spec in record.metrics:
        try:
            metric = metrics.create(spec.name)
            problem = metric.problem()
        except TalkbenchError as error:
            problem = str(error)
        if problem:
            yield _unknown("metrics", spec.name, "definition", problem)
            continue
        yield _defined(spec, spec_of(metric.card(), record.dataset.task))


def _defined(stored: MetricSpec, here: MetricSpec) -> Figure:
    there, known = stored.model_dump(), here.model_dump()
    other = {name: (value, known[name]) for name, value in there.items() if value != known[name]}
    mine, theirs = ({name: pair[side] for name, pair in other.items()} for side in (0, 1))
    # Other versions of a metric, of its libraries or of its weights are no fault of the result.
    installed = next((name for name in ("version", "extractor", "backend") if name in other), None)
    if installed:
        reason = f"computed otherwise here: {installed} {mine[installed]} in the record, {theirs[installed]} here"
        return Figure("metrics", stored.name, "definition", "not checkable", mine, theirs, reason)
    return _compared("metrics", stored.name, "definition", mine, theirs)


def _summary(result: StoredResult) -> Iterator[Figure]:
    """The summary, from the rows."""
    record = result.record
    sets, reasons = _sets(result)
    try:
        again = summarise(result.rows, record.metrics, record.missing_faces, sets)
    except TalkbenchError as error:
        yield Figure("rows", "all metrics", "metrics", "different", reason=str(error))
        return
    yield _compared("rows", "all metrics", "pairs", result.summary.pairs, again.pairs)
    for stated in result.summary.metrics:
        if again.metric(stated.metric) is None:
            yield Figure("rows", stated.metric, "metric", "different", reason="run.json does not list it")
    for found in again.metrics:
        stored = result.summary.metric(found.metric)
        if stored is None:
            yield Figure("rows", found.metric, "metric", "different", reason="summary.json does not list it")
            continue
        for name, value in found.model_dump(exclude={"metric"}).items():
            if name == "mean" and found.metric in reasons:
                yield _unknown("rows", found.metric, name, reasons[found.metric], stored.mean)
            else:
                yield _compared("rows", found.metric, name, getattr(stored, name), value)


def _sets(result: StoredResult) -> tuple[dict[str, float | None], dict[str, str]]:
    """The values of the metrics of whole sets by the features that a run keeps, and why some cannot be computed."""
    names = [spec.name for spec in result.record.metrics if spec.aggregation == "set"]
    if not names:
        return {}, {}
    if not (result.folder / "features").is_dir():
        return {}, dict.fromkeys(names, "the features of all frames are missing; it can be computed from frames alone")
    try:
        return set_values(result.record, RunStore(result.folder)), {}
    except TalkbenchError as error:
        return {}, dict.fromkeys(names, str(error))


def _frames(
    result: StoredResult, options: VerifyOptions, definitions: Sequence[Figure], progress: Progress
) -> Iterator[Figure]:
    """The metrics, from the generated frames."""
    record, frames = result.record, options.frames or result.folder / "frames"
    reasons = {figure.subject: figure.reason for figure in definitions if figure.found is None}
    found = None
    try:
        if not frames.is_dir():
            missing = f"{frames} is missing" if result.info is None else "an entry has no generated frames"
            raise TalkbenchError(f"{missing}; name their folder with --frames")
        names = [spec.name for spec in record.metrics if spec.name not in reasons]
        found = rescore(record, frames, names, options.place, progress) if names else None
    except (TalkbenchError, OSError) as error:
        reasons |= {spec.name: str(error) for spec in record.metrics if spec.name not in reasons}
    if record.method.frames:
        yield _given(record.method, found, options.frames is not None)
    otherwise = {figure.subject: figure.reason for figure in definitions if figure.state != "equal"}
    for spec in record.metrics:
        said = result.summary.metric(spec.name)
        stated = said.mean if said else None
        why = reasons.get(spec.name) or (found and found.unavailable.get(spec.name))
        if why or found is None:
            yield _unknown("frames", spec.name, "mean", why, stated)
        else:
            for figure in _rescored(spec, result.rows, stated, found):
                excused = figure.state == "different" and spec.name in otherwise
                yield replace(figure, state="not checkable", reason=otherwise[spec.name]) if excused else figure


def _given(method: MethodInfo, found: Rescored | None, named: bool) -> Figure:
    """The hash of frames that another program made; `named`: the user says that these are they."""
    assert method.frames is not None
    figure, stored = ("frames", method.name, "sha256"), method.frames.sha256
    if found is None:
        return _unknown(*figure, "the frames cannot be scored here", stored)
    if not named and found.frames.sha256 != stored:
        return _unknown(*figure, "these are copies; name the folder of the very files with --frames", stored)
    return _compared(*figure, stored, found.frames.sha256)


def _rescored(spec: MetricSpec, rows: pd.DataFrame, stated: float | None, found: Rescored) -> Iterator[Figure]:
    """The values of a metric, pair by pair, and their mean."""
    pairs = agreement(spec, rows, found)
    agreeing = pairs.same + pairs.printed
    figure = "frames", spec.name
    reason = f"{agreeing} of {pairs.pairs} pairs agree"
    if pairs.different:
        reason += f"; different: {pairs.different}, most of all {pairs.example}"
        yield Figure(*figure, "values", "different", pairs.pairs, agreeing, reason)
    elif pairs.unknown:
        reason += "; the frames of the others are missing or cannot be read"
        yield Figure(*figure, "values", "not checkable", pairs.pairs, agreeing, reason)
    else:
        reason = f"{pairs.printed} of {pairs.pairs} pairs in the printed digits only" if pairs.printed else ""
        yield Figure(*figure, "values", "equal", pairs.pairs, agreeing, reason)
    if pairs.unknown:
        yield _unknown(*figure, "mean", "not all pairs can be scored", stated)
        return
    again = found.summary.metric(spec.name)
    mean = again.mean if again else None
    compared = _compared(*figure, "mean", stated, mean)
    close = stated is not None and mean is not None and same_digits(stated - mean, spec)
    if compared.state == "different" and close:
        compared = replace(compared, state="equal", reason="in the printed digits only")
    yield compared
