"""The record of how a run was made, typed, and the protocol ids of its numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, Field, field_validator

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.results.strict import SCHEMA_VERSION, StrictModel, canonical_sha256


class MetricSpec(StrictModel):
    """How one metric was computed and how it is printed.

    Attributes:
        name: full id with its variant as in docs/specs/evaluation.md 2 (``ssim@uniform7-dr2``).
        version: raised whenever a number can change.
        unit: of the printed value (``dB``, ``percent``, ``px``); ``1`` for pure numbers.
        scale: printed value = value * scale (100 for percent).
        decimals: digits printed after the point.
        extractor: id of the feature extractor, with its version and its weights' sha256; None: compares the images.
        backend: library that computes it, with its version.
        distribution: name and version of the package that brings it; empty for talkbench's own.
        target: the frame that the generated one is compared with.
        aggregation: how the values of the pairs become one: ``mean`` (weighted by the rows), ``root-mean``, or ``set``
            (the metric takes all pairs at once).
        worst: the worst possible value, unscaled; under the policy ``worst`` a pair without a face gets it.
        ranks: False if the number is not monotone in quality, so that it must not order systems.
    """

    name: str
    version: int
    direction: Literal["higher", "lower"]
    unit: str = "1"
    scale: float = 1.0
    decimals: int = Field(default=3, ge=0)
    extractor: str | None = None
    backend: str
    distribution: str = ""
    target: Literal["driving", "source"] = "driving"
    aggregation: Literal["mean", "root-mean", "set"] = "mean"
    worst: float | None = None
    ranks: bool = True

    @property
    def family(self) -> str:
        """The name without its variant: ``ssim``."""
        return self.name.split("@", 1)[0]


class UnavailableMetric(StrictModel):
    """A metric that was asked for and could not be computed here, and why."""

    name: str
    reason: str


def by_reason(unavailable: Iterable[UnavailableMetric]) -> dict[str, str]:
    """The names of the metrics, joined by commas, for each reason: one missing file can make several unavailable."""
    names: dict[str, list[str]] = {}
    for metric in unavailable:
        names.setdefault(metric.reason, []).append(metric.name)
    return {reason: ", ".join(metrics) for reason, metrics in names.items()}


class FramesInfo(StrictModel):
    """Generated frames that another program stored as files, which were scored in place of running a method.

    Attributes:
        sha256: over the numbers of the pairs and the contents of their frames' files.
        pairs: how many pairs have a frame.
        kinds: how many frames are stored in which way (``PNG``, ``JPEG (lossy)``, ``h264 yuv420p``).
        sizes: how many frames have which width and height in pixels (``256x256``).
        program: version of the program that was run here, by its card, to make them; empty for frames that the user
            gave, and in records older than the field.
    """

    sha256: str
    pairs: int
    kinds: dict[str, int]
    sizes: dict[str, int]
    program: str = ""


class MethodInfo(StrictModel):
    """The method of a run.

    Attributes:
        name: registered name with its variant.
        version: of the method's code, raised whenever its images can change.
        distribution: name and version of the package that brings it; empty for talkbench's own, and in records older
            than the field.
        checkpoint: file name of the weights, without its folder; None: no weights were loaded.
        checkpoint_sha256: of that file.
        origin: what the weights are, one line of prose ("demo weights shipped with talkbench").
        settings: all choices that change the numbers (noise, autocast, widths ...).
        resolution: side in pixels of the images the method works on; None if any will do.
        ranked: False for a yardstick that sees the truth (``oracle``): printed, never the best.
        frames: the files that another program made in place of a run; None: talkbench's own code of the method ran.
    """

    name: str
    version: int = 1
    distribution: str = ""
    checkpoint: str | None = None
    checkpoint_sha256: str | None = None
    origin: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    resolution: int | None = None
    ranked: bool = True
    frames: FramesInfo | None = None

    @property
    def numerics(self) -> str:
        """In what other arithmetic than plain float32 the method was computed: ``bf16``, ``tf32, compiled`` …; else
        ""."""
        words = [self.settings.get("precision"), "compiled" if self.settings.get("compiled") is True else None]
        return ", ".join(str(word) for word in words if word)

    @field_validator("settings", mode="before")
    @classmethod
    def _plain(cls, settings: object) -> object:
        try:
            return json.loads(json.dumps(settings, allow_nan=False))
        except TypeError as error:
            raise ValueError(f"settings must be plain JSON: {error}") from error


class DatasetInfo(StrictModel):
    """The pairs of a run.

    Attributes:
        pairs: how many the run evaluates.
        pairs_sha256: canonical hash of their list.
        pairs_file: file the list came from, or ``built-in``.
        part: what the pairs were drawn from, if not from the whole data set: ``held-out``, the frames that the training
            of the weights did not see; empty in records older than the field.
        list_sha256: of that file's bytes, which tells whether it is a published list; empty for pairs that were drawn,
            and in records older than the field.
        videos_named: whether the data set's lists say which videos are meant; of a folder of the user's own they do
            not, and `data_id` is part of the protocol ids there.
        image_size: side in pixels at which the metrics compare the images.
        resizing: the rule by which frames were brought to `image_size`; empty in records older than the field, where
            the first frame decided for all.
        stored_size: in records older than `resizing`, width and height of the first driving frame (``178x218``): all
            frames were resized if these are not `image_size`, and frames of another size failed if they are.
        stored_sizes: how many of the frames are stored with which width and height (``{"256x256": 96}``); empty until
            the run has ended, and in records older than the field.
        data_id: of what the frames of the pairs decode to (`content.data_id`); empty until the run has ended, and in
            records older than the field.
    """

    name: str
    task: str
    motion: str = "absolute"
    pairs: int = Field(ge=0)
    pairs_sha256: str
    pairs_file: str = "built-in"
    part: str = ""
    list_sha256: str = ""
    videos_named: bool = True
    image_size: int = Field(gt=0)
    resizing: str = ""
    stored_size: str = ""
    stored_sizes: dict[str, int] = Field(default_factory=dict)
    data_id: str = ""

    @property
    def resized(self) -> tuple[str, ...]:
        """The stored sizes from which frames were resized before anything else was done with them, the commonest
        first."""
        sizes = self.stored_sizes or ({self.stored_size: 1} if self.stored_size else {})
        same = f"{self.image_size}x{self.image_size}"
        return tuple(sorted((size for size in sizes if size != same), key=lambda size: (-sizes[size], size)))


class ProtocolInfo(StrictModel):
    """The protocol that a run was asked to follow. The choices that decide a number are also fields of the record.

    Attributes:
        sha256: of its choices.
    """

    name: str
    sha256: str


class GitState(StrictModel):
    """The commit a run was made from; `dirty`: with changes not committed."""

    commit: str
    dirty: bool


class RunRecord(StrictModel):
    """Everything that made a run (``run.json``).

    Attributes:
        quantisation: how generated images became 8-bit ones: ``round`` or ``floor``.
        jpeg_quality: quality at which all images were stored as JPEG before they were scored; None: they were not.
        seen: in words, what the weights have seen of the pairs in training; empty for nothing that is known, and in
            records older than the field.
        random: whether the method was seen to draw random numbers. It draws them anew for every batch, so its numbers
            follow from the batch size too.
        threads: that PyTorch computed with on the CPU; None in records older than the field.
        engine: what the pairs were spread with, ``local``, ``processes`` or ``ray``, when the run was begun or last
            continued.
        engine_workers: over how many workers, each with so many `threads`.
        shard: which part of how many of the run's pairs it is (``3/16``); empty for all.
        aggregation: ``mean over pairs``; ``… and over videos`` where the summary's `video_mean` is printed too.
        missing_faces: how a pair counts whose generated frame shows no face while the real one does: ``drop`` leaves it
            out, ``worst`` gives it the metric's worst value; tables may also leave it out of all runs (``intersect``).
    """

    derived: ClassVar = {"protocol_ids": {"type": "object", "additionalProperties": {"type": "string"}}}

    schema_version: Literal[1] = SCHEMA_VERSION
    run_id: str
    created: AwareDatetime
    talkbench: str
    command: str
    method: MethodInfo
    dataset: DatasetInfo
    metrics: tuple[MetricSpec, ...]
    unavailable: tuple[UnavailableMetric, ...] = ()
    batch_size: int = Field(gt=0)
    device: str
    device_name: str
    threads: int | None = None
    engine: str = "local"
    engine_workers: int = 1
    shard: str = ""
    precision: str = "float32"
    seed: int = 0
    random: bool = False
    seen: str = ""
    libraries: dict[str, str]
    platform: str
    git: GitState | None = None
    protocol: ProtocolInfo | None = None
    quantisation: str = "round"
    jpeg_quality: int | None = None
    aggregation: str = "mean over pairs"
    missing_faces: Literal["drop", "worst", "intersect"] = "drop"

    @field_validator("created")
    @classmethod
    def _utc(cls, created: datetime) -> datetime:
        return created.astimezone(UTC)

    @field_validator("metrics")
    @classmethod
    def _distinct(cls, metrics: tuple[MetricSpec, ...]) -> tuple[MetricSpec, ...]:
        if len({metric.name for metric in metrics}) < len(metrics):
            raise ValueError("a metric is listed twice")
        return metrics

    def to_json(self) -> str:
        """Strict JSON of all fields and of `protocol_ids`."""
        content = {**self.model_dump(mode="json"), "protocol_ids": self.protocol_ids}
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def metric(self, name: str) -> MetricSpec:
        """The spec of the metric `name`.

        Raises:
            TalkbenchError: the run has no such metric.
        """
        for spec in self.metrics:
            if spec.name == name:
                return spec
        names = [spec.name for spec in self.metrics]
        raise TalkbenchError(f"run {self.run_id} has no metric {name!r}: {nearest(name, names)}")

    @property
    def ranking(self) -> MetricSpec | None:
        """The first metric that ranks and values each pair by itself, by which the best and the worst are chosen; None:
        the run has no such metric."""
        return next((spec for spec in self.metrics if spec.ranks and spec.aggregation != "set"), None)

    def protocol_of(self, metric: str) -> dict[str, object]:
        """How a number was asked for, by field: task, motion, pair list, metric (variant, version, package, backend,
        extractor with its version and weights, aggregation), image size, resizing, quantisation, JPEG quality, the rule
        for missing faces; where no list says which videos are meant, the data id; and the part that pairs were drawn
        from.

        Fields that a record is too old to have are left out, so that its ids stay what they were.
        """
        spec, data = self.metric(metric), self.dataset
        content = "" if data.videos_named else data.data_id
        later = {"resizing": data.resizing, "distribution": spec.distribution, "data_id": content, "part": data.part}
        return {
            "task": data.task,
            "motion": data.motion,
            "pairs_sha256": data.pairs_sha256,
            "metric": spec.name,
            "version": spec.version,
            "backend": spec.backend,
            "extractor": spec.extractor,
            "image_size": data.image_size,
            "quantisation": self.quantisation,
            "jpeg_quality": self.jpeg_quality,
            "aggregation": spec.aggregation,
            "missing_faces": self.missing_faces,
            **{name: value for name, value in later.items() if value},
        }

    def protocol_id(self, metric: str) -> str:
        """The id of how a number was made: 12 digits of the sha256 over `protocol_of`.

        Only numbers with the same id may share a column without a mark.
        """
        return canonical_sha256(self.protocol_of(metric))[:12]

    @property
    def protocol_ids(self) -> dict[str, str]:
        """The protocol id of every metric, by its name."""
        return {spec.name: self.protocol_id(spec.name) for spec in self.metrics}

    def fingerprint(self) -> str:
        """sha256 over all that the numbers follow from, but for the data and the batches (see `differences`)."""
        return canonical_sha256(self._identity())

    def differences(self, other: RunRecord) -> list[str]:
        """What keeps `other` from continuing this run, as ``field: this / other``."""
        here, there = self._identity(), other._identity()
        keys = sorted(key for key in {*here, *there} if here.get(key) != there.get(key))
        differences = [f"{key}: {here.get(key)} / {there.get(key)}" for key in keys]
        if self.shard != other.shard:
            differences.append(f"shard: {self.shard or 'none'} / {other.shard or 'none'}")
        if self.random and self.batch_size != other.batch_size:
            sizes = f"{self.batch_size} / {other.batch_size}"
            differences.append(f"batch_size: {sizes}, and {self.method.name} draws random numbers for each batch")
        return differences

    def _identity(self) -> dict[str, object]:
        """The fields that the numbers follow from, flat.

        Left out is what only names or describes: id, time, command line, file names, notes. The commit is left out as
        well: it changes with files that have no part in the numbers, and code that changes numbers raises a version.
        So are batch size, threads, the machine and its kernel, which move a number by less than the stated tolerance
        (docs/result-files.md). What the frames decode to is compared frame by frame where a run is continued.
        """
        content = self.model_dump(mode="json", exclude=_BESIDE)
        content["device"] = self.device.partition(":")[0]
        content["method"] = {key: content["method"][key] for key in _METHOD_IDENTITY}
        for name in _DATA_BESIDE:
            content["dataset"].pop(name)
        content["metrics"] = {spec["name"]: spec for spec in content["metrics"]}
        return _flatten(content)


_BESIDE = {
    *("run_id", "created", "command", "unavailable", "git", "seen"),
    *("batch_size", "random", "threads", "device_name", "platform", "engine", "engine_workers", "shard"),
}
_DATA_BESIDE = ("pairs_file", "part", "list_sha256", "stored_size", "stored_sizes", "data_id")
_METHOD_IDENTITY = ("name", "version", "distribution", "checkpoint_sha256", "settings", "resolution", "frames")


def _flatten(content: dict[str, Any], prefix: str = "") -> dict[str, object]:
    """Nested dictionaries as one with dotted keys."""
    flat: dict[str, object] = {}
    for key, value in content.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
