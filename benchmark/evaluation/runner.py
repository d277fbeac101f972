"""`bench run`: evaluates a method on a data set, from the choice of weights to the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING

from talkbench import datasets, metrics
from talkbench.benchmark.engines.choice import create_engine
from talkbench.benchmark.engines.chunks import cut, shard_of
from talkbench.benchmark.engines.interface import LOGS, Engine, Watch
from talkbench.benchmark.engines.pair_work import BatchResult, PairWork, to_jpeg, to_png
from talkbench.benchmark.engines.writer import Writer
from talkbench.benchmark.environment import memory_advice, reproducible
from talkbench.benchmark.evaluation.contents import ContentLog, announce_sizes, change, with_contents
from talkbench.benchmark.evaluation.evaluator import Outcome, batches, stretches_to_do
from talkbench.benchmark.evaluation.given_frames import GivenFrames, frame_name
from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.benchmark.evaluation.plan import Setup, prepare
from talkbench.benchmark.evaluation.reader import ImageSource, choose_workers
from talkbench.benchmark.evaluation.record import IN_MEMORY, describe
from talkbench.benchmark.evaluation.scorer import set_key
from talkbench.benchmark.evaluation.seen import seen
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.tracking import Tracked, Tracker, tracking_uri
from talkbench.benchmark.videos.pictured_pairs import PICTURES, PicturedPairs
from talkbench.benchmark.videos.run_videos import Images, RunVideos
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sweep, write_atomic
from talkbench.core.images import write_png
from talkbench.core.locks import FOREVER, SHORT, locked
from talkbench.core.paths import home
from talkbench.methods.interface import Method
from talkbench.reports.pages.run_page import Strip, write_page
from talkbench.reports.pages.seen import write_seen
from talkbench.reports.pages.strips import strip
from talkbench.reports.runs import Run
from talkbench.reports.tables.composition import tables_of
from talkbench.reports.tables.writers import to_markdown
from talkbench.results.content import Contents
from talkbench.results.record import RunRecord
from talkbench.results.rows import Summary
from talkbench.results.run_store import RunStore
from talkbench.results.summary import summarise

if TYPE_CHECKING:
    import pandas as pd

ARTIFACTS = ("run.json", "summary.json", "index.html", "table.md", "pictures", "videos")


@dataclass(frozen=True)
class Finished:
    """A run that has ended, and its results.

    Attributes:
        page: the HTML page; None for a shard, which has none, and no ``summary.json``.
        tracked: where MLflow has the run; None if no store has it.
        evaluated: how many pairs this call has evaluated; the others were done before.
    """

    store: RunStore
    record: RunRecord
    summary: Summary
    page: Path | None
    tracked: Tracked | None
    evaluated: int


def run(
    options: RunOptions,
    progress: Progress | None = None,
    method: Method | None = None,
    split: datasets.Split | None = None,
) -> Finished:
    """Evaluate a method on a task of a data set and write record, rows, summary, page and MLflow run.

    Args:
        method, split: of the caller's own, in place of those that `options` name, see `prepare`.

    Raises:
        TalkbenchError: the run cannot start or cannot go on, or not one number came out; the rows that were computed
            are kept.
    """
    progress = progress or Progress()
    with reproducible(), memory_advice(options.batch_size):
        return carry_out(prepare(options, progress, method, split), options, progress)


def carry_out(setup: Setup, options: RunOptions, progress: Progress) -> Finished:
    """The part of `run` after `prepare`; call it in the same contexts as `run` does."""
    images = image_source(setup)
    device = str(setup.device)
    engine = None if options.resume else create_engine(options.engine, device, progress)  # it may not work here
    with open_store(options, describe(setup, options), images, progress) as store:
        record = store.read_record()
        for line in setup.remarks:  # not before the run can begin: what keeps it from that matters more
            progress.say(line)
        before = len(store.done())
        pictured = PicturedPairs(setup.split.pairs, record.ranking)
        videos = _videos(setup, store, options, progress)
        if record.shard:
            contents = _evaluate(setup, store, options, engine, progress, pictured, videos)
            record = with_contents(store.read_record(), contents)
            store.write_record(record)  # with a data id now, which says that the shard has ended
            summary = summarise(store.rows(), record.metrics, record.missing_faces, {})
            return Finished(store, record, summary, None, None, summary.pairs - before)
        with tracked(record, store, options.tracking_uri, progress) as tracker:
            contents = _evaluate(setup, store, options, engine, progress, pictured, videos)
            return finish(store, contents, pictured, videos, tracker, progress, before)


@contextmanager
def tracked(record: RunRecord, store: RunStore, uri: str | None, progress: Progress) -> Iterator[Tracker]:
    """In the block the run has a run in MLflow, unless the user wants none."""
    runs = store.folder.parent
    with Tracker(tracking_uri(uri, runs), progress.warn) as tracker:
        tracker.start(record, runs)
        yield tracker


def finish(
    store: RunStore,
    contents: Contents,
    pictured: PicturedPairs,
    videos: RunVideos,
    tracker: Tracker,
    progress: Progress,
    before: int = 0,
) -> Finished:
    """Make summary, videos, table and page of a run that has the rows of all its pairs.

    Args:
        before: how many of the pairs were evaluated before this call.
    """
    record = with_contents(store.read_record(), contents)
    store.write_record(record)
    announce_sizes(record, progress)
    rows = store.rows()
    summary = summarise(rows, record.metrics, record.missing_faces, set_values(record, store))
    store.write_summary(summary)
    videos.write(rows, record)
    page = _report(store, Run(record, summary), datasets.has_truth(record.dataset.task), pictured)
    tracker.finish(record, rows, summary, [store.folder / name for name in ARTIFACTS])
    _check_numbers(store.folder, rows, summary)
    return Finished(store, record, summary, page, tracker.tracked, summary.pairs - before)


@contextmanager
def open_store(options: RunOptions, record: RunRecord, images: ImageSource, progress: Progress) -> Iterator[RunStore]:
    """The folder to write to, locked for this process: a new one with the `record` in it, or, with ``--resume``, the
    folder of the run that is continued. Whether it can be is decided only when it is locked.

    Args:
        images: where the frames of the data set come from now.

    Raises:
        TalkbenchError: ``--out`` holds a run without ``--resume`` being given, or a run with other settings or of other
            data; another process writes there, and ``--wait`` is not given; or the folder cannot be written.
    """

    @cache
    def changed(folder: Path) -> str:
        return change(RunStore(folder), images, choose_workers(options.workers, len(images.split)), progress)

    folder = options.out or _choose(record, options, changed, progress)
    with locked(folder, "is writing to", FOREVER if options.wait else 0.0, progress.say):
        yield _begin(RunStore(folder), record, options, changed, progress)


def _begin(
    store: RunStore, record: RunRecord, options: RunOptions, changed: Callable[[Path], str], progress: Progress
) -> RunStore:
    """Write the `record` of a new run, or check that the run that is there may be continued."""
    folder = store.folder
    earlier = store.read_record() if (folder / "run.json").exists() else None
    if earlier is None or earlier.run_id == record.run_id:
        if options.resume and not options.several:
            progress.say("there is no run of this command to continue; a new one begins")
        if store.done():
            raise TalkbenchError(f"{folder} holds rows of a run without its run.json; choose another --out")
        store.write_record(record)
        return store
    if not options.resume:
        raise TalkbenchError(f"{folder} holds a run; continue it with --resume or choose another --out")
    differences = earlier.differences(record)
    if differences:
        raise TalkbenchError(f"{folder} was made otherwise ({differences[0]}); choose another --out")
    if difference := changed(folder):
        raise TalkbenchError(f"{folder} was made otherwise ({difference}); choose another --out")
    sweep(folder)
    progress.say(f"continuing {folder}")
    return store


def _choose(record: RunRecord, options: RunOptions, changed: Callable[[Path], str], progress: Progress) -> Path:
    """The folder below `runs` of the run to continue, else a new one that holds the `record`."""
    if not options.resume:
        return _claim(record, options.runs)
    _latest(record, options.runs, changed, Progress())  # what takes long, the comparison of data, is done unlocked
    wait = FOREVER if options.wait else SHORT  # of two commands the second sees the run of the first
    with locked(options.runs, "is choosing a run in", wait, progress.say):
        earlier = _latest(record, options.runs, changed, progress)
        return earlier.folder if earlier else _claim(record, options.runs)


def _claim(record: RunRecord, runs: Path) -> Path:
    folder = runs / record.run_id
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise TalkbenchError(f"cannot write {runs.absolute()}: {error.strerror}; name a folder with --out") from error
    RunStore(folder).write_record(record)
    return folder


def _latest(record: RunRecord, runs: Path, changed: Callable[[Path], str], progress: Progress) -> RunStore | None:
    """The latest run below `runs` that computes the same numbers as `record` from the same data; runs that cannot be
    read do not count."""
    earlier: list[tuple[datetime, RunStore]] = []
    for path in runs.glob("*/run.json"):
        store = RunStore(path.parent)
        try:
            other = store.read_record()
        except TalkbenchError:
            continue
        if not other.differences(record):
            earlier.append((other.created, store))
    for _, store in sorted(earlier, key=lambda dated: dated[0], reverse=True):
        difference = changed(store.folder)
        if not difference:
            return store
        progress.say(f"{store.folder} is not continued: {difference}")
    return None


def _check_numbers(folder: Path, rows: pd.DataFrame, summary: Summary) -> None:
    """Refuse a run in which every metric has failed for every pair: that is a fault of its input."""
    if not len(rows) or any(metric.mean is not None or metric.infinite for metric in summary.metrics):
        return
    reason, count = Counter(rows["reason"]).most_common(1)[0]
    message = next((text for text in rows.loc[rows["reason"] == reason, "message"] if text), "")
    raise TalkbenchError(
        f"no number came out: not one of {summary.pairs} pairs has a value of any metric; most often, {count} of "
        f"{len(rows)} times: {reason}{message and f' ({message.splitlines()[0]})'}; the rows are in {folder}"
    )


def _videos(setup: Setup, store: RunStore, options: RunOptions, progress: Progress) -> RunVideos:
    """What keeps the frames of the run's clips for the videos that it leaves."""
    images = image_source(setup)
    source = Images(
        real=lambda frame: images.read(frame).pixels,
        saved=lambda number: store.folder / "frames" / frame_name(number),
        saves=options.save_frames,
        given=None if images.frames is None else images.frames.read,
    )
    return RunVideos(store.folder, setup.split, options.videos, source, progress.warn)


