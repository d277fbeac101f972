"""Cards: typed descriptions of methods, metrics, extractors and data sets.

A card is read from YAML (methods, data sets) or made from a class's declarations (metrics, extractors). Whatever lists,
prints or records a description takes it from a card.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import is_there
from talkbench.core.registry import nearest
from talkbench.core.yaml_files import no_truth_value, read_yaml

C = TypeVar("C", bound="Card")
Texts = tuple[str, ...]
Line = Annotated[str, AfterValidator(lambda text: " ".join(text.split()))]
"""Text whose line breaks in the card become blanks."""


class Card(BaseModel):
    """A description that refuses unknown keys and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _numbers = field_validator("*", mode="before")(classmethod(no_truth_value))


class LicenceCard(Card):
    """The licences of `code` and `weights`, in words; "" where unknown.

    Attributes:
        non_commercial: the weights are for non-commercial use only.
    """

    code: str = ""
    weights: str = ""
    non_commercial: bool = False

    def __str__(self) -> str:
        """Both licences in one line."""
        return "; ".join(f"{part}: {getattr(self, part)}" for part in ("code", "weights") if getattr(self, part))


class CheckpointCard(Card):
    """A published file of weights. A program fetches it from at most one of `url`, `hub` and `drive`; without them a
    person has to.

    Attributes:
        file: its name, below the folder of the method's weights.
        source: in words, where it is published.
        sha256: of the published file; "" where nobody has stated it.
        size: of the published file in bytes; None where nobody has stated it.
        network: of a main file that is the bare state dict of one network, its name; "" of others.
        optional: of a file beside such a main file, whether the method does without it.
        url: its address; only with its `sha256`.
        hub: the repository of the Hugging Face hub that has it, ``owner/repo``.
        path: where it lies in that repository; "" for `file`.
        revision: the commit of that repository, 40 hexadecimal digits.
        drive: its id on Google Drive.
    """

    file: str
    source: str
    sha256: str = ""
    size: int | None = None
    network: str = ""
    optional: bool = False
    url: str = ""
    hub: str = ""
    path: str = ""
    revision: str = ""
    drive: str = ""

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.url and not self.sha256:
            raise ValueError(f"{self.file} has a url and no sha256; state what is to come from there")
        if self.hub and not re.fullmatch("[0-9a-f]{40}", self.revision):
            raise ValueError(f"{self.file} has a hub and no commit; give its 40 hexadecimal digits as revision")
        if (self.path or self.revision) and not self.hub:
            raise ValueError(f"{self.file} has a path or revision and no hub; name the repository")
        if sum(map(bool, (self.url, self.hub, self.drive))) > 1:
            raise ValueError(f"{self.file} has several of url, hub and drive; keep one")
        return self

    @property
    def in_hub(self) -> tuple[str, str, str] | None:
        """Its repository on the hub, its path there, and the commit."""
        return (self.hub, self.path or self.file, self.revision) if self.hub else None

    @property
    def address(self) -> str:
        """Where it can be downloaded; "" where a person has to look for it."""
        if self.in_hub:
            return f"https://huggingface.co/{self.hub}/resolve/{self.revision}/{self.in_hub[1]}"
        return f"https://drive.google.com/uc?id={self.drive}" if self.drive else self.url


class ConfigurationCard(Card):
    """The facts of one configuration of a method. Unknown texts are empty, unknown numbers None.

    Attributes:
        training_data: data set that the published weights were trained on.
        resolution: side of its images in pixels; None: any will do, or it is not known.
        parameters: number of parameters of all networks together.
        networks: number of parameters of each network.
        published: key of its lines in the published tables.
        weights: the published checkpoint; None if there is none.
        beside: published files of networks that the checkpoint does not hold, by the network's name; several networks
            may be in one file.
        ours: what talkbench decided, one line each, where neither paper nor code says it.
    """

    short: str = ""
    licence: LicenceCard = LicenceCard()
    training_data: str = ""
    resolution: int | None = None
    parameters: int | None = None
    networks: dict[str, int] | None = None
    published: str = ""
    weights: CheckpointCard | None = None
    beside: dict[str, CheckpointCard] = Field(default_factory=dict)
    ours: tuple[Line, ...] = ()
    notes: Texts = ()


