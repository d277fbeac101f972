"""What a metric is: features of frames by a shared extractor, then one number per pair."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Features = TypeVar("Features")
"""What a metric compares: a Tensor of images (B, 3, H, W), or an ndarray of stacked features (B, …)."""


class Extractor(ABC):
    """Turns frames into features; shared by the metrics that name it.

    The features of a frame depend on its pixels and on `id` alone, not on the other frames of the
    batch: they are cached under the two.

    Args:
        device: where its networks run.
    """

    name: str

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = device

    @property
    @abstractmethod
    def id(self) -> str:
        """Everything that decides the features: name, library version, weights (sha256), settings.

        Defined only where `problem` is None.
        """

    @abstractmethod
    def extract(self, images: Tensor) -> list[np.ndarray | None]:
        """One array per image of (B, 3, H, W), in [0, 1] with the 256 levels of an 8-bit file.

        All arrays have one shape and are on the CPU; None where the image shows no face. Nothing
        outside the extractor changes: random state, autograd, threads and backend flags stay.
        """

    def problem(self) -> str | None:
        """Why it cannot run here (a missing library or weight file, and the remedy); None if it can."""
        return None


@dataclass(frozen=True)
class MetricCard:
    """A metric described as plain data, for listings and the record; fields as in `Metric`.

    `backend` is empty where `problem` says why the metric cannot run; `about` is one sentence.
    """

    name: str
    variant: str
    version: int
    direction: str
    unit: str
    range: tuple[float, float]
    decimals: int
    scale: float
    needs_truth: bool
    target: str
    ranks: bool
    missing_generated: float | None
    extractor: str | None
    backend: str
    problem: str | None
    about: str


class Metric(ABC, Generic[Features]):
    """One number per pair from the features of the generated frame and of its target.

    Args:
        variant: what follows the ``@`` of a name that is registered without one; only
            `default_variant` is accepted.

    Attributes:
        name: the registered name; without variant for the default of a family (``ssim``).
        default_variant: the variant that a bare name stands for; None if there is only one.
        version: raised whenever a number can change.
        direction: which values are better.
        unit: of the printed value, which is `scale` times the computed one, with `decimals` digits.
        range: least and greatest computed value.
        cap: value that stands for all larger ones, infinity among them (PSNR); pairs that reach it carry the
            remark ``capped``. None: nothing is cut.
        needs_truth: it needs the very frame that should have come out, so it is meaningless in
            cross-identity runs.
        target: the real frame it is compared with.
        extractor: whose features are compared; None: the images themselves.
        missing_generated: value of a pair whose generated frame shows no face while the target does;
            None: such a pair is a counted failure. A pair without a face in the target is left out
            for every system (specs evaluation 4.3).
        ranks: False if the number must not order systems.
    """

    name: str
    default_variant: str | None = None
    version: int = 1
    direction: Literal["higher", "lower"]
    unit: str = ""
    range: tuple[float, float]
    cap: float | None = None
    decimals: int
    scale: float = 1.0
    needs_truth: bool = True
    target: Literal["driving", "source"] = "driving"
    extractor: str | None = None
    missing_generated: float | None = None
    ranks: bool = True

    def __init__(self, variant: str | None = None) -> None:
        if variant not in (None, self.default_variant):
            from talkbench.metrics import registry

            name = f"{self.name}@{variant}"
            raise TalkbenchError(f"unknown metric {name!r}: {nearest(name, registry.names())}")

    @property
    def variant(self) -> str:
        """The full id, ``ssim@gauss11-valid``, for the record."""
        return f"{self.name}@{self.default_variant}" if self.default_variant else self.name

    @abstractmethod
    def compare(self, generated: Features, target: Features) -> np.ndarray:
        """float64 (B,), one value per pair; NaN where an input is not finite.

        Takes images (B, 3, H, W) in [0, 1] where `extractor` is None, else stacked features (B, …)
        of pairs in which both frames have some.

        Raises:
            TalkbenchError: the two differ in shape.
        """

    def backend(self) -> str:
        """What computes it: the extractor's id, or ``talkbench`` where a formula of ours is all."""
        if self.extractor is None:
            return "talkbench"
        from talkbench.metrics import create_extractor

        return create_extractor(self.extractor).id

    def problem(self) -> str | None:
        """Why it cannot be computed here, with the remedy; None if it can."""
        if self.extractor is None:
            return None
        from talkbench.metrics import create_extractor

        return create_extractor(self.extractor).problem()

    def card(self) -> MetricCard:
        """The metric as plain data."""
        problem = self.problem()
        return MetricCard(
            name=self.name,
            variant=self.variant,
            version=self.version,
            direction=self.direction,
            unit=self.unit,
            range=self.range,
            decimals=self.decimals,
            scale=self.scale,
            needs_truth=self.needs_truth,
            target=self.target,
            ranks=self.ranks,
            missing_generated=self.missing_generated,
            extractor=self.extractor,
            backend="" if problem else self.backend(),
            problem=problem,
            about=(inspect.getdoc(type(self)) or self.name).splitlines()[0],
        )
