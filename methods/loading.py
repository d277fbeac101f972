"""Loading a checkpoint into the networks of a method; the error for one that does not fit says what it is instead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.methods.checkpoints import few, mismatch, read_states, with_counters
from talkbench.methods.recognition import claimed, recognise


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
) -> Checkpoint:
    """Load a checkpoint strictly into `networks`, by their names in the file.

    Accepts the authors' ``torch.save`` dictionaries (zip or old serialisation, CUDA tensors, ``module.``
    prefixes, no ``num_batches_tracked``; further top-level keys ignored) and our ``.safetensors``.

    Args:
        method: full name, for messages.
        optional: networks that a file may lack; they keep their weights.
        beside: files, each a bare state dict, of networks that the main file does not hold.

    Raises:
        TalkbenchError: a file is missing, damaged, holds code, or does not fit `method`.
    """
    stored = read_states(path, method)
    files = {name: file for name, file in (beside or {}).items() if name not in stored}
    for name, file in files.items():
        stored[name] = read_states(file, method).get("", {})
    loadable = {name: network for name, network in networks.items() if name in stored or name not in optional}
    missing = [name for name in loadable if name not in stored]
    if missing:
        told = f"{path} is not a checkpoint of {method}: no {few(missing)} among its parts ({few(sorted(stored))})"
        raise TalkbenchError(_recognised(path, stored, method) or told)
    for name, network in loadable.items():
        problem = mismatch(network.state_dict(), stored[name])
        if problem:
            told = f"{files.get(name, path)} does not fit {method}: {name} has {problem}"
            raise TalkbenchError(_recognised(files.get(name, path), stored, method) or told)
    sha256 = {name: sha256_file(file) for name, file in {"": path, **files}.items()}
    if claim := claimed(path, sha256[""], method):
        raise TalkbenchError(f"{path} is {claim}; expected {method}: run the method it belongs to with --method")
    for name, network in loadable.items():
        network.load_state_dict(with_counters(network.state_dict(), stored[name]), strict=True)
    return Checkpoint(sha256, frozenset(loadable))


def _recognised(path: Path, stored: Mapping[str, Mapping[str, Tensor]], method: str) -> str:
    """The error message for a checkpoint of other methods than `method`; "" if it belongs to none."""
    names = [match.method for match in recognise(path, stored)]
    said = f"{path} is {' or '.join(names)}; expected {method}: run the method it belongs to with --method"
    return said if names else ""