def _evaluate(
    setup: Setup,
    store: RunStore,
    options: RunOptions,
    engine: Engine | None,
    progress: Progress,
    pictured: PicturedPairs,
    videos: RunVideos,
) -> Contents:
    """Evaluate the pairs that are not done yet; returns what the frames of all pairs decode to.

    Args:
        engine: None: the one of the options is begun if there is something to do.
    """
    done = store.done()
    if done:
        pictured.resume(store)
    log = ContentLog(store)
    store.forget_features(done)
    order = batches(setup.split.pairs, setup.batch_size)
    part = set(shard_of(options.shard).part(order)) if options.shard else set(range(len(setup.split)))
    todo = stretches_to_do(order, set(range(len(setup.split))) - part | done)
    if todo:
        engine = engine or create_engine(options.engine, str(setup.device), progress)
        record = store.read_record().model_copy(
            update={"engine": engine.name, "engine_workers": engine.workers, "threads": engine.threads}
        )
        store.write_record(record)
        work = _work(setup, options, record, engine, videos.filmed, progress, len(part - done))
        progress.start(len(done), len(part))
        random = cache(lambda: store.write_record(record.model_copy(update={"random": True})))

        def write(result: BatchResult) -> None:
            log.add(result.outcome.contents)
            if result.outcome.drew and not record.random:
                random()  # once
            pictured.take(result.outcome.scores.rows)
            _write_pictures(result, store, pictured, setup.split.has_truth)
            videos.keep({number: to_jpeg(frame) for number, frame in result.kept.items()})
            keep(result.outcome, store)
            if not store.pending:  # else a run that is killed now still needs the pictures of what is written
                pictured.forget_others(store.folder)

        chunks = cut(todo, setup.split.pairs, engine.workers)
        with store.gathering(), Writer(write) as writer:
            for result in engine.map(work, chunks, Watch(progress, store.folder / LOGS)):
                _advance(progress, writer.put(result))
            _advance(progress, writer.finish())
        pictured.forget_others(store.folder)
    store.compact()
    return log.contents


