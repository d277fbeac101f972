"""The model files that metrics use: where they are, and what to say where they are not (specs evaluation 5)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from talkbench.core.errors import TalkbenchError
from talkbench.core.paths import home
from talkbench.core.registry import nearest
from talkbench.core.weights import RemoteFile, digest

HUB = "https://huggingface.co"
HUB_REVISION = "main"
"""py-feat pins no revision of its files; what came is told by its sha256, which is in every extractor's id."""


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
    faults = [fault for name in names if (fault := _fault(name))]
    return "needs " + "; ".join(faults) if faults else None


def digests(*names: str) -> str:
    """The first 12 digits of the sha256 of each, joined by ``-``: what tells features of other weights apart."""
    return "-".join(digest(path(name))[:12] for name in names)


def _fault(name: str) -> str | None:
    file, found = files()[name], find(name)
    target = store() / file.path
    if found is None:
        remedy = f"bench weights pull {name}" if file.url else f"bench weights add FILE --as {name}"
        return f"{target.name} ({file.url or file.page}) in {target.parent}: {remedy}"
    fault = file.fault(found)
    return f"a sound {target.name}: {fault}; delete it and fetch it anew" if fault else None


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
