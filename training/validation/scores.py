"""The metrics of validation, and their values on its pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import quantise
from talkbench.metrics import Metric
from talkbench.metrics.interface import broken
from talkbench.training.config import TrainConfig

PIXELS = ("l1", "psnr")
MOTION = {"akd@mp68": "missing-face-rate@mp", "akd@dlib68": "missing-face-rate@dlib"}
"""Landmark distances, of which the first that can be computed is taken: package indexes carry their models. Beside each
is the rate of generated frames in which its extractor finds no face."""

OWN, COPYING = "validation/", "validation/copy-source/"
"""What metrics' names begin with in the log: those of the model, and of copy-source on the same pairs."""

Features = Sequence[np.ndarray | None]


@dataclass(frozen=True)
class Values:
    """A metric on pairs.

    Attributes:
        pairs: the value of each, float64 (N,); NaN where there is none.
        weights: of the pairs in the mean, float64 (N,).
        missing: number of pairs whose generated frame alone does not show what the metric looks at, a face.
        blind: number of pairs whose real frame does not, which are left out for every model.
        root: whether the values are squares, of whose mean the root is taken.
    """

    pairs: np.ndarray
    weights: np.ndarray
    missing: int = 0
    blind: int = 0
    root: bool = False

    @property
    def mean(self) -> float:
        """Over the pairs that have a value; NaN if none has."""
        sound = np.isfinite(self.pairs) & (self.weights > 0)
        if not sound.any():
            return math.nan
        mean = float(np.average(self.pairs[sound], weights=self.weights[sound]))
        return math.sqrt(mean) if self.root else mean


def best_metric(config: TrainConfig) -> Metric:
    """The metric that a recipe's `best` names.

    Raises:
        TalkbenchError: there is none of that name (the nearest is offered), it cannot be computed here, it is not of
            single pairs, or the recipe has `patience` but no validation.
    """
    if config.patience and not config.validation:
        raise TalkbenchError("patience counts validations, and this recipe has none; set validation, or no patience")
    metric = metrics.create(config.best)
    if metric.history or metric.aggregation == "set":
        kind = "of consecutive frames" if metric.history else "of whole sets of frames"
        raise TalkbenchError(f"best: {metric.name} is {kind}, not of single pairs; choose another, such as l1")
    if problem := _problem(metric):
        raise TalkbenchError(f"best: {metric.name} {problem}; or choose another metric, best=l1 needs nothing")
    return metric


def _problem(metric: Metric) -> str | None:
    """Why a metric cannot be computed here, with the remedy; None if it can."""
    return metric.problem() or next(filter(None, map(broken, metric.imported_libraries())), None)


def choose(best: Metric, say: Callable[[str], None]) -> list[Metric]:
    """The metrics of validation: of pixels, of motion, and the one that `best` names.

    Args:
        say: called with one line if no landmark distance can be computed, which says what is missing.
    """
    names = [*PIXELS]
    usable = next((name for name in MOTION if _problem(metrics.create(name)) is None), None)
    if usable:
        names += [usable, MOTION[usable]]
    else:
        first = metrics.create(next(iter(MOTION)))
        say(f"validation does not measure motion, {first.name} {_problem(first)}")
    return [metrics.create(name) for name in names] + ([] if best.name in names else [best])


class Scorer:
    """Compares frames that are drawn for fixed pairs with the real ones, whose features are taken once.

    Args:
        device: where networks of the metrics run.

    Attributes:
        metrics: those that `score` computes; some may be taken out.
    """

    def __init__(self, chosen: Sequence[Metric], device: torch.device) -> None:
        self.metrics = list(chosen)
        names = {metric.extractor for metric in chosen if metric.extractor}
        self._extractors = {name: metrics.create_extractor(name, device) for name in names}
        self._real: dict[tuple[str, str, int], Features] = {}

    def score(self, place: int, drawn: Tensor, real: Mapping[str, Tensor]) -> dict[str, Values]:
        """The values of each metric, by its name.

        Args:
            place: number of the first of the pairs; the same place always has the same real frames.
            drawn: the images that are drawn for them, (B, 3, H, W), not yet rounded to 8 bits.
            real: the frames ``source`` and ``driving`` of the pairs, (B, 3, H, W) in [0, 1].
        """
        generated = quantise(drawn)
        names = {metric.extractor for metric in self.metrics if metric.extractor}
        features = {name: self._extractors[name].extract(generated) for name in names}
        values = {}
        for metric in self.metrics:
            side = "source" if metric.target == "source" else "driving"
            if metric.extractor is None:
                pairs = metric.compare(drawn if metric.unquantised else generated, real[side])
                root = metric.aggregation == "root-mean"
                values[metric.name] = Values(np.asarray(pairs), np.ones(len(pairs)), root=root)
                continue
            key = metric.extractor, side, place
            if key not in self._real:
                self._real[key] = self._extractors[metric.extractor].extract(real[side])
            values[metric.name] = _compared(metric, features[metric.extractor], self._real[key])
        return values


def _compared(metric: Metric, generated: Features, real: Features) -> Values:
    pairs, weights = np.full(len(real), np.nan), np.ones(len(real))
    both = [place for place in range(len(real)) if generated[place] is not None and real[place] is not None]
    if both:
        first, second = (np.stack([side[place] for place in both]) for side in (generated, real))  # type: ignore[misc]
        pairs[both], weights[both] = metric.compare(first, second), metric.weigh(first, second)
    lost = [place for place in range(len(real)) if generated[place] is None and real[place] is not None]
    if metric.missing_generated is not None:
        pairs[lost] = metric.missing_generated
    blind = sum(feature is None for feature in real)
    return Values(pairs, weights, len(lost), blind, metric.aggregation == "root-mean")


def together(parts: Iterable[Mapping[str, Values]]) -> dict[str, Values]:
    """The values of successive pairs as one, by metric."""
    batches = list(parts)
    return {
        name: Values(
            np.concatenate([batch[name].pairs for batch in batches]),
            np.concatenate([batch[name].weights for batch in batches]),
            sum(batch[name].missing for batch in batches),
            sum(batch[name].blind for batch in batches),
            first.root,
        )
        for name, first in batches[0].items()
    }


def beside(values: Mapping[str, float]) -> list[str]:
    """Entries of the log as ``name value``; after a validation metric stands the value of copy-source."""
    copied = {OWN + name.removeprefix(COPYING): value for name, value in values.items() if name.startswith(COPYING)}
    return [
        f"{name} {value:.4g}" + (f" (copying the source {copied[name]:.4g})" if name in copied else "")
        for name, value in values.items()
        if not name.startswith(COPYING)
    ]
