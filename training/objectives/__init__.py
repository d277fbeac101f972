"""Objectives, what a training step minimises: one per method, chosen by the method's class."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

from torch import nn

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import Registry

if TYPE_CHECKING:
    from talkbench.methods.interface import Method
    from talkbench.training.config import LossWeights
    from talkbench.training.objectives.objective import Objective

LOG = logging.getLogger("talkbench")

registry: Registry[Objective] = Registry("objective", "talkbench.training.objectives")


def create(method: Method[Any, Any], image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> Objective:
    """The objective of a method; the arguments are those of `Objective`.

    Raises:
        TalkbenchError: as `find`.
    """
    return find(type(method), method.name)(method, image_loss, weights, sync)


def find(kind: type[Method[Any, Any]], name: str) -> type[Objective]:
    """The objective that trains methods of the class `kind`, or else of its nearest base class that has one.

    Args:
        name: the method's name, for the error message.

    Raises:
        TalkbenchError: there is no such objective, so the method cannot be trained.
    """
    objectives = _by_class()
    for ancestor in kind.__mro__:
        if ancestor in objectives:
            return objectives[ancestor]
    raise TalkbenchError(
        f"{name} cannot be trained, since it has no objective; methods that have one: "
        f"{', '.join(_trainable(objectives)) or 'none'}; see docs/training.md for methods of your own"
    )


def _trainable(objectives: dict[type, type[Objective]]) -> list[str]:
    """The methods that have an objective, without their variants."""
    names = [name for name in methods.registry.importable() if "@" not in name]
    classes = {name: methods.class_of(name) for name in names}
    return [name for name in names if not objectives.keys().isdisjoint(getattr(classes[name], "__mro__", ()))]


def _by_class() -> dict[type, type[Objective]]:
    """The objectives by the classes that they train. Ours come first; a plugin's is left out if its class has one."""
    objectives: dict[type, Any] = {}
    for name, objective in registry.factories().items():
        kind = getattr(objective, "trains", None)
        if not isinstance(kind, type):
            _warn(f"objective {name!r} is left out, since it trains no class of methods; name one as its `trains`")
        elif kind in objectives:
            _warn(f"objective {name!r} is left out, since {kind.__name__} has one already; train a subclass of it")
        else:
            objectives[kind] = objective
    return objectives


@cache
def _warn(line: str) -> None:
    """Log a warning, each line once."""
    LOG.warning("%s", line)
