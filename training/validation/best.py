"""Which validation was the best, and whether better ones have stopped coming."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from talkbench.metrics import Metric
from talkbench.training.validation.scores import Values


class Best:
    """The best validation by one metric.

    Where the generated frames of some pairs show no face, a metric of faces has no value for these. So of two
    validations the one with fewer such pairs is the better one, whatever its value on the others; of two with equally
    many, the one with the better value. One without any value is none.

    Args:
        metric: by which validations are compared.
        pairs: what tells its pairs from others.
        patience: so many validations in a row without a better one end the training; None: never.

    Attributes:
        value, missing, step: of the best one: its value (NaN: there has been none), the number of its pairs without a
            face, and the step after which it was.
        since: how many validations have followed it.
    """

    def __init__(self, metric: Metric, pairs: str, patience: int | None) -> None:
        self.metric, self._pairs, self._patience = metric, pairs, patience
        self.value, self.missing, self.step, self.since = math.nan, 0, 0, 0

    def improves(self, values: Values, step: int) -> bool:
        """Take the validation after `step` into account; returns whether it is the best so far."""
        sign = -1 if self.metric.direction == "higher" else 1
        own, before = (values.missing, sign * values.mean), (self.missing, sign * self.value)
        better = math.isfinite(values.mean) and (math.isnan(self.value) or own < before)
        if better:
            self.value, self.missing, self.step, self.since = values.mean, values.missing, step, 0
        else:
            self.since += 1
        return better

    @property
    def over(self) -> bool:
        """Whether the training has ended, since patience has."""
        return self._patience is not None and self.since >= self._patience

    def end(self) -> str:
        """The line that says why the training ends early."""
        count = f"{self.since} validation{'s' if self.since > 1 else ''}"
        if math.isnan(self.value):
            return f"stopped early, after {count} without any value of {self.metric.name}"
        return (
            f"stopped early, after {count} without a better {self.metric.name} than {self.value:.4g} of step "
            f"{self.step} (patience)"
        )

    def state(self) -> dict[str, Any]:
        """What `restore` takes, of plain types."""
        names = ("value", "missing", "step", "since")
        return {"metric": self.metric.name, "pairs": self._pairs, **{name: getattr(self, name) for name in names}}

    def restore(self, state: dict[str, Any] | float, say: Callable[[str], None]) -> None:
        """Go on from `state`, or begin anew if it is of other pairs or another metric.

        Args:
            state: of `state`, or the number that states of before held, of pairs that were drawn in another way.
            say: called with one line if it begins anew.
        """
        if isinstance(state, dict) and (state["metric"], state["pairs"]) == (self.metric.name, self._pairs):
            self.value, self.missing = state["value"], state["missing"]
            self.step, self.since = state["step"], state["since"]
        elif math.isfinite(state["value"] if isinstance(state, dict) else state):
            say("the validation pairs are not those of before, so the next validation counts as the best")
