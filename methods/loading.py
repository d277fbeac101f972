"""Loading a checkpoint into the networks of a method; the error for one that does not fit says what it is instead."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.core.text import few
from talkbench.methods.cards import card
from talkbench.methods.checkpoints import (
    PARALLEL,
    CheckpointFile,
    mismatch,
    mistyped,
    not_finite,
    read_checkpoint,
    with_counters,
)
from talkbench.methods.recognition import claimed, recognise

LOG = logging.getLogger("talkbench")


@dataclass(frozen=True)
class Checkpoint:
    """What `load_networks` loaded: the SHA-256 of every file by part (one file for most methods, whose part is ""),
    and the names of the networks in them."""

    sha256: dict[str, str]
    parts: frozenset[str]


def load_networks(
    networks: Mapping[str, nn.Module],
    path: Path,
    method: str,
    optional: Collection[str] = (),
    beside: Mapping[str, Path] | None = None,
    main: str = "",
) -> Checkpoint:
    """Load a checkpoint strictly into `networks`, by their names in the file.

    Accepts the authors' ``torch.save`` dictionaries (zip or old serialisation, CUDA tensors, ``module.``
    prefixes, no ``num_batches_tracked``; further top-level keys ignored), our ``.safetensors``, and what training
    programs make of them, see `read_checkpoint`; what they put around the networks is named in the log.

    Args:
        method: full name, for messages.
        optional: networks that a file may lack; they keep their weights.
        beside: files of networks that the main file does not hold, by the network; a file is the bare state dict of
            that network, or holds it by its name.
        main: the network whose bare state dict the file may be.

    Raises:
        TalkbenchError: a file is missing, damaged, holds code, or does not fit `method`.
    """
    file, remarks = read_checkpoint(path, method), []
    if main and main not in file.states and "" in file.states:
        file.states[main] = file.states[""]
    files = {name: other for name, other in (beside or {}).items() if name not in file.states}
    read = {other: read_checkpoint(other, method) for other in dict.fromkeys(files.values())}
    for name, other in files.items():
        file.states[name] = read[other].states.get(read[other].place(name), {})
    for other, own in read.items():
        remarks += [f"{other}: {remark}" for remark in _remarks(own, [n for n in files if files[n] == other], method)]
    loadable = {name: network for name, network in networks.items() if name in file.states or name not in optional}
    missing = [name for name in loadable if name not in file.states]
    if missing:
        told = f"{path} is not a checkpoint of {method}: no {few(missing)} among its parts ({few(file.named)})"
        raise TalkbenchError(_recognised(path, file, method) or told)
    for name, network in loadable.items():
        place, expected, state = files.get(name, path), network.state_dict(), file.states[name]
        if problem := mismatch(expected, state):
            told = f"{place} does not fit {method}: {name} has {problem}"
            raise TalkbenchError(
                _recognised(place, read.get(place, file), method, name if name in files else "") or told
            )
        if problem := mistyped(expected, state):
            raise TalkbenchError(f"{place} is refused: {name} has {problem}; save it as float32")
        if problem := not_finite(expected, state):
            remarks.append(f"{place}: {name} has {problem}")
    sha256 = {name: sha256_file(place) for name, place in {"": path, **files}.items()}
    if claim := claimed(path, file.metadata, sha256[""], method):
        raise TalkbenchError(f"{path} is {claim}; expected {method}: name the method it belongs to, or other weights")
    for name, network in loadable.items():
        network.load_state_dict(with_counters(network.state_dict(), file.states[name]), strict=True)
    for remark in (*(f"{path}: {told}" for told in file.told(loadable) if told != PARALLEL), *remarks):
        LOG.warning(remark)
    return Checkpoint(sha256, frozenset(loadable))


def _remarks(file: CheckpointFile, members: Collection[str], method: str) -> list[str]:
    """What is to be said of a file that holds the networks `members` beside the main one."""
    remarks = [remark for remark in file.told(map(file.place, members)) if remark != PARALLEL]
    extra = [entry for entry in file.entries if entry not in members]
    if extra and file.states.keys() & members:
        remarks.append(f"it also holds {few(extra)}, which {method} does not use")
    return remarks


def _recognised(path: Path, file: CheckpointFile, method: str, wanted: str = "") -> str:
    """The error message for a checkpoint of other methods than `method`, or of a part of it other than the one `wanted`
    ("": its main checkpoint); "" if it belongs to none."""
    matches = recognise(path, file)
    parts = [match.part for match in matches if match.method == method and match.part]
    if wanted:
        return f"{path} is the {parts[0]} of {method}, not its {wanted}" if parts else ""
    if parts:
        main = card(method).weights
        return (
            f"{path} is the {parts[0]} of {method} alone; name its {main.file if main else 'main checkpoint'} instead"
        )
    names = [match.method for match in matches]
    said = f"{path} is {' or '.join(names)}; expected {method}: name the method it belongs to, or other weights"
    return said if names else ""