class PaperCard(Card):
    """The facts of a method that hold for all of its configurations.

    Attributes:
        title: of the paper; "" if there is none.
        code: address of the code, or a remark in its place ("none is public").
        official: whether the code at that address is the authors' own.
        yardstick: the method sees the true image, or none at all, so it is no competitor.
        motions: the ways of animating that it has, as of its class; (): not known.
    """

    title: str = ""
    authors: str = ""
    venue: str = ""
    year: int | None = None
    paper: str = ""
    code: str = ""
    official: bool = True
    yardstick: bool = False
    motions: Texts = ()


class VariantCard(ConfigurationCard):
    """One configuration in a method's card; a plain text there is its `short`.

    Its `short` and `licence` replace those of the method, its `notes` follow the method's. Its other attributes are
    taken from nowhere else: one configuration's facts never stand for another.

    Attributes:
        of: the configuration that this is another name of; "": it is one itself.
        listed: whether lists show it.
        ranked: False for a yardstick that sees the true image.
        alike: published configurations that talkbench does not have, whose files have the same networks.
        recipe: training recipe, if it is another than the family's.
        demo: of an ablation, the model that it is at demo size, if that has a name of its own.
    """

    of: str = ""
    listed: bool = True
    ranked: bool = True
    alike: Texts = ()
    recipe: str = ""
    demo: str = ""


class FamilyCard(PaperCard):
    """``card.yaml`` of a method: what holds for all of its configurations, and these, by their full names.

    Attributes:
        short: one line on what it is.
        default: the configuration that the bare name stands for; "": the one registered under the bare name.
        fallback: the configuration that is used in place of one whose weights are missing.
        recipe: training recipe, ``<family>/<name>``; "" if the method cannot be trained.
        official_prefix: what precedes every key in the checkpoints that its authors wrote.
        variants: its models.
        ablations: the rows of the papers' tables of what its parts do. Each is there at demo size too, unlisted, under
            its name and ``-demo``.
    """

    short: str
    licence: LicenceCard = LicenceCard()
    default: str = ""
    fallback: str = ""
    recipe: str = ""
    official_prefix: str = ""
    variants: dict[str, VariantCard] = Field(default_factory=dict)
    ablations: dict[str, VariantCard] = Field(default_factory=dict)
    notes: Texts = ()

    @field_validator("variants", "ablations", mode="before")
    @classmethod
    def _texts(cls, variants: object) -> object:
        if not isinstance(variants, dict):
            return variants
        return {name: {"short": card} if isinstance(card, str) else card for name, card in variants.items()}

    @property
    def configurations(self) -> dict[str, VariantCard]:
        """All configurations by their full names: the models, then the ablations."""
        return {**self.variants, **self.ablations}

    @property
    def needs_weights(self) -> bool:
        """Whether the method is useless without weights: it has a training recipe or published weights."""
        return bool(self.recipe) or any(card.weights or card.beside for card in self.configurations.values())

    @property
    def described(self) -> dict[str, str]:
        """The `short` of each configuration, by its full name."""
        return {name: card.short for name, card in self.configurations.items() if card.short}

    def method(self, name: str) -> MethodCard:
        """The card of the configuration with the full name `name`."""
        own = self.configurations.get(name, VariantCard())
        content: dict[str, Any] = {field: getattr(self, field) for field in PaperCard.model_fields}
        content |= {field: getattr(own, field) for field in ConfigurationCard.model_fields}
        content["short"] = self.short if name == self.default else own.short or self.short
        of_weights = own.licence if own.licence.weights else self.licence
        content["licence"] = LicenceCard(
            code=own.licence.code or self.licence.code,
            weights=of_weights.weights,
            non_commercial=of_weights.non_commercial or own.licence.non_commercial,
        )
        content["notes"] = (*self.notes, *own.notes)
        return MethodCard(name=name, variants=self.described if name == self.default else {}, **content)


