"""The model files that metrics use: where they are, and what to say where they are not (docs/specs/evaluation.md 5)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from talkbench.core.errors import TalkbenchError
from talkbench.core.model_files import RemoteFile, copy, digest, fetch, note, noted
from talkbench.core.paths import home
from talkbench.core.registry import nearest

if TYPE_CHECKING:
    from talkbench.metrics.interface import Metric

HUB = "https://huggingface.co"
HUB_REVISION = "main"
"""py-feat pins no revision of its files; what came is told by its sha256, which is in every extractor's id."""
VAGUE = ("config.json", "model.safetensors")
"""Published names that many files of other models have too."""


def files() -> dict[str, RemoteFile]:
    """All files by their names here, in the order of ``weights.yaml``."""
    return {name: _file(name, entry) for name, entry in _table().items()}


def store() -> Path:
    """The folder that holds them."""
    return home() / "weights" / "metrics"


def find(name: str) -> Path | None:
    """Where a file is: in the store, else where the library that published it keeps it; None if in neither."""
    places = [store() / _entry(name)["path"], *_elsewhere(_entry(name))]
    return next((place for place in places if place.is_file()), None)


def path(name: str) -> Path:
    """Where a file is, checked against what is known of it.

    Raises:
        TalkbenchError: it is missing or is not what it should be; says where to get it and where to put it.
    """
    fault = problem(name)
    found = find(name)
    if fault or found is None:
        raise TalkbenchError(f"it {fault}")
    return found


def problem(*names: str) -> str | None:
    """What is the matter with some files, ``needs a.pth (https://…) in /folder``; None if all are there and sound."""
    lacking = [files()[name] for name in names if find(name) is None]
    pulled, added = [file for file in lacking if file.url], [file for file in lacking if not file.url]
    faults = [f"{_wanted(pulled)}: bench weights pull {' '.join(file.name for file in pulled)}"] if pulled else []
    faults += [f"{_wanted([file])}: {remedy(file)}" for file in added]
    faults += [
        f"a sound {found.name}: {fault}; delete it and fetch it anew: {remedy(files()[name])}"
        for name in names
        if (found := find(name)) and (fault := files()[name].fault(found))
    ]
    return "needs " + "; ".join(faults) if faults else None


def _wanted(lacking: Sequence[RemoteFile]) -> str:
    """``a.pth (https://…), b.pth (https://…) in /folder``."""
    targets = {file: store() / file.path for file in lacking}
    folder = os.path.commonpath([target.parent for target in targets.values()])
    what = [f"{os.path.relpath(target, folder)} ({file.url or file.page})" for file, target in targets.items()]
    return f"{', '.join(what)} in {folder}"


def remedy(file: RemoteFile) -> str:
    """The command that brings a file into the store."""
    return f"bench weights pull {file.name}" if file.url else f"bench weights add FILE --as {file.name}"


def digests(*names: str) -> str:
    """The first 12 digits of the sha256 of each, joined by ``-``: what tells features of other weights apart."""
    return "-".join(digest(path(name))[:12] for name in names)


def status(name: str) -> str:
    """``missing``; ``official`` (its published hash holds); ``as added`` (the hash noted when it came holds);
    ``present`` (nothing to check it against); ``damaged``."""
    file, found = files()[name], find(name)
    if found is None:
        return "missing"
    if file.fault(found):
        return "damaged"
    return "official" if file.hashed else "as added" if noted(found) else "present"


def users() -> dict[str, list[str]]:
    """By file, what needs it: metrics, themselves, through their extractor or what that one `uses`, or a command."""
    from talkbench.metrics import create, registry

    needed: dict[str, list[str]] = {name: list(entry.get("used_by", [])) for name, entry in _table().items()}
    for metric in registry.names():
        try:
            wanted = _of_metric(create(metric))
        except TalkbenchError:  # one broken plugin must not hide the others
            continue
        for name in wanted:
            needed.setdefault(name, []).append(metric)
    return needed


