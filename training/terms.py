"""Terms of objectives: the weights of those that an objective declares itself, and what a step can be taken by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import distribution_of, nearest
from talkbench.training.config import LossWeights

TOTAL = "total"
"""The sum of the weighted terms."""


def own_terms(objective: type) -> dict[str, float]:
    """The terms that an objective and its base classes declare as `own_terms`, with the weights that they have where a
    recipe says nothing; a class's own weight goes before that of its base."""
    terms: dict[str, float] = {}
    for kind in reversed(objective.__mro__):
        terms |= vars(kind).get("own_terms", {})
    return terms


def undeclarable(objective: type) -> str:
    """Why an objective cannot declare its `own_terms`, with the remedy; "" if it can."""
    for kind in objective.__mro__:
        terms = vars(kind).get("own_terms", {})
        if not isinstance(terms, Mapping):
            return f"its own_terms are {terms!r:.40}; write terms and their weights, {{'sharpness': 1.0}}"
        for term, weight in terms.items():
            if not isinstance(term, str) or not term.isidentifier() or term == TOTAL:
                return f"its own_terms have {term!r:.40}, which cannot be the name of a term; choose another one"
            if term in LossWeights.model_fields:
                return f"its own_terms have {term}, which every recipe has a weight for; leave it out or rename it"
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not number or not math.isfinite(weight) or weight < 0:
                return f"its own_terms weigh {term} by {weight!r:.40}; write a number from 0 on"
    return ""


def complete(weights: LossWeights, objective: type, source: str) -> LossWeights:
    """The weights of a recipe, with those of the objective's own terms.

    Args:
        source: what the weights are of, for the error message.

    Raises:
        TalkbenchError: there is a weight of a term that the objective does not have; the nearest one is offered.
    """
    own, entries = own_terms(objective), weights.model_extra or {}
    if unknown := [term for term in entries if term not in own]:
        known = nearest(unknown[0], [*LossWeights.model_fields, *own])
        raise TalkbenchError(f"{source}: there is no entry weights.{unknown[0]}: {known}")
    return LossWeights(**{**weights.model_dump(), **own, **entries}) if own else weights


def weighted(terms: object, weights: LossWeights, owner: str) -> dict[str, Tensor]:
    """What `Objective.terms` has returned, each term times its factor.

    Args:
        owner: the objective, for the error message.

    Raises:
        TalkbenchError: it is no dict of terms, one of them is no scalar or has no weight, or none has a gradient.
    """
    if not isinstance(terms, dict) or not terms:
        kind = "an empty dict" if isinstance(terms, dict) else f"of type {type(terms).__name__}"
        raise TalkbenchError(f"{owner}: its terms are {kind}; return at least one by its name, in a dict")
    for fault in _faults(terms, weights):
        raise TalkbenchError(f"{owner}: {fault}")
    if torch.is_grad_enabled() and not any(term.requires_grad for term in terms.values()):
        raise TalkbenchError(
            f"{owner}: none of its terms ({', '.join(terms)}) has a gradient, so nothing would learn; compute one from "
            "what its networks return, without detach and no_grad"
        )
    return {name: (weights.factor(name) or 0.0) * term for name, term in terms.items()}


def _faults(terms: Mapping[str, object], weights: LossWeights) -> Iterator[str]:
    for name, term in terms.items():
        if weights.factor(name) is None:
            near = nearest(str(name), LossWeights.model_fields)
            meant = f"; {near}" if near.startswith("did") else ""
            yield f"its term {name!r:.40} has no weight; declare it in the class, own_terms = {{{name!r}: 1.0}}{meant}"
        if not isinstance(term, Tensor):
            yield f"its term {name} is of type {type(term).__name__}; return a tensor"
        elif term.shape or not term.is_floating_point():
            shape = f"of shape {tuple(term.shape)} and " if term.shape else ""
            yield f"its term {name} is {shape}{term.dtype}; return a single float, such as its mean()"


def not_finite(losses: Mapping[str, float]) -> str:
    """Which of the weighted terms are not finite, in words; "" if all are."""
    names = [name for name, value in losses.items() if name != TOTAL and not math.isfinite(value)]
    return f" ({', '.join(names)} {'is' if len(names) == 1 else 'are'} not finite)" if names else ""


def called(objective: type) -> str:
    """An objective in words, with the package that it is from."""
    package = distribution_of(objective)
    return f"objective {objective.__name__}" + (f" of {package}" if package else "")
