"""What a metric is: features of frames by a shared extractor, then one number per pair."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Features = TypeVar("Features")
"""What a metric compares: a Tensor of images (B, 3, H, W), or an ndarray of stacked features (B, …)."""


def missing(libraries: Sequence[str], weights: Sequence[str]) -> str | None:
    """What keeps a model from running here, and the remedy: libraries that are not installed, files that are not there
    or not sound (names of ``weights.yaml``); None if nothing does."""
    from talkbench.metrics.weights import problem

    for library in libraries:
        try:
            version(library)
        except PackageNotFoundError:
            return f"needs {library}: pip install 'talkbench[full]'"
    return problem(*weights)


class Extractor(ABC):
    """Turns frames into features; shared by the metrics that name it.

    The features of a frame depend on its pixels and on `id` alone, not on the other frames of the
    batch: they are cached under the two.

    Args:
        device: where its networks run.

    Attributes:
        name: the registered name.
        libraries: distributions that it needs beyond talkbench's own dependencies.
        weights: files of ``weights.yaml`` that it needs.
        uses: the extractor whose features of the same images it starts from, as `arcface-r50` from the eyes.
        subject: what a frame must show to have features: ``no-face-…``, ``no-body-…``.
    """

    name: str
    libraries: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    uses: str | None = None
    subject: Literal["face", "body"] = "face"

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = device

    @property
    @abstractmethod
    def id(self) -> str:
        """Everything that decides the features: name, library version, weights (sha256), settings.

        Defined only where `problem` is None.
        """

    @abstractmethod
    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        """One array per image of (B, 3, H, W), in [0, 1] with the 256 levels of an 8-bit file.

        All arrays have one shape and are on the CPU; None where the image does not show the subject, or has values that
        are not finite. Nothing outside the extractor changes: random state, autograd, threads and backend flags stay
        (`isolation.isolated`).

        Args:
            images: the frames.
            base: their features by the extractor that this one `uses`; None: it computes them.

        Raises:
            TalkbenchError: a weight file that is not what it should be.
        """

    def problem(self) -> str | None:
        """Why it cannot run here (a missing library or weight file, and the remedy); None if it can."""
        if self.uses:
            from talkbench.metrics import create_extractor

            return missing(self.libraries, self.weights) or create_extractor(self.uses).problem()
        return missing(self.libraries, self.weights)

    def identity(self, *settings: str) -> str:
        """An `id`: name, versions of the `libraries`, digests of the `weights`, id of what it `uses`, `settings`."""
        from talkbench.metrics import create_extractor
        from talkbench.metrics.weights import digests

        parts = [self.name, *(f"{library}-{version(library)}" for library in self.libraries)]
        parts += [digests(*self.weights)] if self.weights else []
        parts += [create_extractor(self.uses).id] if self.uses else []
        return "@".join([*parts, *settings])


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
    aggregation: str
    history: int
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
        target: the real frame it is compared with; ``identity``: the driving frame where that is the truth, else the
            source, who should be the same person (docs/specs/evaluation.md 2).
        extractor: whose features are compared; None: the images themselves.
        libraries: distributions that the metric itself needs, not its extractor.
        weights: files of ``weights.yaml`` that the metric itself needs.
        aggregation: how the values of pairs become one: their mean, or its root where the values are
            squares (``root-mean``); ``set``: `compare` takes the features of all frames at once.
        history: how many preceding frames of the same video it also needs; it is for video runs then, and
            `compare` takes features (B, 1 + history, …), oldest first.
        min_size: least side in pixels of the images.
        unquantised: it takes the generated images before they are rounded to 8 bits.
        undefined: reason of a pair whose features are finite and whose value is NaN all the same.
        missing_generated: value of a pair whose generated frame shows no face while the target does;
            None: such a pair is a counted failure. A pair without a face in the target is left out
            for every system (docs/specs/evaluation.md 4, point 3).
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
    target: Literal["driving", "source", "identity"] = "driving"
    extractor: str | None = None
    libraries: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    aggregation: Literal["mean", "root-mean", "set"] = "mean"
    history: int = 0
    min_size: int = 1
    unquantised: bool = False
    undefined: str = "not-a-number"
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
        """float64 (B,), one value per pair; NaN where an input is not finite. One value for all, (1,), if `aggregation`
        is ``set``.

        Takes images (B, 3, H, W) in [0, 1] where `extractor` is None, else stacked features (B, …)
        of pairs in which both frames have some.

        Raises:
            TalkbenchError: the two differ in shape.
        """

    def weigh(self, generated: Features, target: Features) -> np.ndarray:
        """float64 (B,), what each pair counts in the mean; 1 unless a metric says otherwise.

        Only `target` may decide it: where the generated frame has no features, `target` is given twice.
        """
        return np.ones(len(target))  # type: ignore[arg-type]

    def backend(self) -> str:
        """What computes it: the extractor's id, or ``talkbench`` where a formula of ours is all."""
        if self.extractor is None:
            return "talkbench"
        from talkbench.metrics import create_extractor

        return create_extractor(self.extractor).id

    def problem(self) -> str | None:
        """Why it cannot be computed here, with the remedy; None if it can."""
        if self.extractor is None:
            return missing(self.libraries, self.weights)
        from talkbench.metrics import create_extractor

        return missing(self.libraries, self.weights) or create_extractor(self.extractor).problem()

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
            aggregation=self.aggregation,
            history=self.history,
            backend="" if problem else self.backend(),
            problem=problem,
            about=(inspect.getdoc(type(self)) or self.name).splitlines()[0],
        )