class MethodCard(PaperCard, ConfigurationCard):
    """A method in one configuration. Unknown texts are empty, unknown numbers None.

    Attributes:
        name: full registered name with its variant (``mcnet@demo``), or the key of one that is only published.
        variants: the `short` of each configuration by its name; filled for the default configuration only.
        others: see `PaperCard` and `ConfigurationCard`.
    """

    name: str
    variants: dict[str, str] = Field(default_factory=dict)


class MetricCard(Card):
    """A metric; attributes that are not listed here are those of `talkbench.metrics.interface.Metric`.

    Attributes:
        name: full id with its variant, ``ssim@gauss11-valid``.
        short: the name that stands for it, without variant for the default of its family.
        about, definition: one sentence; paragraphs with the formula and its origin.
        extractor_id: id of its extractor, which names everything that decides the features; "" without extractor, and
            if there is a `problem`.
        backend: what computes it; "" if there is a `problem`.
        distribution: package that brings it, with its version; "" for talkbench's own.
        problem: why it cannot be computed here, with the remedy; "" if it can.
    """

    name: str
    short: str = ""
    about: str = ""
    definition: Texts = ()
    version: int = 1
    direction: Literal["higher", "lower"] = "lower"
    unit: str = ""
    range: tuple[float, float] = (0.0, float("inf"))
    decimals: int = 3
    scale: float = 1.0
    needs_truth: bool = True
    target: Literal["driving", "source", "identity"] = "driving"
    ranks: bool = True
    missing_generated: float | None = None
    extractor: str | None = None
    aggregation: Literal["mean", "root-mean", "set"] = "mean"
    history: int = 0
    extractor_id: str = ""
    backend: str = ""
    distribution: str = ""
    problem: str = ""

    @property
    def family(self) -> str:
        """The name without its variant: ``ssim``."""
        return self.name.split("@", 1)[0]

    @property
    def printed_range(self) -> tuple[float, float]:
        """Least and greatest printed value; infinite ends are allowed."""
        return self.range[0] * self.scale, self.range[1] * self.scale


class ExtractorCard(Card):
    """An extractor; attributes as in `metrics.interface.Extractor` (`id` is `full_id`), or as in `MetricCard`."""

    name: str
    version: int = 1
    about: str = ""
    libraries: Texts = ()
    weights: Texts = ()
    uses: str | None = None
    subject: Literal["face", "body"] = "face"
    id: str = ""
    problem: str = ""


def read_card(model: type[C], path: Path) -> C:
    """The card in a YAML file.

    Raises:
        TalkbenchError: it is missing, is no YAML, or does not fit the model. The message names the first unknown key
            and the nearest valid ones, since a mistyped key often causes the other faults; else the first fault.
    """
    if not is_there(path):
        raise TalkbenchError(f"there is no card {path}; write one, see CONTRIBUTING.md")
    return parse_card(model, read_yaml(path), str(path))


def parse_card(model: type[C], content: Any, source: str) -> C:
    """The card that `content` describes; raises as `read_card`, with `source` as its name in the message."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        faults = error.errors()
        first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
        place = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            keys = _keys(model, first["loc"][:-1])
            reason = f"unknown key {place!r}: {nearest(str(first['loc'][-1]), keys)}"
        else:
            said = str(first["ctx"]["error"]) if first["type"] == "value_error" else _of_yaml(first["msg"].lower())
            reason = f"{place + ': ' if place else ''}{said}"
        raise TalkbenchError(f"{source} does not fit: {reason}") from error


def _of_yaml(said: str) -> str:
    """What pydantic says, in the words of YAML in place of Python's types."""
    return re.sub(r"\btuple\b", "list", re.sub(r"dictionary( or instance of \w+)?", "mapping", said))


def _keys(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys that are valid at a place in a card."""
    for step in place:
        annotation = model.model_fields[str(step)].annotation if str(step) in model.model_fields else None
        model = (_models(annotation) or [model])[0]
    return list(model.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation names, itself or within (``dict[str, ListCard]``)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
