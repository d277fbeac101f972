"""The states of trainings as checkpoints: ``state/<step>.pt``, which `talkbench.training` writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from torch import Tensor

from talkbench.core.text import visible

STATISTICS = ("running_mean", "running_var", "num_batches_tracked", "weight_u", "weight_v")
"""How the keys of buffers that training moves end, for states that do not name their buffers."""


def is_state(content: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether the content of a file is the state of a training."""
    if not isinstance(content, Mapping) or not isinstance(content.get("step"), int):
        return False
    return isinstance(content.get("config"), Mapping) and _is_flat(content.get("networks"))


def networks_of(state: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
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


def metadata_of(state: Mapping[str, Any]) -> dict[str, object]:
    """What a state says of itself, as weights files do; a state of before it did, what follows from its recipe."""
    config, metadata = dict(state["config"]), state.get("metadata")
    own = {"method": config.get("method"), "config": config, "steps": state["step"]}
    return {**own, **metadata} if isinstance(metadata, Mapping) else own


def remark(state: Mapping[str, Any]) -> str:
    """What its networks are, in words."""
    averaged = ", averaged over its steps" if state.get("average") else ""
    return f"its networks are those of a training at step {state['step']}{averaged}"


def _is_flat(value: object) -> TypeGuard[Mapping[str, Tensor]]:
    """Whether it is the state dict of several networks."""
    if not isinstance(value, Mapping):
        return False
    return all(isinstance(key, str) and isinstance(item, Tensor) for key, item in value.items())
