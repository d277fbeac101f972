"""Reading and writing checkpoints: the authors' files as they are, ours as safetensors.

Nothing here runs code from a file: pickles are read with ``weights_only=True``.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path, check_regular

State = dict[str, Tensor]
SHOWN = 3


def read_states(path: Path, method: str) -> dict[str, State]:
    """The state dicts in a checkpoint by their top-level keys; a file that is a bare state dict has the key "".

    Raises:
        TalkbenchError: the file is missing, damaged or holds code.
    """
    check_regular(path)
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
        except SafetensorError as error:  # its writer raises no OSError for a full disk
            raise TalkbenchError(f"cannot write {path}: {_first_line(error)}; free some space") from error


def read_metadata(path: Path) -> dict[str, object]:
    """What `save_networks` stored beside the weights."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        stored = file.metadata() or {}
    metadata: dict[str, object] = json.loads(stored.get("talkbench", "{}"))
    return metadata


def mismatch(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """How a `state` dict differs from the `expected` one in keys and shapes: the count of each kind of difference and
    the first few of it; "" if they agree.

    The counters of batches may be missing, all together, as in files of old versions of torch.
    """
    old = _lacks_counters(state)
    missing = [key for key in expected if key not in state and not (old and _is_counter(key))]
    unexpected = [key for key in state if key not in expected]
    misshapen = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
    return "; ".join(f"{len(keys)} {kind} keys: {few(keys)}" for kind, keys in kinds.items() if keys)


def with_counters(expected: Mapping[str, Tensor], state: State) -> State:
    """`state`, with the `expected` counters of batches set to zero if it has no counters at all.

    Batch norm counts its batches since torch 0.4.1; nothing reads the count, and older files have none.
    """
    if _lacks_counters(state):
        return {**state, **{key: torch.zeros_like(value) for key, value in expected.items() if _is_counter(key)}}
    return state


def _lacks_counters(state: Mapping[str, Tensor]) -> bool:
    return not any(map(_is_counter, state))


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def few(names: list[str]) -> str:
    """The first names of a list, for messages."""
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
        if not file.read(2).startswith((b"PK", b"\x80")):  # an HTML page, say, from a dead link
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
