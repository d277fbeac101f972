"""Talking-head methods as native PyTorch models behind four steps; see `methods.interface`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkbench.core.registry import Registry

if TYPE_CHECKING:
    from talkbench.methods.interface import Method


def _explain(name: str) -> str:
    from talkbench.methods.cards import published_only

    if name not in published_only():
        return ""
    return (
        f"{name} cannot be run, since none of its code is public; its published rows are in bench tables. "
        f"Frames made elsewhere are scored with bench run --frames DIR --name {name}"
    )


registry: Registry[Method[Any, Any]] = Registry("method", "talkbench.methods", explain=_explain)


def create(name: str, weights: str | Path | None = None, **options: object) -> Method[Any, Any]:
    """Build a method by name.

    Args:
        name: ``mcnet``, ``mcnet@demo``, ``copy-source``, …; see ``bench list methods``.
        weights: checkpoint file to load; None leaves the bare architecture.
        options: choices of the method, such as ``noise="random"`` for MCNet.

    Raises:
        TalkbenchError: unknown name, or a checkpoint that is missing, unsafe or does not fit.
    """
    return registry.create(name, weights=weights, **options)


def count_parameters(name: str) -> int | None:
    """The parameters of all networks of a method together; None if it has none.

    Raises:
        TalkbenchError: it is not known here.
    """
    networks = create(name).networks.values()  # cheaper than on the device meta, which loads the compiler
    return sum(weight.numel() for network in networks for weight in network.parameters()) or None


def class_of(name: str) -> Callable[..., Method[Any, Any]]:
    """The class of a method, with no variant bound; or whatever else a plugin builds it with.

    Raises:
        TalkbenchError: unknown name.
    """
    factory = registry.get(name)
    return factory.func if isinstance(factory, partial) else factory
