"""Objectives, what a training step minimises: one per method and stage of its training, chosen by the method's
class."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

from torch import nn

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import Registry, nearest
from talkbench.training.config import MAIN

if TYPE_CHECKING:
    from talkbench.methods.interface import Method
    from talkbench.training.config import LossWeights
    from talkbench.training.objectives.objective import Objective

LOG = logging.getLogger("talkbench")

registry: Registry[Objective] = Registry("objective", "talkbench.training.objectives")


def create(
    method: Method[Any, Any], image_loss: nn.Module, weights: LossWeights, sync: bool = True, stage: str = MAIN
) -> Objective:
    """The objective of a method in a stage of its training; the other arguments are those of `Objective`.

    Raises:
        TalkbenchError: as `find`, or as `Objective`.
    """
    return find(type(method), method.name, stage)(method, image_loss, weights, sync)


def find(kind: type[Method[Any, Any]], name: str, stage: str = MAIN) -> type[Objective]:
    """The objective that trains methods of the class `kind` in a stage, or else of its nearest base class that has one.

    Args:
        name: the method's name, for the error message.

    Raises:
        TalkbenchError: there is no such objective, so the method cannot be trained, or not in that stage.
    """
    objectives = _by_class()
    for ancestor in kind.__mro__:
        if (ancestor, stage) in objectives:
            return objectives[ancestor, stage]
    if stages := [own for ancestor in kind.__mro__ for trained, own in objectives if trained is ancestor]:
        raise TalkbenchError(f"{name} is not trained in a stage {stage!r}: {nearest(stage, stages)}")
    raise TalkbenchError(
        f"{name} cannot be trained, since it has no objective; methods that have one: "
        f"{', '.join(_trainable({trained for trained, _ in objectives})) or 'none'}; see docs/training.md for methods "
        "of your own"
    )


def _trainable(trained: set[type]) -> list[str]:
    """The methods that have an objective, without their variants."""
    names = [name for name in methods.registry.importable() if "@" not in name]
    classes = {name: methods.class_of(name) for name in names}
    return [name for name in names if not trained.isdisjoint(getattr(classes[name], "__mro__", ()))]


def _by_class() -> dict[tuple[type, str], type[Objective]]:
    """The objectives by the class that they train, and the stage. Ours come first; a plugin's is left out if there is
    one."""
    objectives: dict[tuple[type, str], Any] = {}
    for name, objective in registry.factories().items():
        kind, stage = getattr(objective, "trains", None), getattr(objective, "stage", MAIN)
        if not isinstance(kind, type):
            _warn(f"objective {name!r} is left out, since it trains no class of methods; name one as its `trains`")
        elif (kind, stage) in objectives:
            _warn(f"objective {name!r} is left out, since {kind.__name__} has one already; train a subclass of it")
        else:
            objectives[kind, stage] = objective
    return objectives


@cache
def _warn(line: str) -> None:
    """Log a warning, each line once."""
    LOG.warning("%s", line)
