"""`bench weights`: the model files of methods and metrics, by the names that a user gives; and their export to
another machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic
from talkbench.core.locks import SHORT, locked
from talkbench.core.model_files import copy, digest
from talkbench.core.paths import home
from talkbench.core.registry import nearest

SUMS = "SHA256SUMS"
SHIPPED = "ships with talkbench"


@dataclass(frozen=True)
class ModelFile:
    """A file that a method or a metric needs.

    Attributes:
        name: of the method, or of the file in ``metrics/weights.yaml``.
        purpose: of a method's file the part of the method that it holds, "" for the main checkpoint; of a metrics'
            file the metrics that need it.
        path: where the file is, or where it belongs.
        place: the same, relative to the store.
        status: as `bench weights list` explains.
        size: in bytes; None if the file is missing and its size is not published.
        licence: of the weights, in words.
        source: its URL, or in words where it is published.
        metric: whether the file is a metric's, not a method's.
    """

    name: str
    purpose: str
    path: Path
    place: Path
    status: str
    size: int | None
    licence: str
    source: str
    metric: bool

    @property
    def wanting(self) -> bool:
        """Whether the file has to be fetched, for the first time or again."""
        return self.status in ("missing", "damaged")


def entries(names: Sequence[str] = ()) -> list[ModelFile]:
    """The files that the `names` stand for: of methods, metrics and extractors, or files themselves. Without names, all
    files of methods, then all of metrics.

    Raises:
        TalkbenchError: a name is unknown; the message offers the nearest.
    """
    if not names:
        from talkbench.metrics.weights import files

        return [*_of_methods(""), *_of_metrics(files())]
    return list(dict.fromkeys(entry for name in names for entry in _named(name)))


def named(name: str) -> list[str] | None:
    """The metrics' files that a name stands for: the file of that name, or the files of the metric or extractor of that
    name. None if there is none of the three.

    Raises:
        TalkbenchError: the metric has no such variant.
    """
    from talkbench import metrics
    from talkbench.metrics import extractors
    from talkbench.metrics.weights import cards

    if name in cards():
        return [name]
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

    metric_files = named(name)
    if metric_files is not None:
        return _of_metrics(metric_files)
    if name in methods.registry.names() or name.partition("@")[0] in methods.registry.names():
        return _of_methods(name)
    choices = [*methods.registry.names(), *metrics.registry.names(), *extractors.registry.names(), *files()]
    raise TalkbenchError(methods.registry.explain(name) or f"unknown name {name!r}: {nearest(name, choices)}")


def _of_methods(method: str) -> Iterator[ModelFile]:
    from talkbench.methods.checkpoint_store import listed

    for file in listed(method):
        size = file.path.stat().st_size if file.path.is_file() else None
        place = Path() if file.status == SHIPPED else file.path.relative_to(home() / "weights")
        yield ModelFile(
            file.method, file.part, file.path, place, file.status, size, file.licence, file.source, metric=False
        )


def _of_metrics(names: Iterable[str]) -> Iterator[ModelFile]:
    from talkbench.metrics.weights import files, find, status, store

    needed = users()
    for name in names:
        stored = find(name)
        file = files()[name]
        path = stored or store() / file.path
        place = (store() / file.path).relative_to(home() / "weights")
        size = stored.stat().st_size if stored else file.size
        source = file.url or file.page
        yield ModelFile(
            name, ", ".join(needed[name]), path, place, status(name), size, file.licence, source, metric=True
        )


def fetchable() -> list[ModelFile]:
    """The metrics' files that are missing or damaged and that `pull` can download."""
    from talkbench.metrics.weights import files

    with_url = [name for name, file in files().items() if file.url]
    return [entry for entry in _of_metrics(with_url) if entry.wanting]


def pull(entry: ModelFile, progress: object = None) -> Path:
    """Download a file into the store.

    Raises:
        TalkbenchError: as `metrics.weights.pull`; or the file is a method's, which the user has to fetch by hand.
    """
    from talkbench.metrics.weights import pull as pull_file

    if entry.metric:
        return pull_file(entry.name, progress)
    raise TalkbenchError(
        f"{entry.path.name} of {entry.name} is to be fetched by hand: {entry.source}; then: bench weights add FILE"
    )


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
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        sha256, _, name = line.partition(" ")
        if len(sha256) != 64 or not name[1:]:
            raise TalkbenchError(f"{path} has the line {line!r}, which is not as sha256sum writes it; export it anew")
        sums[folder / name[1:]] = sha256
    return sums


def files_to_add(path: Path) -> tuple[dict[Path, str], list[str]]:
    """The file `path`, or all files below the folder `path`, each with its hash from the folder's ``SHA256SUMS`` ("" if
    it is not listed there); and a complaint for each file that is listed and missing.

    Files of hashes and hidden files are left out.

    Raises:
        TalkbenchError: the ``SHA256SUMS`` is not in the form that sha256sum writes.
    """
    if not path.is_dir():
        return {path: ""}, []
    sums = _read_sums(path)
    files = {}
    for file in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.is_file() and not hidden and file.name != SUMS and file.suffix != ".sha256":
            files[file] = sums.get(file, "")
    return files, [f"{file} is listed in {SUMS} but missing; copy it again" for file in sums if not file.is_file()]


@dataclass(frozen=True)
class AddedFile:
    """A file that was recognised and stored: what it is, in words, and where it is now."""

    what: str
    path: Path


def add(path: Path, name: str = "", sha256: str = "") -> AddedFile:
    """Recognise a metric's file by its hash or name, a method's by its contents, and store it with its hash.

    Args:
        name: what the file is, if the user says so.
        sha256: the hash that the file must have; "" for any.

    Raises:
        TalkbenchError: the file is not recognised, is not what `name` or `sha256` say, or cannot be stored.
    """
    from talkbench.metrics.weights import add as add_metric
    from talkbench.metrics.weights import files, recognise

    if sha256 and digest(path) != sha256:
        raise TalkbenchError(f"{path} does not have the sha256 that {SUMS} states; copy it again")
    metric = _meant(name) if name else recognise(path)
    if metric is None:
        return _add_checkpoint(path, name)
    return AddedFile(f"{metric} ({files()[metric].licence})", add_metric(path, metric))


def _meant(name: str) -> str | None:
    """The metrics' file that `name` stands for; None if it is a method."""
    files = named(name)
    if files is None:
        _named(name)  # refuses an unknown name
        return None
    if len(files) != 1:
        raise TalkbenchError(f"{name} needs {' and '.join(files) or 'no files'}; name one file with --as")
    return files[0]


def _add_checkpoint(path: Path, name: str) -> AddedFile:
    from talkbench.methods.checkpoint_store import add as add_method
    from talkbench.metrics.weights import files

    try:
        added = add_method(path, name)
    except TalkbenchError as error:
        alike = [file.name for file in files().values() if Path(file.path).name == path.name]
        if name or not alike:
            raise
        raise TalkbenchError(f"{path} may be {' or '.join(alike)}; say which with --as") from error
    part = f"the {added.match.part} of " if added.match.part else ""
    return AddedFile(f"{part}{added.match.method} ({', '.join(added.match.networks)})", added.path)


def fault(entry: ModelFile) -> str:
    """Why a file is damaged, one line with the remedy."""
    from talkbench.metrics.weights import files, remedy

    if entry.metric:
        return f"{files()[entry.name].fault(entry.path)}; delete it and fetch it anew: {remedy(files()[entry.name])}"
    return (
        f"{entry.path} has neither the published sha256 nor the one it was added with; delete it and fetch it anew "
        f"({entry.source}): bench weights add FILE"
    )