def named(name: str) -> list[str] | None:
    """The files that a name stands for: a file of the table itself, those of a metric or of an extractor; None if it is
    none of these.

    Raises:
        TalkbenchError: an unknown variant of a metric.
    """
    from talkbench.metrics import create, registry
    from talkbench.metrics.extractors import registry as extractors

    if name in files():
        return [name]
    if name in registry.names() or name.partition("@")[0] in registry.names():
        return _of_metric(create(name))
    return _of_extractor(name) if name in extractors.names() else None


def _of_metric(metric: Metric[Any]) -> list[str]:
    through = _of_extractor(metric.extractor) if metric.extractor else []
    return list(dict.fromkeys([*metric.weights, *through]))


def _of_extractor(name: str) -> list[str]:
    from talkbench.metrics import create_extractor

    extractor = create_extractor(name)
    return [*extractor.weights, *(_of_extractor(extractor.uses) if extractor.uses else [])]


def pull(name: str, progress: Any = None) -> Path:
    """Download a file into the store; see `core.model_files.fetch`.

    Raises:
        TalkbenchError: as `fetch`, or only a person can fetch it; says where and what to do then.
    """
    file = files()[name]
    if not file.url:
        raise TalkbenchError(f"{name} is to be fetched by hand: {file.page}; then: bench weights add FILE --as {name}")
    fetch(file, store() / file.path, progress)
    return store() / file.path


def recognise(path: Path) -> str | None:
    """The file of the table that the one at `path` is, by its published hash, else by its published name; None if by
    neither.

    A name that says nothing, such as ``model.safetensors``, counts only with the folder that it has in the store.
    """
    known = files()
    for name, file in known.items():
        if file.hashed and file.difference(path) is None:
            return name
    place = path.resolve().as_posix()
    for name, file in known.items():
        if place.endswith(f"/{file.path}") or path.name == Path(file.path).name not in VAGUE:
            return name
    return None


def add(path: Path, name: str) -> Path:
    """Copy a file into the store as `name` and note its hash.

    Raises:
        TalkbenchError: it differs from what is known of `name`, or the store cannot be written.
    """
    file = files()[name]
    difference = file.difference(path)
    if difference:
        raise TalkbenchError(f"{path} is not the {name} that is known: it {difference}; fetch it anew ({file.page})")
    copy(path, store() / file.path)
    note(store() / file.path)
    return store() / file.path


@cache
def _table() -> dict[str, dict[str, Any]]:
    return yaml.safe_load((Path(__file__).parent / "weights.yaml").read_text(encoding="utf-8"))


def _entry(name: str) -> dict[str, Any]:
    try:
        return _table()[name]
    except KeyError:
        raise TalkbenchError(f"unknown weight file {name!r}: {nearest(name, _table())}") from None


def _file(name: str, entry: dict[str, Any]) -> RemoteFile:
    url = entry.get("url", "")
    if "hub" in entry:
        url = f"{HUB}/{entry['hub']}/resolve/{HUB_REVISION}/{Path(entry['path']).name}"
    return RemoteFile(
        name=name,
        path=entry["path"],
        url=url,
        page=entry.get("page", url),
        licence=entry["licence"],
        sha256=entry.get("sha256", ""),
        git_blob=entry.get("git_blob", ""),
        size=entry.get("size"),
    )


def _elsewhere(entry: dict[str, Any]) -> Iterator[Path]:
    cache_folder = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    torch_home = Path(os.environ.get("TORCH_HOME", f"{cache_folder}/torch")).expanduser()
    for place in entry.get("elsewhere", []):
        yield Path(place.format(torch=torch_home))
    if "hub" in entry:  # py-feat keeps the hub's cache inside its own package
        spec = importlib.util.find_spec("feat")
        for folder in (spec and spec.submodule_search_locations) or []:
            repository = Path(folder) / "resources" / f"models--{entry['hub'].replace('/', '--')}"
            yield from sorted(repository.glob(f"snapshots/*/{Path(entry['path']).name}"))
