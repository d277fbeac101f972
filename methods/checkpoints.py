"""Reading and writing checkpoints: the authors' files and what others make of them, ours as safetensors, and the states
of trainings (``state/<step>.pt``), which `talkbench.training` writes.

Nothing here runs code from a file, see `talkbench.core.tensor_files`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from talkbench.core.errors import TalkbenchError
from talkbench.core.file_kinds import Kind
from talkbench.core.files import atomic_path
from talkbench.core.tensor_files import read_header, read_tensors
from talkbench.core.text import few, visible

State = dict[str, Tensor]
Part = tuple[State, tuple[str, ...]]
"""A state dict, and in words how it was taken out of its file."""

WRAPPERS = ("state_dict", "model_state_dict", "model", "params")
"""Under what training programs put the networks, or a flat state dict of them all."""
DEPTH = 3
"""How many of them may stand within one another."""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
PARALLEL = "its keys are read without 'module.'"
"""The remark on what DataParallel leaves, as in files of authors."""
STATISTICS = ("running_mean", "running_var", "num_batches_tracked", "weight_u", "weight_v")
"""How the keys of buffers that training moves end, for states that do not name their buffers."""


@dataclass(frozen=True)
class CheckpointFile:
    """What a checkpoint file holds.

    Attributes:
        kind: its format.
        states: the state dicts by the names of their networks; a bare state dict has the name "".
        remarks: by the same names, how the state dict was taken out of the file, in words; none if it stands there as
            it is read.
        metadata: what our own files say of themselves.
        entries: the names of what it holds at the top, tensors aside.
    """

    kind: Kind
    states: dict[str, State]
    remarks: dict[str, tuple[str, ...]]
    metadata: dict[str, object]
    entries: tuple[str, ...] = ()

    def told(self, names: Iterable[str]) -> list[str]:
        """The remarks on these networks, each once."""
        return list(dict.fromkeys(remark for name in names for remark in self.remarks.get(name, ())))

    def place(self, network: str) -> str:
        """Under which name its state dict is in `states`: its own; or "", for the file may be that network alone."""
        return network if network in self.states else ""

    @property
    def named(self) -> list[str]:
        """The names of networks, sorted."""
        return sorted(filter(None, self.states))


def read_checkpoint(path: Path, method: str) -> CheckpointFile:
    """The state dicts in a checkpoint, without what wrappers and training programs put around them.

    These are ``module.`` and ``_orig_mod.`` in keys (DataParallel, ``torch.compile``), one of `WRAPPERS` around the
    networks or before their keys, and the names of networks in the keys of a flat state dict (``generator.x``). Of the
    state of a training of ours, the networks are taken that the training would end with.

    Raises:
        TalkbenchError: the file is missing, damaged or holds code; two of its keys are one key without the prefixes;
            or it holds tensors that are no plain arrays, quantised ones for example.
    """
    if not path.exists():
        raise TalkbenchError(f"checkpoint {path} does not exist; give the path of a checkpoint for {method}")
    file = read_tensors(path)
    if not isinstance(file.content, dict):
        raise TalkbenchError(f"{path} holds a {type(file.content).__name__}, not the dictionary of a checkpoint")
    content, how = file.content, _misnamed(path, file.kind)
    metadata = _own_metadata(path, file.metadata)
    try:
        if _is_training(content):
            metadata, how = _metadata_of(content), (*how, _step(content))
            parts = {name: _plain(name, state, how) for name, state in _trained(content).items()}
        else:
            parts = _parts(content, how)
    except ValueError as error:
        raise TalkbenchError(f"{path} {error}") from error
    states = {name: state for name, (state, _) in parts.items()}
    remarks = {name: how for name, (_, how) in parts.items()}
    entries = tuple(str(key) for key, value in content.items() if not isinstance(value, Tensor))
    return CheckpointFile(file.kind, states, remarks, metadata, entries)


def read_states(path: Path, method: str) -> dict[str, State]:
    """The state dicts in a checkpoint by the names of their networks; raises as `read_checkpoint`."""
    return read_checkpoint(path, method).states


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
            raise TalkbenchError(
                f"cannot write {path}: {(str(error).splitlines() or ['no reason given'])[0]}; free some space"
            ) from error


def halved(path: Path, state: Mapping[str, Tensor]) -> State:
    """The `state` dict of the file `path` in half precision, integers as they are.

    Raises:
        TalkbenchError: a number lies beyond ±65504, which half precision does not have.
    """
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    if wide := [key for key, value in half.items() if not torch.equal(value.isfinite(), state[key].isfinite())]:
        raise TalkbenchError(f"{path} has numbers beyond half precision in {few(wide)}; leave --half out")
    return half


def read_metadata(path: Path) -> dict[str, object]:
    """What `save_networks` stored beside the weights, or what the state of a training says of itself; empty for other
    files. No tensor is read.

    Raises:
        TalkbenchError: the file is damaged, or its metadata is not ours.
    """
    header = read_header(path)
    return _metadata_of(header.content) if _is_training(header.content) else _own_metadata(path, header.metadata)


def _own_metadata(path: Path, texts: Mapping[str, str]) -> dict[str, object]:
    try:
        metadata = json.loads(texts.get("talkbench", "{}"))
    except (ValueError, RecursionError) as error:
        raise TalkbenchError(f"the talkbench metadata of {path} is not JSON; get the file anew") from error
    if not isinstance(metadata, dict):
        raise TalkbenchError(f"the talkbench metadata of {path} is no JSON object; get the file anew")
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


def mistyped(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """Which entries of a `state` dict of the right keys are no floats of 16 to 64 bits, or no integers, where the
    `expected` one has such; "" if there are none."""
    wrong = [
        f"{key} is {str(state[key].dtype).removeprefix('torch.')}"
        for key, value in expected.items()
        if key in state and state[key].dtype not in (FLOATS if value.is_floating_point() else INTEGERS)
    ]
    return f"{len(wrong)} entries of a wrong type: {few(wrong)}" if wrong else ""


def not_finite(expected: Iterable[str], state: Mapping[str, Tensor]) -> str:
    """Which of the `expected` entries hold NaN or infinite values, in words; "" if none does."""
    keys = [key for key in expected if key in state and not state[key].isfinite().all()]
    return f"NaN or infinite values in {len(keys)} entries: {few(keys)}" if keys else ""


def _misnamed(path: Path, kind: Kind) -> tuple[str, ...]:
    if (kind == "safetensors") == (path.suffix == ".safetensors"):
        return ()
    return (f"it is {'' if kind == 'safetensors' else 'not '}safetensors, whatever its name says",)


def _parts(content: Mapping[Any, Any], how: tuple[str, ...], depth: int = 0) -> dict[str, Part]:
    """The state dicts in `content`, which is one, or a dictionary of some, or has either inside a wrapper.

    What stands in a wrapper is there under its own name too, since a network may be called so (X2Face's
    ``state_dict``).

    Raises:
        ValueError: two entries are one without what is put around them; the message goes after the file's name.
    """
    parts: dict[str, Part] = {}

    def add(name: str, part: Part) -> None:
        if name in parts:
            raise ValueError(f"holds {few([name])} in two places; save only the one that is meant")
        parts[name] = part

    def unwrap(name: object, inside: Mapping[Any, Any], how: tuple[str, ...]) -> bool:
        if not isinstance(name, str) or name not in WRAPPERS or depth == DEPTH:
            return False
        for inner, part in _parts(inside, (*how, f"its networks stand in {name!r}"), depth + 1).items():
            if inner or inner not in parts:
                add(inner, part)
        return True

    for name, value in content.items():
        if isinstance(value, Mapping):
            if _is_state(value):
                add(str(name), _plain(str(name), value, how))
            unwrap(name, value, how)
    bare = {key: value for key, value in content.items() if isinstance(value, Tensor) and isinstance(key, str | int)}
    if bare:
        state, told = part = _plain("", bare, how)
        parts.setdefault("", part)  # beside a wrapper, single values like a step
        separator = "/" if any("/" in key for key in state) else "."
        dotted = () if separator == "/" else ("the names of its networks begin its keys",)
        for name, group in _groups(state, separator).items():
            if separator == "/" or not unwrap(name, group, told):  # our own files have nothing around their networks
                add(name, _plain(name, group, (*told, *dotted)))
    return parts


def _groups(state: State, separator: str) -> dict[str, State]:
    """A flat state dict by the first word of its keys."""
    groups: dict[str, State] = {}
    for key, value in state.items():
        name, _, inner = key.partition(separator)
        if name and inner:
            groups.setdefault(name, {})[inner] = value
    return groups


def _is_state(value: Mapping[Any, Any]) -> bool:
    return bool(value) and all(isinstance(key, str | int) and isinstance(item, Tensor) for key, item in value.items())


def _plain(name: str, state: Mapping[Any, Tensor], how: tuple[str, ...]) -> Part:
    """A state dict without the prefixes of its keys.

    Raises:
        ValueError: two keys are one without them, or a tensor is no plain array.
    """
    plain: dict[str, Tensor] = {}
    keys: dict[str, Any] = {}
    removed: dict[str, None] = {}
    for key, value in state.items():
        bare = str(key)
        if "_orig_mod." in bare:
            bare, removed["'_orig_mod.'"] = bare.replace("_orig_mod.", ""), None
        while bare.startswith("module."):
            bare, removed["'module.'"] = bare.removeprefix("module."), None
        if bare in plain:
            twice = few([str(keys[bare])]), few([str(key)])
            raise ValueError(f"holds {twice[0]} and {twice[1]}, which are one key of {name or 'a network'}; save one")
        if value.is_nested or value.is_quantized or value.layout != torch.strided or value.device.type != "cpu":
            where = few([f"{name}/{key}"])
            raise ValueError(f"holds no plain array in {where} (quantised or sparse); save it as float32")
        plain[bare], keys[bare] = value, key
    told = f"its keys are read without {' and '.join(sorted(removed, reverse=True))}"
    return plain, (*how, told) if removed else how


def _is_training(content: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether the content of a file is the state of a training."""
    if not isinstance(content, Mapping) or not isinstance(content.get("step"), int):
        return False
    return isinstance(content.get("config"), Mapping) and _is_flat(content.get("networks"))


