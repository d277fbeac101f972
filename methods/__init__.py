"""Talking-head methods as native PyTorch models behind four steps; see `methods.interface`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkbench.core.registry import Registry

if TYPE_CHECKING:
    from talkbench.methods.interface import Method

MODULES = ("baselines", "dagan", "facevid2vid", "fomm", "mcnet", "mraa", "tpsm", "x2face")
registry: Registry[Method[Any, Any]] = Registry("method", [f"talkbench.methods.{module}" for module in MODULES])


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
