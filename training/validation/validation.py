"""Validation after every epoch of training, on fixed pairs whose driving frames training never sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import to_uint8
from talkbench.datasets import Frame
from talkbench.methods.interface import Method
from talkbench.metrics import Metric
from talkbench.training.data.pairs import FramePairs
from talkbench.training.validation.best import Best
from talkbench.training.validation.picture import Row, write
from talkbench.training.validation.scores import COPYING, OWN, Scorer, Values, best_metric, choose, together

SHOWN = 4
BATCH = 8

Images = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Source, driving frame and what is generated, uint8 (H, W, 3)."""


class Validation:
    """Renders the validation pairs, absolute motion, and compares them with their driving frames; so it does, once,
    with the sources themselves, which is what copy-source generates.

    Args:
        pairs: the training data, which holds the driving frames out.

    Attributes:
        notes: lines for the user: what is left out, whose the pairs are, and the values of copy-source.
        best: the best validation so far, by the metric that the recipe names.

    Raises:
        TalkbenchError: the metric that the recipe's `best` names has no value on these pairs.
    """

    def __init__(self, pairs: FramePairs, device: torch.device) -> None:
        self.notes: list[str] = []
        self._pairs, self._device = pairs, device
        self._frames = pairs.validation(self.notes.append)
        metric = best_metric(pairs.config)
        listed = "; ".join(f"{frame.clip} {frame.index}" for pair in self._frames for frame in pair)
        self.best = Best(metric, listed, pairs.config.patience)
        self._means: dict[str, float] = {}
        self._copied: dict[str, Values] = {}
        if self._frames:
            self._begin(metric)

    def __bool__(self) -> bool:
        return bool(self._frames)

    def run(self, method: Method, picture: Path, step: int, epoch: int) -> tuple[dict[str, float], bool]:
        """The mean of each metric by its name in the log, beside copy-source's; and whether it is the best so far.

        Draws some of the pairs into `picture`.
        """

        def render(source: Tensor, driving: Tensor) -> Tensor:
            encoded = method.encode_source(source)
            return method.render(encoded, method.transfer(encoded, method.encode_motion(driving), None))

        values, images = self._score(render)
        self._means = _means(values)
        copied = _means(self._copied)
        named = {OWN + name: mean for name, mean in self._means.items()}
        named |= {COPYING + name: mean for name, mean in copied.items() if name in self._means}
        title = f"{method.name}, step {step}, epoch {epoch}:  {self._words(self._means, copied)}"
        rows = [Row(*images[place], self._caption(place, values)) for place in sorted(images)]
        write(title, rows, picture)
        return named, self.best.improves(values[self.best.metric.name], step)

    def facts(self) -> dict[str, object]:
        """What the file of the best weights says of its validation."""
        name = self.best.metric.name
        return {
            "validation": self._means,
            "best": {
                "metric": name,
                "value": self.best.value,
                "step": self.best.step,
                "copy-source": _means(self._copied).get(name),
                "pairs": len(self._frames),
                "people": len(self._people()),
                "trained_on": self._familiar(),
            },
        }

    def end(self) -> list[str]:
        """Lines for the end of training: why it ends early, and whether the source simply copied is better still."""
        lines = [self.best.end()] if self.best.over else []
        copied, worse = _means(self._copied), []
        for metric in self._scorer.metrics if self._means else ():
            own, other = self._means.get(metric.name, math.nan), copied.get(metric.name, math.nan)
            if metric.needs_truth and (own > other if metric.direction == "lower" else own < other):
                worse.append(f"{metric.name} {own:.4g} (copying the source {other:.4g})")
        if worse:
            lines.append(f"the model is still worse than the source simply copied: {', '.join(worse)}; train longer")
        return lines

    def _begin(self, best: Metric) -> None:
        size = self._images(self._frames[0][:1]).shape[-1]
        if size < best.min_size:
            reason = f"needs images of {best.min_size} pixels, and these have {size}"
            raise TalkbenchError(f"best: {best.name} {reason}; choose another metric, such as l1")
        self._scorer = Scorer(choose(best, self.notes.append), self._device)
        self._copied, _ = self._score(lambda source, _driving: source)
        faceless: dict[int, list[str]] = {}
        for metric in self._scorer.metrics:
            faceless.setdefault(self._copied[metric.name].blind, []).append(metric.name)
        for count, names in faceless.items():
            if count == len(self._frames) and best.name in names:
                raise TalkbenchError(
                    f"best: {best.name} has no value, no validation frame shows a face; choose another, such as l1"
                )
            if count:
                self.notes.append(
                    f"{count} of {len(self._frames)} validation pairs have no {' and '.join(names)}: "
                    "their driving frames show no face"
                )
        usable = [metric for metric in self._scorer.metrics if self._copied[metric.name].blind < len(self._frames)]
        self._scorer.metrics = usable
        self._copied = {metric.name: self._copied[metric.name] for metric in usable}
        people = len(self._people())
        whose = f"{people} {'person' if people == 1 else 'people'} it is {'' if self._familiar() else 'not '}trained on"
        copied = ", ".join(f"{name} {mean:.4g}" for name, mean in _means(self._copied).items())
        pairs = f"{len(self._frames)} pair{'' if len(self._frames) == 1 else 's'}"
        self.notes.append(f"validation: {pairs} of {whose}; copying the source has {copied}")

    def _people(self) -> set[str]:
        return {self._pairs.dataset.identity(source.clip) for source, _ in self._frames}

    def _familiar(self) -> bool:
        """Whether the people of the pairs are trained on."""
        return any(self._pairs.dataset.identity(clip) in self._people() for clip in self._pairs.clips)

    @torch.no_grad()
    def _score(self, render: Callable[[Tensor, Tensor], Tensor]) -> tuple[dict[str, Values], dict[int, Images]]:
        """The values of what `render` makes of source and driving frames, and the images of `SHOWN` pairs."""
        parts: list[dict[str, Values]] = []
        images: dict[int, Images] = {}
        places = {number * len(self._frames) // SHOWN for number in range(SHOWN)}
        for start in range(0, len(self._frames), BATCH):
            chosen = self._frames[start : start + BATCH]
            source, driving = (self._images([pair[side] for pair in chosen]) for side in (0, 1))
            drawn = render(source, driving)
            parts.append(self._scorer.score(start, drawn, {"source": source, "driving": driving}))
            columns = zip(*map(to_uint8, (source, driving, drawn)), strict=True)
            images |= {place: each for place, each in enumerate(columns, start) if place in places}
        return together(parts), images

    def _caption(self, place: int, values: dict[str, Values]) -> str:
        source, driving = self._frames[place]
        own, copied = ({name: each.pairs[place] for name, each in side.items()} for side in (values, self._copied))
        return f"{source.clip} {source.index} → {driving.index}:  {self._words(own, copied)}"

    def _words(self, own: Mapping[str, float], copied: Mapping[str, float]) -> str:
        """The values of metrics of motion and likeness beside those of copy-source, for a line of the picture."""
        words = []
        for metric in self._scorer.metrics:
            value, other = own.get(metric.name, math.nan), copied.get(metric.name, math.nan)
            if metric.missing_generated is None and math.isfinite(other):
                text = f"{value:.3g}" if math.isfinite(value) else "no face"
                words.append(f"{metric.name} {text} (copying {other:.3g})")
        return "  ".join(words)

    def _images(self, frames: Sequence[Frame]) -> Tensor:
        return self._pairs.images(frames).to(self._device).float() / 255


def _means(values: dict[str, Values]) -> dict[str, float]:
    """The means that are defined."""
    return {name: each.mean for name, each in values.items() if math.isfinite(each.mean)}
