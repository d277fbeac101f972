"""The interfaces of extractors (frames to features) and metrics (features to one number per pair), and where both
register."""

from __future__ import annotations

import inspect
import platform
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, final

import numpy as np
from packaging.requirements import Requirement

from talkbench.core.cards import Card, ExtractorCard, MetricCard, parse_card
from talkbench.core.errors import TalkbenchError, is_out_of_memory
from talkbench.core.registry import Registry, distribution_of, nearest
from talkbench.metrics.networks import isolated
from talkbench.metrics.weights import digests
from talkbench.metrics.weights import problem as problem_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Features = TypeVar("Features")
"""What a metric compares: a Tensor of images (B, 3, H, W), or an ndarray of stacked features (B, …)."""

registry: Registry[Metric[Any]] = Registry("metric", "talkbench.metrics")
"""The metrics by name; other people's register under the entry-point group ``talkbench.metrics``."""

extractor_registry: Registry[Extractor] = Registry("extractor", "talkbench.metrics.extractors")
"""The extractors by name; other people's register under the entry-point group ``talkbench.extractors``."""


MODULES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",  # the package itself is plain Python and can be imported anywhere
    "dlib-bin": "dlib",
    "face-alignment": "face_alignment",
    "facenet-pytorch": "facenet_pytorch",
    "lpips": "lpips",
    "py-feat": "feat",
    "scikit-image": "skimage",
    "torch-fidelity": "torch_fidelity",
    "torchvision": "torchvision",
}
"""What is imported of the distributions that talkbench's own extractors and metrics need."""


def _missing(libraries: Sequence[str], weights: Sequence[str], through: str | None) -> str | None:
    """The first thing that keeps a model from running here, with the remedy; None if it can run.

    Args:
        libraries: distributions that must be installed.
        weights: files of ``weights.yaml`` that must be there and sound.
        through: the extractor that the model starts from, which must be able to run too.
    """
    for library in libraries:
        if not installed(library):
            return f"needs {library}{way_to(library)}"
    return problem_of(*weights) or (extractor_registry.create(through).problem() if through else None)


def installed(library: str) -> bool:
    """Whether a distribution is installed; it may be broken all the same, see `broken`."""
    try:
        version(library)
    except PackageNotFoundError:
        return False
    return True


def way_to(library: str) -> str:
    """How to get a library, for the end of a message; or that talkbench leaves it out on this kind of machine."""
    try:
        lines = requires("talkbench") or []
    except PackageNotFoundError:
        lines = []
    for requirement in map(Requirement, lines):
        if requirement.name == library and requirement.marker and not requirement.marker.evaluate({"extra": "full"}):
            machine = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
            return f", which has no wheel for {machine}"
    return ": pip install 'talkbench[full]'"


@cache
def broken(library: str) -> str | None:
    """Why an installed distribution cannot be imported, with the remedy; None if it can. It is imported to see that."""
    name = MODULES.get(library, library.replace("-", "_"))
    with isolated():
        try:
            import_module(name)
        except Exception as error:  # of another system or half installed, it raises what it likes, OSError for one
            if is_out_of_memory(error):
                raise
            if library not in MODULES and isinstance(error, ModuleNotFoundError) and error.name == name:
                return None  # its module has another name
            reason = shorten(str(error), 160, placeholder="…")
            return f"needs {library}, which cannot be imported ({reason}): pip install --force-reinstall {library}"
    return None


def _libraries(libraries: Sequence[str], through: str | None) -> list[str]:
    """The libraries of a model and of the extractor that it starts from, each once."""
    return list(dict.fromkeys([*libraries, *(extractor_registry.create(through).all_libraries() if through else [])]))


def _imported(libraries: Sequence[str], through: str | None) -> list[str]:
    """Those of `_libraries` that are imported."""
    return list(
        dict.fromkeys([*libraries, *(extractor_registry.create(through).imported_libraries() if through else [])])
    )


def _files(weights: Sequence[str], through: str | None) -> list[str]:
    """The files of a model and of the extractor that it starts from, each once."""
    return list(dict.fromkeys([*weights, *(extractor_registry.create(through).files() if through else [])]))


