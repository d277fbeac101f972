"""The store of checkpoints: the files that methods need, which of them are there, and adding one (`bench weights`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path, sha256_file
from talkbench.core.model_files import Bar, RemoteFile, copy, digest, note, noted
from talkbench.core.model_files import fetch as download
from talkbench.core.paths import home
from talkbench.methods.cards import card, family, files_beside, full_name, known_names, own_file, store
from talkbench.methods.registration import create, registry

if TYPE_CHECKING:
    from talkbench.core.cards import CheckpointCard
    from talkbench.core.file_kinds import Kind
    from talkbench.methods.checkpoints import CheckpointFile
    from talkbench.methods.recognition import Match


@dataclass(frozen=True)
class WeightFile:
    """A file that a method needs.

    Attributes:
        method: full name.
        part: the network that the file holds; "" for the main checkpoint.
        path: where it is, or where it should be put.
        source: in words, where it is published.
        licence: of the weights, in words.
        published: what the card says of it, also where a program can fetch it; None if it was added by hand.
        non_commercial: its weights are for non-commercial use only.
        status: ``missing``; ``present`` (nothing to check it against); ``as added`` (its hash is the one noted when
            it was added); ``official`` (its hash is the published one); ``ships with talkbench``; ``damaged``.
    """

    method: str
    part: str
    path: Path
    source: str
    licence: str
    status: str
    published: CheckpointCard | None = None
    non_commercial: bool = False

    @property
    def sha256(self) -> str:
        """Of the published file, "" where nobody has stated it."""
        return self.published.sha256 if self.published else ""

    @property
    def fetchable(self) -> bool:
        """Whether a program can fetch it."""
        return self.published is not None and bool(self.published.address)


@dataclass(frozen=True)
class StoredCheckpoint:
    """A file that was recognised and stored: what it is, its path in the store, its hash, and in words how its networks
    were taken out of it and what is unusual in them."""

    match: Match
    path: Path
    sha256: str
    remarks: tuple[str, ...] = ()


def listed(method: str = "") -> list[WeightFile]:
    """The files of all methods in the order of their names, or those of one method and its variants.

    Raises:
        TalkbenchError: an unknown method.
    """
    if method:
        registry.check(method)
    slug = full_name(method).split("@")[0] if method else ""
    names = [name for name in known_names() if not slug or name.split("@")[0] == slug]
    return [file for name in names for file in _files(name)]


def _files(name: str) -> Iterator[WeightFile]:
    method = card(name)
    files = dict(method.beside)
    if method.weights:
        files = {"": method.weights, **files}
    else:  # no main checkpoint is published; the user may have added one
        own_path = store(name) / own_file(name)
        if own_path.is_file():
            yield WeightFile(name, "", own_path, "added by hand", "", _status(own_path, ""))
    first = {file.file: part for part, file in reversed(files.items())}  # of the networks in a file
    for part, file in ((part, file) for part, file in files.items() if first[file.file] == part):
        path = store(name) / file.file
        shipped = Path(__file__).parent / name.split("@")[0] / file.file
        status = _status(path, file.sha256)
        if status == "missing" and shipped.is_file():
            path, status = shipped, "ships with talkbench"
        licence = method.licence
        facts = file.source, licence.weights, status, file, licence.non_commercial
        yield WeightFile(name, part, path, *facts)


def _status(path: Path, published: str) -> str:
    if not path.is_file():
        return "missing"
    noted_sha256 = noted(path)
    if not (published or noted_sha256):
        return "present"
    if digest(path) == published:
        return "official"
    return "as added" if digest(path) == noted_sha256 else "damaged"


def identify(path: Path, name: str = "") -> Match:
    """The method, and the part of it, that a file belongs to by its contents.

    Args:
        name: the method that the user names, which decides between configurations with equal networks.

    Raises:
        TalkbenchError: no method has such networks, several have, or `name` is none of them.
    """
    return _identify(path, name)[0]


def _identify(path: Path, name: str) -> tuple[Match, CheckpointFile, list[str]]:
    """As `identify`; also what is in the file, and what is to be said of it."""
    from talkbench.methods.checkpoints import mistyped, not_finite, read_checkpoint
    from talkbench.methods.recognition import doubt, recognise, skeleton

    file = read_checkpoint(path, name or "a method")
    matches = recognise(path, file, full_name(name) if name else "")
    if not matches:
        raise TalkbenchError(f"{path} fits no method; bench weights list shows the files that methods need")
    if name:
        fitting = " or ".join(match.method for match in matches)
        matches = [match for match in matches if match.method == full_name(name)]
        if not matches:
            raise TalkbenchError(f"{path} is not {name}; by its contents it is {fitting}")
    elif doubts := doubt(path, file, matches):
        raise TalkbenchError(f"{path} may be {doubts}; its networks do not tell: say which with --as NAME")
    match = matches[0]
    remarks = file.told(map(file.place, match.networks))
    if not name and file.metadata.get("method") == match.method:
        remarks.append("its metadata says so")
    for part in match.networks:
        expected, state = skeleton(match.method)[0].networks[part].state_dict(), file.states[file.place(part)]
        if problem := mistyped(expected, state):
            raise TalkbenchError(f"{path} is {match.method}, but {part} has {problem}; save it as float32")
        if problem := not_finite(expected, state):
            remarks.append(f"{part} has {problem}")
    return match, file, remarks


def method_at(place: Path) -> str:
    """The configuration whose file lies at `place` in a store of weights, relative to it; "" if none does."""
    weights = home() / "weights"
    for name in known_names():
        method = card(name)
        published = [*([method.weights] if method.weights else []), *method.beside.values()]
        files = [own_file(name), *(file.file for file in published)]
        if place in [(store(name) / file).relative_to(weights) for file in files]:
            return name
    return ""


def add(path: Path, name: str = "") -> StoredCheckpoint:
    """Recognise a file, copy it to where the methods look for it, and note its hash beside it.

    Raises:
        TalkbenchError: as `identify`, or the store cannot be written.
    """
    match, file, remarks = _identify(path, name)
    if file.kind == "torch" and file.metadata:
        raise TalkbenchError(f"{path} is the state of a training; make weights of it first: bench weights convert")
    target = _target(match, path, file.kind)
    copy(path, target)
    sha256, method = note(target), card(match.method)
    published = method.beside[match.part] if match.part else method.weights
    if published and published.sha256 not in ("", sha256) and target == store(match.method) / published.file:
        remarks.append(f"it is not the published file, whose sha256 is {published.sha256[:12]}…, but {sha256[:12]}…")
    return StoredCheckpoint(match, target, sha256, tuple(remarks))


def fetch(file: WeightFile, progress: Bar | None = None) -> None:
    """Download a file, check it against the published size and hash and its contents against the method's networks, and
    store it where the methods look for it.

    Raises:
        TalkbenchError: as `core.model_files.fetch`; or only a person can fetch the file.
    """
    card_file, add_it = file.published, f"then: bench weights add FILE --as {file.method}"
    if card_file is None or not file.fetchable:
        raise TalkbenchError(f"{file.path.name} of {file.method} is to be fetched by hand: {file.source}; {add_it}")
    remote = RemoteFile(
        f"{file.method}-{file.path.name}",
        file.path.name,
        card_file.address,
        file.source,
        file.licence,
        card_file.sha256,
        size=card_file.size,
        hub=card_file.in_hub,
        drive=card_file.drive,
    )

    def difference(path: Path) -> str | None:
        try:
            match = identify(path, file.method)
        except TalkbenchError as error:
            return str(error).removeprefix(f"{path} ")
        return None if match.part == file.part else f"is its {match.part or 'main checkpoint'}"

    download(remote, file.path, progress, f"fetch it by hand ({file.source}), {add_it}", difference)


def _target(match: Match, path: Path, kind: Kind) -> Path:
    method = card(match.method)
    if match.part:
        return store(match.method) / method.beside[match.part].file
    bare = method.weights is not None and match.networks == (method.weights.network,)
    if kind == "safetensors" and not bare:
        return store(match.method) / own_file(match.method)
    if method.weights:
        return store(match.method) / method.weights.file
    raise TalkbenchError(
        f"{path} is {match.method}, which has no official file; convert it to safetensors first: bench weights convert"
    )


def convert(path: Path, out: Path | None = None, name: str = "", half: bool = False) -> tuple[Match, Path]:
    """Write a checkpoint, with the further files that its method needs, as one safetensors file.

    Only the method's networks are kept, under ``network/key``, with the method's name and the hash of the original
    as metadata, beside the metadata that it has from talkbench's training. `out` None: ``<method>.safetensors`` beside
    the original.

    Args:
        half: whether numbers are stored in half precision, in which the method's results differ slightly.

    Raises:
        TalkbenchError: as `identify`, a further file is missing, a number is too large for half precision, or `out` is
            no ``.safetensors`` or cannot be written.
    """
    from talkbench.methods.checkpoints import halved, read_checkpoint, save_states
    from talkbench.methods.recognition import skeleton

    match, file = _whole(path, name)
    out = out or path.with_name(f"{match.method.replace('@', '-')}.safetensors")
    if out.suffix != ".safetensors":
        raise TalkbenchError(f"--out {out} is not a .safetensors file; choose another name")
    states = {part: file.states[file.place(part)] for part in match.networks}
    optional = skeleton(match.method)[0].optional
    for part, other in files_beside(match.method, path).items():
        if part in states or (part in optional and not other.is_file()):
            continue
        beside = read_checkpoint(other, f"{match.method}, which wants its {part}")
        if (place := beside.place(part)) not in beside.states:
            raise TalkbenchError(f"{other} is not the {part} of {match.method}; put its published file there")
        states[part] = beside.states[place]
    if half:
        states = {part: halved(path, state) for part, state in states.items()}
    origin = {"method": match.method, "converted_from": path.name, "sha256": sha256_file(path)}
    save_states(states, out, {**file.metadata, **origin})
    return match, out


def convert_official(path: Path, out: Path | None = None, name: str = "") -> tuple[Match, Path]:
    """Write a checkpoint in the form that the code of the method's authors reads.

    That is ``torch.save`` of the networks of their main file in the order of their names there, the discriminator where
    their code looks for one (a fresh one, unless the file has one that learned), each key with the prefix that their
    wrappers leave, and the zero-based index of the last epoch that ended. `out` None:
    ``<epoch, 8 digits>-checkpoint.pth.tar`` beside the original.

    Raises:
        TalkbenchError: as `identify`, or `out` cannot be written.
    """
    import torch

    from talkbench.methods.checkpoints import mismatch

    match, file = _whole(path, name)
    main = card(match.method).weights
    if main and main.network:
        raise TalkbenchError(f"the authors of {match.method} read one file per network; --official writes one for all")
    stored, method = file.states, create(match.method)
    beside = card(match.method).beside
    states = {
        part: {key: stored[part][key] for key in network.state_dict() if key in stored[part]}
        for part, network in method.networks.items()
        if part in stored and part not in beside
    }
    discriminator = method.discriminator()
    if discriminator is not None:
        fresh, learned = discriminator.state_dict(), stored.get("discriminator", {})
        states["discriminator"] = fresh if mismatch(fresh, learned) else {key: learned[key] for key in fresh}
    epochs = file.metadata.get("epochs", 0)
    epoch = epochs - 1 if isinstance(epochs, int) and epochs > 0 else 0
    prefix = family(match.method).official_prefix
    content = {part: {prefix + key: value for key, value in state.items()} for part, state in states.items()}
    out = out or path.with_name(f"{epoch:08d}-checkpoint.pth.tar")
    with atomic_path(out) as temporary:
        torch.save({**content, "epoch": epoch}, temporary)
    return match, out


def _whole(path: Path, name: str) -> tuple[Match, CheckpointFile]:
    match, file, _ = _identify(path, name)
    if match.part:
        raise TalkbenchError(f"{path} is the {match.part} of {match.method}; convert the main checkpoint, beside it")
    return match, file
