"""Protocols: each names metric variants and everything else that decides a number (docs/specs/evaluation.md 2, 4)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import is_there
from talkbench.core.registry import nearest, own_case
from talkbench.core.yaml_files import read_yaml
from talkbench.results.strict import canonical_sha256

T = TypeVar("T")

FOLDER = Path(__file__).parent / "protocols"
DEFAULT = "talkbench-1"


class Choice(BaseModel, Generic[T]):
    """A value, and a sentence with the reason for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    value: T
    why: str


class ChosenMetric(BaseModel):
    """The full id of a metric, and a sentence with the reason for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    why: str


class Protocol(BaseModel):
    """How a run is scored.

    Attributes:
        task: the task of a run unless the user names another.
        metrics: the metrics that are computed, as far as the task and this machine allow.
        quantisation: how generated images become 8-bit ones.
        jpeg_quality: of the JPEG file that generated and real frames go through; None: there is no such file.
        image_size: side in pixels of all images; None: the method's resolution, else the size of the stored frames.
        missing_faces: how a pair counts whose real frame shows a face and whose generated frame shows none: ``drop``
            leaves it out, ``worst`` gives it the worst value of the metric.
        means: the means that are printed: ``pairs`` over all pairs, ``videos`` over the means of the driving videos.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    about: str
    task: Choice[str]
    metrics: tuple[ChosenMetric, ...]
    quantisation: Choice[Literal["round", "floor"]]
    jpeg_quality: Choice[int | None]
    image_size: Choice[int | None]
    missing_faces: Choice[Literal["drop", "worst"]]
    means: Choice[tuple[Literal["pairs", "videos"], ...]] = Field()

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that decides a number: of the values, not of the sentences."""
        content = self.model_dump(mode="json", exclude={"about"})
        values = {key: part["value"] if isinstance(part, dict) else part for key, part in content.items()}
        return canonical_sha256({**values, "metrics": sorted(metric["name"] for metric in content["metrics"])})

    def choices(self) -> Iterator[tuple[str, str, str]]:
        """Of each choice its name, its value in words and its sentence; the metrics come last."""
        for name in ("task", "quantisation", "jpeg_quality", "image_size", "missing_faces", "means"):
            choice = getattr(self, name)
            value = " and ".join(choice.value) if isinstance(choice.value, tuple) else choice.value
            yield name.replace("_", " "), "none" if value is None else str(value), choice.why
        for metric in self.metrics:
            yield "metric", metric.name, metric.why


def names() -> list[str]:
    """The protocols that ship with talkbench."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Protocol:
    """A protocol by its name, or from a YAML file.

    Raises:
        TalkbenchError: there is no protocol of that name, no such file, or the file is not a protocol.
    """
    is_file = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_file else FOLDER / f"{own_case(name, names())}.yaml"
    if is_file and not is_there(path):
        raise TalkbenchError(
            f"--protocol {name} is not a file; name a .yaml that is there, or one of: {', '.join(names())}"
        )
    if not is_there(path):
        raise TalkbenchError(f"unknown protocol {name!r}: {nearest(name, names())}")
    try:
        return Protocol.model_validate(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "content"
        raise TalkbenchError(f"{path} is not a protocol: {place}: {first['msg'].lower()}") from error