class Extractor(ABC):
    """Turns frames into features; shared by the metrics that name it.

    The features of a frame depend on its pixels and on `full_id` alone, not on the other frames of the
    batch: they are cached under the two.

    Args:
        device: where its networks run.

    Attributes:
        name: the registered name.
        version: raised whenever a feature can change.
        libraries: distributions that it needs beyond talkbench's own dependencies.
        imports: whether it imports its libraries; False: it reads files of theirs alone.
        weights: files of ``weights.yaml`` that it needs.
        uses: the extractor whose features of the same images it starts from, as `arcface-r50` from the eyes.
        subject: what a frame must show to have features, ``face`` or ``body``; it names the failures ``no-face-…``
            and ``no-body-…``.
    """

    name: str
    version: int = 1
    libraries: tuple[str, ...] = ()
    imports: bool = True
    weights: tuple[str, ...] = ()
    uses: str | None = None
    subject: Literal["face", "body"] = "face"

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = device

    @property
    @abstractmethod
    def id(self) -> str:
        """What decides the features beside `version`: name, library versions, weights (sha256), settings.

        Defined only where `problem` is None.
        """

    @final
    @property
    def full_id(self) -> str:
        """Everything that decides the features: `id`, `version` and, of a plugin, its package. Features are cached
        under it, and records name it."""
        return "@".join(filter(None, [self.id, f"v{self.version}", distribution_of(type(self)).replace(" ", "-")]))

    @abstractmethod
    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        """Features, one array per image, of images (B, 3, H, W) in [0, 1] with the 256 levels of an 8-bit file.

        All arrays have one shape and are on the CPU; None where the image does not show the subject, or has values that
        are not finite. Nothing outside the extractor changes: random state, autograd, threads and backend flags stay
        (`networks.isolated`).

        Args:
            images: the frames.
            base: their features by the extractor that this one `uses`; None: it computes them.

        Raises:
            TalkbenchError: a weight file is missing, damaged or of another model.
        """

    def problem(self) -> str | None:
        """Why it cannot run here (a missing library or weight file, and the remedy); None if it can."""
        return _missing(self.libraries, self.weights, self.uses)

    def files(self) -> list[str]:
        """All files of ``weights.yaml`` without which it has no features: its own, and those of what it `uses`."""
        return _files(self.weights, self.uses)

    def all_libraries(self) -> list[str]:
        """All distributions without which it has no features: its own, and those of what it `uses`."""
        return _libraries(self.libraries, self.uses)

    def imported_libraries(self) -> list[str]:
        """Those of `all_libraries` that are imported, so that a `broken` one keeps it from running."""
        return _imported(self.libraries if self.imports else (), self.uses)

    def card(self) -> ExtractorCard:
        """The extractor as plain data.

        Raises:
            TalkbenchError: the class lacks an attribute of its card, or gives it a value that the card does not allow.
        """
        about, _ = _documentation(self)
        problem = self.problem() or ""
        content = {"about": about, "id": "" if problem else self.full_id, "problem": problem}
        return parse_card(ExtractorCard, _declared(self, ExtractorCard) | content, f"extractor {self.name}")

    def identity(self, *settings: str) -> str:
        """An `id`: name, versions of `libraries`, digests of `weights`, full id of what it `uses`, and `settings`."""
        parts = [self.name, *(f"{library}-{version(library)}" for library in self.libraries)]
        parts += [digests(*self.weights)] if self.weights else []
        parts += [extractor_registry.create(self.uses).full_id] if self.uses else []
        return "@".join([*parts, *settings])


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
        undefined: the failure's reason for a pair whose value is NaN although its features are finite.
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
        """The weight of each pair in the mean, float64 (B,); 1 unless a metric overrides this.

        Only `target` may decide it: where the generated frame has no features, `target` is given twice.
        """
        return np.ones(len(target))  # type: ignore[arg-type]

    def backend(self) -> str:
        """What computes it: the extractor's id, or ``talkbench`` for a formula on the images alone."""
        return extractor_registry.create(self.extractor).full_id if self.extractor else "talkbench"

    def problem(self) -> str | None:
        """Why it cannot be computed here, with the remedy; None if it can."""
        return _missing(self.libraries, self.weights, self.extractor)

    def files(self) -> list[str]:
        """All files of ``weights.yaml`` without which it cannot be computed: its own, and those of its extractor."""
        return _files(self.weights, self.extractor)

    def all_libraries(self) -> list[str]:
        """All distributions without which it cannot be computed: its own, and those of its extractor."""
        return _libraries(self.libraries, self.extractor)

    def imported_libraries(self) -> list[str]:
        """Those of `all_libraries` that are imported, so that a `broken` one keeps it from running."""
        return _imported(self.libraries, self.extractor)

    def card(self) -> MetricCard:
        """The metric as plain data.

        Raises:
            TalkbenchError: the class lacks an attribute of its card, or gives it a value that the card does not allow.
        """
        about, definition = _documentation(self)
        problem = self.problem() or ""
        content = {
            "name": self.variant,
            "short": self.name,
            "about": about,
            "definition": definition,
            "extractor_id": extractor_registry.create(self.extractor).full_id if self.extractor and not problem else "",
            "backend": "" if problem else self.backend(),
            "distribution": distribution_of(type(self)),
            "problem": problem,
        }
        return parse_card(MetricCard, _declared(self, MetricCard) | content, f"metric {self.name}")


def _documentation(instance: Extractor | Metric[Any]) -> tuple[str, tuple[str, ...]]:
    """The first paragraph of the docstring, and the others, each in one line, without references to the specs."""
    text = re.sub(r"\s*\(docs/specs/[^)]*\)|`", "", inspect.cleandoc(type(instance).__doc__ or instance.name))
    about, *others = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return about, tuple(others)


def _declared(instance: Extractor | Metric[Any], model: type[Card]) -> dict[str, Any]:
    """The attributes that a class shares with its card, by name."""
    base = Metric if isinstance(instance, Metric) else Extractor
    try:
        return {name: getattr(instance, name) for name in model.model_fields if name in base.__annotations__}
    except AttributeError as error:
        kind = type(instance).__qualname__
        raise TalkbenchError(f"{kind} declares no {error.name!r}; add it to the class") from error
