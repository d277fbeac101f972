"""`bench verify`: the figures of a run or an entry, computed again from the files and data that they rest on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from talkbench import datasets, methods, metrics
from talkbench.benchmark.environment import choose_device
from talkbench.benchmark.evaluation.contents import contents_of
from talkbench.benchmark.evaluation.protocol import load as load_protocol
from talkbench.benchmark.evaluation.reader import choose_workers
from talkbench.benchmark.evaluation.record import spec_of
from talkbench.benchmark.evaluation.runner import set_values
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.verify.rescore import TOLERANCE, Place, Rescored, agreement, pair_list, rescore, same_digits
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.datasets import Frame, Pair
from talkbench.datasets.pairs import pairs_sha256
from talkbench.methods.cards import find_weights
from talkbench.reports.data_ids import OLDER
from talkbench.results import MethodInfo, MetricSpec, RunRecord, RunStore, Summary, summarise
from talkbench.results.content import ContentStore, data_id, first_difference, in_words
from talkbench.results.entries import ENTRY, RECORD, SUMMARY, Entry, EntryInfo, parse_file, read_info
from talkbench.results.loading import check_result

if TYPE_CHECKING:
    import pandas as pd

State = Literal["equal", "different", "not checkable"]


@dataclass(frozen=True)
class Figure:
    """A figure of a result, and what comes out when it is computed again.

    Attributes:
        part: what it is computed from or belongs to: ``files``, ``method``, ``record``, ``pairs``, ``weights``,
            ``metrics`` (the definitions of the metrics), ``rows`` (the summary), ``frames`` (the values of metrics).
        subject: the file, the metric or the method that it is a figure of.
        name: of the figure.
        stored, found: its value in the result, and the value that is computed here; None if there is none.
        reason: how the two were compared, how they differ, or why the figure cannot be checked.
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
    """A run or an entry as it is stored; its parts may contradict one another.

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
            TalkbenchError: the folder holds neither a finished run nor an entry, or its files cannot be read.
        """
        check_result(folder)
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
    """The folders of the results in `folder`; the folder itself, if it is a result or has no results in it."""
    if (folder / RECORD).is_file() or not folder.is_dir():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"[!.]*/{RECORD}")) or [folder]


def verify(options: VerifyOptions, progress: Progress | None = None) -> list[Figure]:
    """Compute again every figure of a run or an entry that follows from something else, as far as this machine can.

    Raises:
        TalkbenchError: the folder holds no result, its files cannot be read, or an option does not fit it.
    """
    choose_device(options.place.device)
    if options.frames and not options.frames.is_dir():
        raise TalkbenchError(f"--frames {options.frames} is not a folder; name the folder that holds the frames")
    if options.checkpoint and not options.checkpoint.is_file():
        raise TalkbenchError(f"--checkpoint {options.checkpoint} is not a file; name the file of the method's weights")
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


def _compared(part: str, subject: str, name: str, stored: object, computed: object, reason: str = "") -> Figure:
    """Equal if both are the same, or numbers within `TOLERANCE`."""
    same = stored == computed
    if isinstance(stored, float) and isinstance(computed, float):
        same = math.isclose(stored, computed, rel_tol=TOLERANCE)
    return Figure(part, subject, name, "equal" if same else "different", stored, computed, reason)


def _unknown(part: str, subject: str, name: str, reason: object, stored: object = None) -> Figure:
    return Figure(part, subject, name, "not checkable", stored, reason=str(reason))


def _files(result: StoredResult) -> Iterator[Figure]:
    """The files of an entry by their hashes."""
    if result.info is None:
        return
    present = {path.relative_to(result.folder).as_posix(): path for path in result.folder.rglob("*") if path.is_file()}
    for name, stored in result.info.files.items():
        if name in present:
            yield _compared("files", name, "sha256", stored, sha256_file(present.pop(name)))
        else:
            yield Figure("files", name, "sha256", "different", stored, reason="the file is missing")
    for name in sorted(set(present) - {ENTRY}):
        yield Figure("files", name, "sha256", "different", reason=f"{ENTRY} does not list it")


def _method(result: StoredResult) -> Iterator[Figure]:
    """The numbers that an entry states of its method."""
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
    for metric, computed in record.protocol_ids.items():
        yield _compared("record", metric, "protocol id", result.stated_ids.get(metric), computed)


def _pairs(result: StoredResult, place: Place) -> Iterator[Figure]:
    """The pair list, from the rows and from the data set."""
    data = result.record.dataset
    yield _compared("pairs", "rows", "pairs", data.pairs, int(result.rows["pair"].nunique()))
    if data.motion == "relative-best":
        yield _unknown("pairs", "rows", "sha256", "the rows do not name the reference frames", data.pairs_sha256)
    else:
        yield _compared("pairs", "rows", "sha256", data.pairs_sha256, pairs_sha256(_listed(result)))
    try:
        source = pair_list(result.record, place)
        split = datasets.create(data.name, root=place.root).split(data.task, pairs=source, motion=data.motion)
    except (TalkbenchError, OSError) as error:
        yield _unknown("pairs", data.name, "sha256", error, data.pairs_sha256)
        return
    yield _compared("pairs", data.name, "sha256", data.pairs_sha256, split.head(data.pairs).sha256)
    if data.list_sha256:
        yield _compared("pairs", data.name, "list_sha256", data.list_sha256, split.list_sha256)
    yield from _data(result, split.head(data.pairs))