def _trained(state: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    """The state dicts of the networks that a training would end with, and of the discriminator, by their names: with
    the averaged parameters if the recipe has an average, as in its weights files.

    Raises:
        ValueError: an averaged parameter is missing; the message goes after the file's name.
    """
    networks, average = dict(state["networks"]), state.get("average")
    if average:
        buffers = state.get("buffers")
        for key in networks:
            if key.endswith(STATISTICS) if buffers is None else key in buffers:
                continue
            if not isinstance(average, Mapping) or f"module.{key}" not in average:
                raise ValueError(f"is the state of a training whose average lacks {visible(key)}; take another state")
            networks[key] = average[f"module.{key}"]
    opponents = state.get("opponents")
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in {**networks, **(opponents if _is_flat(opponents) else {})}.items():
        name, _, inner = key.partition(".")
        parts.setdefault(name, {})[inner] = value
    return parts


def _metadata_of(state: Mapping[str, Any]) -> dict[str, object]:
    """What a state says of itself, as weights files do; a state of before it did, what follows from its recipe."""
    config, metadata = dict(state["config"]), state.get("metadata")
    own = {"method": config.get("method"), "config": config, "steps": state["step"]}
    return {**own, **metadata} if isinstance(metadata, Mapping) else own


def _step(state: Mapping[str, Any]) -> str:
    """What its networks are, in words."""
    averaged = ", averaged over its steps" if state.get("average") else ""
    return f"its networks are those of a training at step {state['step']}{averaged}"


def _is_flat(value: object) -> TypeGuard[Mapping[str, Tensor]]:
    """Whether it is the state dict of several networks."""
    if not isinstance(value, Mapping):
        return False
    return all(isinstance(key, str) and isinstance(item, Tensor) for key, item in value.items())