def _advance(progress: Progress, written: Sequence[BatchResult]) -> None:
    for result in written:
        progress.advance(len(result.outcome.numbers))


def _work(
    setup: Setup,
    options: RunOptions,
    record: RunRecord,
    engine: Engine,
    filmed: frozenset[int],
    progress: Progress,
    pairs: int,
) -> PairWork:
    """What the workers do; `pairs`: how many are left."""
    local = engine.name == "local"
    own = setup.method if isinstance(setup.method, GivenFrames) or setup.weights.origin == IN_MEMORY else None
    workers = choose_workers(options.workers, pairs) if local else options.workers or 0
    here = (setup, progress.warn) if local else (None, None)
    options = replace(options, device=str(setup.device), batch_size=setup.batch_size, maker=None)
    return PairWork(
        options, record, setup.split, own, setup.weights, filmed, workers, Path.cwd(), home().absolute(), *here
    )


def image_source(setup: Setup) -> ImageSource:
    """Where the images of a run come from."""
    return ImageSource(setup.split, setup.size, setup.method if isinstance(setup.method, GivenFrames) else None)


def keep(outcome: Outcome, store: RunStore) -> None:
    """Keep the rows and features of a batch."""
    for key, (numbers, features) in outcome.scores.sets.items():
        store.append_features(key, outcome.numbers[0], numbers, features)
    store.append(outcome.scores.rows)  # last: a batch that has rows is done


