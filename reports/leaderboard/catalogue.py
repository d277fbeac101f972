"""What the site says about methods, metrics and data sets beside the numbers, as plain data.

The floors below know their cards; this floor may not import them, so the harness fills these classes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MethodCard:
    """A method. Texts are empty, and numbers None, where nothing is known.

    Attributes:
        name: full registered name with its variant (``mcnet@demo``), or the key of one that is only published.
        title: of the paper.
        short: one line on what it is.
        code: address, or what is known ("none is public").
        official: whether the repository `code` is the authors' own.
        licences: what is licensed (``code``, ``weights``) and how.
        training_data: data sets that the published weights were trained on.
        parameters: of all networks together.
        published: key of its lines in the published tables (`PublishedCell.system_key`).
        weights: where weights of this variant are published; "" if they are not.
        yardstick: it sees the true image (``oracle``) or none at all (``copy-source``): no competitor.
        variants: names and what they are.
    """

    name: str
    title: str = ""
    short: str = ""
    authors: str = ""
    venue: str = ""
    year: int | None = None
    paper: str = ""
    code: str = ""
    official: bool = True
    licences: tuple[tuple[str, str], ...] = ()
    training_data: tuple[str, ...] = ()
    parameters: int | None = None
    resolution: int | None = None
    published: str = ""
    weights: str = ""
    yardstick: bool = False
    variants: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def licence(self) -> str:
        """All that is licensed, in one line."""
        return "; ".join(f"{part}: {text}" for part, text in self.licences)


@dataclass(frozen=True)
class MetricCard:
    """A metric.

    Attributes:
        name: full id with its variant, as in `talkbench.results.MetricSpec`.
        short: the name that stands for it, without variant for the default of its family.
        about: one sentence.
        definition: paragraphs: the formula and where it is from.
        range: least and greatest printed value; infinite ends are allowed.
        faults: what is known to be wrong with it as others have used it.
        version: raised whenever a number can change.
    """

    name: str
    short: str = ""
    about: str = ""
    definition: tuple[str, ...] = ()
    direction: str = "lower"
    unit: str = "1"
    range: tuple[float, float] = (0.0, float("inf"))
    decimals: int = 3
    needs_truth: bool = True
    ranks: bool = True
    target: str = "driving"
    extractor: str = ""
    aggregation: str = "mean"
    version: int = 1
    faults: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The name without its variant: ``ssim``."""
        return self.name.split("@", 1)[0]


@dataclass(frozen=True)
class DatasetCard:
    """A data set.

    Attributes:
        short: one line on what it is.
        tasks: their names.
        held_out: sha256 of the list files (`DatasetInfo.list_sha256`) of whose clips it is known that nobody trains
            on them who keeps to the data set's parts.
        notes: what a reader of its numbers should know.
    """

    name: str
    title: str = ""
    short: str = ""
    source: str = ""
    licence: str = ""
    resolution: str = ""
    tasks: tuple[str, ...] = ()
    held_out: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Catalogue:
    """All cards, by name. A name that is not here has an empty card."""

    methods: Mapping[str, MethodCard] = field(default_factory=dict)
    metrics: Mapping[str, MetricCard] = field(default_factory=dict)
    datasets: Mapping[str, DatasetCard] = field(default_factory=dict)

    def method(self, name: str) -> MethodCard:
        return self.methods.get(name) or MethodCard(name)

    def metric(self, name: str) -> MetricCard:
        return self.metrics.get(name) or MetricCard(name)

    def dataset(self, name: str) -> DatasetCard:
        return self.datasets.get(name) or DatasetCard(name)
