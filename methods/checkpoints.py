"""Reading and writing checkpoints: the authors' files as they are, ours as safetensors.

Nothing here runs code from a file: pickles are read with ``weights_only=True``.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path, sha256_file

State = dict[str, Tensor]
SHOWN = 3


@dataclass(frozen=True)
class Checkpoint:
    """What `load_networks` loaded: the SHA-256 of every file by part (one file for most methods), "" being the
    main file, and the names of the networks that were there."""

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
    wanted = {name: network for name, network in networks.items() if name in stored or name not in optional}
    missing = [name for name in wanted if name not in stored]
    if missing:
        told = f"{path} is not a checkpoint of {method}: no {_few(missing)} among its parts ({_few(sorted(stored))})"
        raise TalkbenchError(_known_as(path, stored, method) or told)
    for name, network in wanted.items():
        problem = mismatch(network.state_dict(), stored[name])
        if problem:
            told = f"{files.get(name, path)} does not fit {method}: {name} has {problem}"
            raise TalkbenchError(_known_as(files.get(name, path), stored, method) or told)
    sha256 = {name: sha256_file(file) for name, file in {"": path, **files}.items()}
    from talkbench.methods.recognition import claimed  # it builds methods, which load checkpoints

    if claim := claimed(path, sha256[""], method):
        raise TalkbenchError(f"{path} is {claim}; expected {method}: name the one that it is with --method")
    for name, network in wanted.items():
        network.load_state_dict(_with_counters(network.state_dict(), stored[name]), strict=True)
    return Checkpoint(sha256, frozenset(wanted))


def _known_as(path: Path, stored: Mapping[str, State], method: str) -> str:
    from talkbench.methods.recognition import recognise

    names = [match.method for match in recognise(path, stored)]
    said = f"{path} is {' or '.join(names)}; expected {method}: name the one that it is with --method"
    return said if names else ""


def _with_counters(wanted: Mapping[str, Tensor], found: State) -> State:
    """Batch norm counts its batches since torch 0.4.1; nothing reads the count, and older files lack all of them."""
    if _lacks_counters(found):
        return {**found, **{key: torch.zeros_like(value) for key, value in wanted.items() if _is_counter(key)}}
    return found


def _lacks_counters(state: Mapping[str, Tensor]) -> bool:
    return not any(map(_is_counter, state))


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def read_states(path: Path, method: str) -> dict[str, State]:
    """The state dicts in a checkpoint by their top-level keys; "" is that of a file that is a bare state dict.

    Raises:
        TalkbenchError: the file is missing, damaged or holds code.
    """
    if not path.is_file():
        raise TalkbenchError(f"checkpoint {path} does not exist; give the path of a checkpoint for {method}")
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)


def save_networks(networks: Mapping[str, nn.Module], path: Path, metadata: Mapping[str, object]) -> None:
    """Write networks as `save_states` does."""
    save_states({name: network.state_dict() for name, network in networks.items()}, path, metadata)


def save_states(states: Mapping[str, Mapping[str, Tensor]], path: Path, metadata: Mapping[str, object]) -> None:
    """Write state dicts as safetensors (keys ``network/key``) with `metadata` as JSON, atomically.

    Raises:
        TalkbenchError: the file cannot be written, on a full disk for example.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {
        f"{name}/{key}": value.detach().cpu().contiguous()
        for name, state in states.items()
        for key, value in state.items()
    }
    with atomic_path(path) as temporary:
        try:
            save_file(tensors, temporary, {"talkbench": json.dumps(metadata, sort_keys=True)})
        except SafetensorError as error:  # its writer has its own words for a full disk
            raise TalkbenchError(f"cannot write {path}: {_first_line(error)}; free some space") from error


def read_metadata(path: Path) -> dict[str, object]:
    """What `save_networks` stored beside the weights."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        stored = file.metadata() or {}
    metadata: dict[str, object] = json.loads(stored.get("talkbench", "{}"))
    return metadata


def mismatch(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """How two state dicts differ in keys and shapes: the first few of each kind and the count; "" if they agree.

    Counters of batches may be missing altogether, as in files older than they are.
    """
    old = _lacks_counters(found)
    missing = [key for key in wanted if key not in found and not (old and _is_counter(key))]
    unexpected = [key for key in found if key not in wanted]
    misshapen = [
        f"{key} {tuple(found[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in found and found[key].shape != wanted[key].shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
    return "; ".join(f"{len(keys)} {kind} keys: {_few(keys)}" for kind, keys in kinds.items() if keys)


def _few(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "") if names else "nothing"


def _read_safetensors(path: Path) -> dict[str, State]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        flat = load_file(path)
    except (SafetensorError, OSError) as error:
        raise TalkbenchError(f"{path} is not a readable safetensors file ({error}); get it anew") from error
    stored: dict[str, State] = {}
    for key, value in flat.items():
        name, _, inner = key.partition("/")
        stored.setdefault(name, {})[inner] = value
    return stored


def _read_pickle(path: Path) -> dict[str, State]:
    with path.open("rb") as file:
        if not file.read(2).startswith((b"PK", b"\x80")):  # an HTML page, say, that a dead link gave
            raise TalkbenchError(f"{path} is damaged or no checkpoint (neither zip nor pickle); get it anew")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "weights_only" not in str(error).lower() and "weights only" not in str(error).lower():
            raise TalkbenchError(f"{path} is damaged or no checkpoint ({_first_line(error)}); get it anew") from error
        raise TalkbenchError(
            f"{path} holds more than tensors, so reading it could run its code: refused. If you trust it, open it in a "
            "sandbox, save its state dicts alone with torch.save, and give that file"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise TalkbenchError(f"{path} is damaged or no checkpoint ({_first_line(error)}); get it anew") from error
    if not isinstance(content, dict):
        raise TalkbenchError(f"{path} holds a {type(content).__name__}, not the dictionary of a checkpoint")
    bare = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    states = {str(name): _strip(state) for name, state in content.items() if _is_state(state)}
    return {**states, "": _strip(bare)} if bare else states


def _is_state(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(item, Tensor) for item in value.values())


def _strip(state: Mapping[str, Tensor]) -> State:
    """Without the ``module.`` that DistributedDataParallel puts before every key."""
    return {key.removeprefix("module."): value for key, value in state.items()}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