def set_values(record: RunRecord, store: RunStore) -> dict[str, float | None]:
    """The values of the metrics that take all frames of the run together; None for one that has too few frames."""
    values: dict[str, float | None] = {}
    for spec in record.metrics:
        if spec.aggregation == "set":
            metric = metrics.create(spec.name)
            generated, target = store.features(set_key(metric, datasets.has_truth(record.dataset.task)))
            value = float(metric.compare(generated, target)[0]) if len(generated) else nan
            values[spec.name] = value if isfinite(value) else None
    return values


def _write_pictures(result: BatchResult, store: RunStore, pictured: PicturedPairs, has_truth: bool) -> None:
    scores = result.outcome.scores
    for item in result.outcome.frames:
        for name in pictured.names(item.number):
            picture = strip(item.source, item.driving, item.frame, error=has_truth)
            write_png(store.folder / PICTURES / f"{name}.png", picture)
            if item.number in scores.seen:
                driving, generated = map(seen, scores.seen[item.number])
                write_seen(store.folder / seen_name(name), (item.driving, driving), (item.frame, generated))
    for number, frame in result.saved.items():
        write_atomic(store.folder / "frames" / frame_name(number), to_png(frame))


def seen_name(name: str) -> str:
    """Where in a run's folder the picture of what the extractors saw is that belongs to the picture of that name."""
    return f"{PICTURES}/seen/{name}.png"


def _report(store: RunStore, result: Run, has_truth: bool, pictured: PicturedPairs) -> Path:
    """Write the page, and the run beside published numbers of its test, if there are any, as Markdown; returns the
    page."""
    tables = tables_of(result)
    write_atomic(store.folder / "table.md", to_markdown(*tables))
    strips = [
        Strip(f"{PICTURES}/{name}.png", number, has_truth, seen_name(name), place)
        for name, number, place in pictured.drawn(store.folder)
    ]
    return write_page(store, strips, tables)
