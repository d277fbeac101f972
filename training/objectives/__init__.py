"""Objectives, what a training step minimises: one per method and stage of its training, chosen by the method's
class."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from torch import nn

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import Registry, distribution_of, nearest
from talkbench.methods.interface import Method
from talkbench.training.config import MAIN
from talkbench.training.terms import complete, undeclarable

if TYPE_CHECKING:
    from talkbench.training.config import LossWeights, TrainConfig
    from talkbench.training.objectives.objective import Objective

LOG = logging.getLogger("talkbench")

registry: Registry[Objective] = Registry("objective", "talkbench.training.objectives", quiet=True)


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

    Objectives of other packages that cannot be used are left out, and named in the log once.

    Args:
        name: the method's name, for the error message.

    Raises:
        TalkbenchError: there is no such objective, so the method cannot be trained, or not in that stage; or there are
            several; or it would be another package's than the method's, and one of the method's own is left out.
    """
    objectives, faults = _usable()
    nearest_ones = next((objectives[own, stage] for own in kind.__mro__ if (own, stage) in objectives), {})
    if len(nearest_ones) > 1:
        trained = next(iter(nearest_ones.values())).trains.__name__
        rivals = " and ".join(map(_called, nearest_ones))
        raise TalkbenchError(
            f"{name} has several objectives, {rivals}, which all train {trained} in the stage {stage}; let each train "
            "a class of its own (`trains`) or be another `stage`, or uninstall one"
        )
    package = distribution_of(kind).partition(" ")[0]
    if faults.get(package) and package not in {registry.owners.get(each) for each in nearest_ones}:
        raise TalkbenchError(f"{name} cannot be trained: {faults[package][0]}")
    for line in (line for lines in faults.values() for line in lines):
        _warn(line)
    if nearest_ones:
        return next(iter(nearest_ones.values()))
    if stages := [own for ancestor in kind.__mro__ for trained, own in objectives if trained is ancestor]:
        raise TalkbenchError(f"{name} is not trained in a stage {stage!r}: {nearest(stage, stages)}")
    raise TalkbenchError(
        f"{name} cannot be trained, since it has no objective; methods that have one: "
        f"{', '.join(_trainable({trained for trained, _ in objectives})) or 'none'}; see docs/training.md for methods "
        "of your own"
    )


def completed(config: TrainConfig, source: str) -> TrainConfig:
    """The recipe with the weights of all terms that its objective declares.

    Args:
        source: the recipe's name, for the error message.

    Raises:
        TalkbenchError: as `find`; or there is a weight of a term that the objective does not have.
    """
    kind = methods.class_of(config.method)
    if not isinstance(kind, type):
        return config
    objective = find(kind, config.method, config.stage)
    return config.model_copy(update={"weights": complete(config.weights, objective, f"training config {source}")})


def _trainable(trained: set[type]) -> list[str]:
    """The methods that have an objective, without their variants."""
    return [name for name, line in _lines().items() if "@" not in name and not trained.isdisjoint(line)]


def _lines() -> dict[str, tuple[type, ...]]:
    """The class of each method, and its base classes, by the method's name."""
    return {name: getattr(methods.class_of(name), "__mro__", ()) for name in methods.registry.importable()}


def _usable() -> tuple[dict[tuple[type, str], dict[str, type[Objective]]], dict[str, list[str]]]:
    """The objectives by the class that they train and the stage, then by name; and by their packages, in words, what
    keeps others from being used."""
    factories: dict[str, Any] = {**registry.factories()}
    objectives: dict[tuple[type, str], dict[str, Any]] = {}
    faults = {package: list(lines) for package, lines in registry.faults.items()}
    for name, objective in factories.items():
        owner = registry.owners.get(name, "")
        if fault := next(_faults(objective, owner), ""):
            faults.setdefault(owner, []).append(f"objective {_called(name)} is left out, since {fault}")
        else:
            objectives.setdefault((objective.trains, objective.stage), {})[name] = objective
    return objectives, faults


def _faults(objective: Any, owner: str) -> Iterator[str]:
    """What keeps an objective of the package `owner` from being used, with the remedies."""
    from talkbench.training.objectives.objective import Objective

    if not isinstance(objective, type) or not issubclass(objective, Objective):
        yield "it is no subclass of talkbench.training.objectives.objective.Objective; derive it from that"
        return
    trained = getattr(objective, "trains", None)
    if not isinstance(trained, type) or not issubclass(trained, Method):
        yield "it trains no class of methods; name one as its `trains`"
    elif owner and not any(trained in line for line in _lines().values()):
        yield f"it trains {trained.__name__}, which no method is; register it as an entry point of talkbench.methods"
    if inspect.isabstract(objective):
        yield f"it lacks {' and '.join(sorted(objective.__abstractmethods__))}; write what is missing"
    if fault := undeclarable(objective):
        yield fault


def _called(name: str) -> str:
    """An objective with the package that it is from."""
    return f"{name!r} of {registry.owners[name]}" if name in registry.owners else repr(name)


@cache
def _warn(line: str) -> None:
    """Log a warning, each line once."""
    LOG.warning("%s", line)
