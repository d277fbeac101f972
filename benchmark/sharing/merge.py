"""`bench merge`: puts the shards of a run together."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from talkbench import datasets
from talkbench.benchmark.engines.chunks import shard_of
from talkbench.benchmark.evaluation.given_frames import frame_name
from talkbench.benchmark.evaluation.reader import ImageSource
from talkbench.benchmark.evaluation.record import new_run_id
from talkbench.benchmark.evaluation.runner import Finished, finish, tracked
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.verify.rescore import Place, pair_list
from talkbench.benchmark.videos.pictured_pairs import PICTURES, PicturedPairs
from talkbench.benchmark.videos.run_videos import Images, RunVideos
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_folder
from talkbench.core.locks import locked
from talkbench.datasets import Frame, Pair, Split
from talkbench.results import RunRecord, RunStore
from talkbench.results.content import ContentStore, FrameContent, FrameName, first_difference
from talkbench.results.videos import FOLDER

LISTED = 8
"""Missing shards that a message names."""


@dataclass(frozen=True)
class MergeOptions:
    """What the user asks of a merge; see ``bench merge --help`` for each."""

    shards: tuple[Path, ...]
    out: Path | None = None
    runs: Path = Path("runs")
    root: Path | None = None
    pairs: Path | None = None
    videos: int = 8
    tracking_uri: str | None = None


def merge(options: MergeOptions, progress: Progress) -> Finished:
    """Write the run whose shards are given: rows, summary, pictures, videos and page are those of a run of all pairs.

    Raises:
        TalkbenchError: the folders are not the shards of one run, each once and all of them finished, or they are of
            unlike data.
    """
    stores = [RunStore(folder) for folder in options.shards]
    records = _checked(stores)
    contents = _contents(stores)
    _check_pairs(stores, records[0])
    record = _whole(records)
    out = options.out or options.runs / record.run_id
    with atomic_folder(out) as folder:
        _gather(stores, folder)
        ContentStore(folder).append(contents)
        RunStore(folder).write_record(record)
        RunStore(folder).compact()
    store = RunStore(out)
    with locked(out, "is writing to"):
        rows = store.rows().drop_duplicates("pair")
        columns = (rows[name] for name in ("source_clip", "source_index", "driving_clip", "driving_index"))
        pairs = [Pair(Frame(a, int(b)), Frame(c, int(d))) for a, b, c, d in zip(*columns, strict=True)]
        pictured = PicturedPairs(pairs, record.ranking)
        pictured.resume(store)
        videos = _videos(store, record, options, progress)
        with tracked(record, store, options.tracking_uri, progress) as tracker:
            return finish(store, contents, pictured, videos, tracker, progress)


def _checked(stores: Sequence[RunStore]) -> list[RunRecord]:
    """The records of the shards, which are all shards of one run, each once and finished."""
    records = [store.read_record() for store in stores]
    first = records[0]
    folders: dict[int, Path] = {}
    for store, record in zip(stores, records, strict=True):
        if not record.shard:
            raise TalkbenchError(f"{store.folder} is no shard: it was run without --shard; leave it out")
        differences = _as_whole(first).differences(_as_whole(record))
        if first.batch_size != record.batch_size:
            differences.append(f"batch_size: {first.batch_size} / {record.batch_size}")
        index, count = shard_of(record.shard).index, shard_of(record.shard).count
        if count != shard_of(first.shard).count:
            differences.append(f"shards: {first.shard} / {record.shard}")
        if differences:
            raise TalkbenchError(f"{store.folder} and {stores[0].folder} are of two runs ({differences[0]})")
        if index in folders:
            raise TalkbenchError(f"{folders[index]} and {store.folder} are both shard {record.shard}; leave one out")
        if not record.dataset.data_id:
            raise TalkbenchError(f"{store.folder}, shard {record.shard}, has not ended; continue it with --resume")
        folders[index] = store.folder
    count = shard_of(first.shard).count
    if missing := [f"{index}/{count}" for index in range(1, count + 1) if index not in folders]:
        listed = ", ".join(missing[:LISTED]) + (" …" if len(missing) > LISTED else "")
        raise TalkbenchError(f"{len(missing)} of {count} shards are missing: {listed}")
    return records


def _as_whole(record: RunRecord) -> RunRecord:
    return record.model_copy(update={"shard": ""})


def _contents(stores: Sequence[RunStore]) -> dict[FrameName, FrameContent]:
    """What the frames of all shards decode to."""
    contents: dict[FrameName, FrameContent] = {}
    for store in stores:
        own = ContentStore(store.folder).read()
        if frame := first_difference(contents, own):
            raise TalkbenchError(
                f"{frame} differs between {store.folder} and a shard before it: they were run on unlike data; "
                "run one of them again"
            )
        contents |= own
    return contents


def _check_pairs(stores: Sequence[RunStore], record: RunRecord) -> None:
    """Check that each pair of the run is in one shard."""
    before: dict[int, Path] = {}
    for store in stores:
        for pair in sorted(store.done()):
            if pair in before:
                raise TalkbenchError(f"{before[pair]} and {store.folder} both have pair {pair}; run one of them again")
            before[pair] = store.folder
    if missing := sorted(set(range(record.dataset.pairs)) - set(before)):
        raise TalkbenchError(f"{len(missing)} pairs are in no shard, the first is {missing[0]}; run the shards again")


def _whole(records: Sequence[RunRecord]) -> RunRecord:
    """The record of the run that the shards are parts of."""
    first = min(records, key=lambda record: record.created)
    run_id = new_run_id(first.method.name, first.dataset.name, first.dataset.task, first.created)
    command = shlex.join(_without(shlex.split(first.command), ("--shard", "--out")))
    fresh = {
        "run_id": run_id, "shard": "", "command": command, "random": any(record.random for record in records)
    }  # fmt: skip
    return first.model_copy(update=fresh)


def _without(words: Sequence[str], options: Sequence[str]) -> Iterator[str]:
    """The words of a command without these options and what they are set to."""
    remaining = iter(words)
    for word in remaining:
        if word in options:
            next(remaining, None)
        elif word.partition("=")[0] not in options:
            yield word


def _gather(stores: Sequence[RunStore], folder: Path) -> None:
    """Copy rows, features, pictures and frames of the shards into one folder."""
    parts = [part for store in stores for part in sorted((store.folder / "rows").glob("part-[0-9]*.parquet"))]
    for number, part in enumerate(parts):
        _copy(part, folder / "rows" / f"part-{number:05d}.parquet")
    for store in stores:
        for name in ("features", PICTURES, "frames", f"{FOLDER}/.kept"):
            for path in (store.folder / name).rglob("*"):
                if path.is_file():
                    _copy(path, folder / path.relative_to(store.folder))


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _videos(store: RunStore, record: RunRecord, options: MergeOptions, progress: Progress) -> RunVideos:
    """What makes videos of the frames that the shards have kept; it makes none where the data are not here."""

    def saved(number: int) -> Path:
        return store.folder / "frames" / frame_name(number)

    frames = any((store.folder / name).is_dir() for name in ("frames", f"{FOLDER}/.kept"))
    count, split = options.videos if frames else 0, None
    if count:
        try:
            split = _split(record, options)
        except TalkbenchError as error:
            progress.warn(f"the run leaves no videos of its clips: {error}; name the data with --root and --pairs")
    data = record.dataset
    if split is None:
        count, split = 0, Split(data.name, data.task, data.motion, Path(), [])
    images = ImageSource(split, data.image_size)
    source = Images(real=lambda frame: images.read(frame).pixels, saved=saved, saves=(store.folder / "frames").is_dir())
    return RunVideos(store.folder, split, count, source, progress.warn)


def _split(record: RunRecord, options: MergeOptions) -> Split:
    """The pairs of the run with their data.

    Raises:
        TalkbenchError: they are not here, or are others.
    """
    data = record.dataset
    place = Place(options.root, options.pairs)
    whole = datasets.create(data.name, root=options.root)
    split = whole.split(data.task, pairs=pair_list(record, place), motion=data.motion).head(data.pairs)
    if split.sha256 != data.pairs_sha256:
        raise TalkbenchError(f"the pairs of {data.name}, {data.task}, here are not those of the run")
    return split