def _data(result: StoredResult, split: datasets.Split) -> Iterator[Figure]:
    """What the frames decode to, from the run's own notes of it and from the data set. Another copy of the data is no
    fault of the result."""
    stored, figure = result.record.dataset.data_id, ("pairs", result.record.dataset.name, "data id")
    if not stored:
        yield _unknown(*figure, OLDER)
        return
    kept = ContentStore(result.folder).read()
    if kept:
        yield _compared("pairs", "content", "data id", stored, data_id(kept))
    here = contents_of(split, choose_workers(None, len(split)))
    if data_id(here) == stored:
        yield _compared(*figure, stored, data_id(here))
        return
    frame = first_difference(kept, here)
    example = f": {in_words(frame, kept[frame], here[frame])}" if frame else ""
    yield _unknown(*figure, f"the data here are another copy, of data id {data_id(here)}{example}", stored)


def _listed(result: StoredResult) -> Iterator[Pair]:
    """The pairs that the rows name."""
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
        path = find_weights(method.name, checkpoint).path
    except TalkbenchError as error:
        yield _unknown(*figure, error, method.checkpoint_sha256)
        return
    if path is None or (checkpoint is None and path.name != method.checkpoint):
        reason = f"{method.checkpoint} is missing; name the file with --checkpoint"
        yield _unknown(*figure, reason, method.checkpoint_sha256)
    else:
        yield _compared(*figure, method.checkpoint_sha256, sha256_file(path))


def _definitions(record: RunRecord) -> Iterator[Figure]:
    """The definition of each metric in the record, compared with the metric's definition here."""
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
    fields, fields_here = stored.model_dump(), here.model_dump()
    names = [name for name, value in fields.items() if value != fields_here[name]]
    recorded, computed = ({name: values[name] for name in names} for values in (fields, fields_here))
    # Other versions of a metric, of its libraries or of its weights are no fault of the result.
    installed = next((name for name in ("version", "extractor", "backend") if name in names), None)
    if installed:
        reason = f"computed otherwise here: {installed} {recorded[installed]} in the record, {computed[installed]} here"
        return Figure("metrics", stored.name, "definition", "not checkable", recorded, computed, reason)
    return _compared("metrics", stored.name, "definition", recorded, computed)


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
    for computed in again.metrics:
        stored = result.summary.metric(computed.metric)
        if stored is None:
            yield Figure("rows", computed.metric, "metric", "different", reason="summary.json does not list it")
            continue
        for name, value in computed.model_dump(exclude={"metric"}).items():
            if name == "mean" and computed.metric in reasons:
                yield _unknown("rows", computed.metric, name, reasons[computed.metric], stored.mean)
            else:
                yield _compared("rows", computed.metric, name, getattr(stored, name), value)


def _sets(result: StoredResult) -> tuple[dict[str, float | None], dict[str, str]]:
    """The values of the metrics of whole sets, from the features that a run keeps, and the reasons of those that cannot
    be computed."""
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
    """The values of the metrics, from the generated frames."""
    record, frames = result.record, options.frames or result.folder / "frames"
    reasons = {figure.subject: figure.reason for figure in definitions if figure.found is None}
    rescored = None
    try:
        if not frames.is_dir():
            missing = f"{frames} is missing" if result.info is None else "an entry has no generated frames"
            raise TalkbenchError(f"{missing}; name their folder with --frames")
        names = [spec.name for spec in record.metrics if spec.name not in reasons]
        rescored = rescore(record, frames, names, options.place, progress) if names else None
    except (TalkbenchError, OSError) as error:
        reasons |= {spec.name: str(error) for spec in record.metrics if spec.name not in reasons}
    if record.method.frames:
        yield _frames_sha256(record.method, rescored, options.frames is not None)
    otherwise = {figure.subject: figure.reason for figure in definitions if figure.state != "equal"}
    for spec in record.metrics:
        stored = result.summary.metric(spec.name)
        stated = stored.mean if stored else None
        why = reasons.get(spec.name) or (rescored and rescored.unavailable.get(spec.name))
        if why or rescored is None:
            yield _unknown("frames", spec.name, "mean", why, stated)
        else:
            for figure in _rescored(spec, result.rows, stated, rescored):
                excused = figure.state == "different" and spec.name in otherwise
                yield replace(figure, state="not checkable", reason=otherwise[spec.name]) if excused else figure


def _frames_sha256(method: MethodInfo, rescored: Rescored | None, named: bool) -> Figure:
    """The hash of frames that another program made.

    Args:
        named: whether the user named the folder of these frames; else they are the copies that the run kept.
    """
    assert method.frames is not None
    figure, stored = ("frames", method.name, "sha256"), method.frames.sha256
    if rescored is None:
        return _unknown(*figure, "the frames cannot be scored here", stored)
    if not named and rescored.frames.sha256 != stored:
        return _unknown(*figure, "these are copies; name the folder of the original files with --frames", stored)
    return _compared(*figure, stored, rescored.frames.sha256)


def _rescored(spec: MetricSpec, rows: pd.DataFrame, stated: float | None, rescored: Rescored) -> Iterator[Figure]:
    """The values of a metric, pair by pair, and their mean."""
    pairs = agreement(spec, rows, rescored)
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
    again = rescored.summary.metric(spec.name)
    mean = again.mean if again else None
    compared = _compared(*figure, "mean", stated, mean)
    close = stated is not None and mean is not None and same_digits(stated - mean, spec)
    if compared.state == "different" and close:
        compared = replace(compared, state="equal", reason="in the printed digits only")
    yield compared
