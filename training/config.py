"""Training recipes: the settings of a training run, read from a YAML file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    ValidationError,
    field_validator,
    model_validator,
)

from talkbench.core.dataset_cards import set_names
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import is_there
from talkbench.core.registry import nearest
from talkbench.core.yaml_files import no_truth_value, read_yaml
from talkbench.training.recipe_files import find_recipe, recipe_names

MAIN = "main"
"""The stage of training that every method has."""


class LossWeights(BaseModel):
    """Factors of the loss terms, each a function in `losses`; the papers of the first-order family use 10 for all their
    terms.

    `reconstruction`, of the multi-scale L1, replaces `perceptual` if the VGG-19 weights are missing; `l1` is all that
    X2Face has. `kp_separation` is a form of `kp_distance` with a gradient, which is in no paper. `adversarial`: a
    discriminator learns as well, if the method has one; `feature_matching` and `discriminator` are of that. The factor
    of a term that a method does not have has no effect. Beside these there may be factors of terms that an objective
    declares itself, see `terms.complete`.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, Annotated[float, Field(ge=0, strict=True)]] = Field(init=False)

    _numbers = field_validator("*", mode="before")(classmethod(no_truth_value))

    reconstruction: NonNegativeFloat = 100.0
    perceptual: NonNegativeFloat = 10.0
    l1: NonNegativeFloat = 1.0
    equivariance_value: NonNegativeFloat = 10.0
    equivariance_jacobian: NonNegativeFloat = 10.0
    equivariance_affine: NonNegativeFloat = 10.0
    kp_distance: NonNegativeFloat = 10.0
    kp_separation: NonNegativeFloat = 0.0
    consistency: NonNegativeFloat = 10.0
    warp: NonNegativeFloat = 10.0
    background: NonNegativeFloat = 10.0
    keypoint_prior: NonNegativeFloat = 10.0
    deformation_prior: NonNegativeFloat = 5.0
    head_pose: NonNegativeFloat = 20.0
    adversarial: NonNegativeFloat = 0.0
    feature_matching: NonNegativeFloat = 10.0
    discriminator: NonNegativeFloat = 1.0
    depth_constraint: NonNegativeFloat = 0.0
    keypoint_recovery: NonNegativeFloat = 1.0
    affine_recovery: NonNegativeFloat = 1.0

    def factor(self, term: str) -> float | None:
        """The factor of a term; None if there is none."""
        factor: float | None = self.__dict__.get(term, (self.model_extra or {}).get(term))
        return factor


Beta = Annotated[float, Field(ge=0, lt=1)]


class Optimisation(BaseModel):
    """How networks learn that learn together.

    Attributes:
        optimiser: ``adam``, or ``sgd`` with momentum 0.9.
        lr: learning rate.
        schedule: ``milestones``: the rate is divided by ten at each of the epochs `milestones`; ``cosine``: it falls to
            `end_factor` times itself after the last step, as half a cosine, and `milestones` have no effect.
        warmup: steps in which the rate rises in a line to what the schedule says; a cosine begins after them.
        betas: decay of Adam's averages.
        weight_decay: weight decay, coupled.
        clip_grad: largest norm of the gradients of a network; None: no limit.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    _numbers = field_validator("*", mode="before")(classmethod(no_truth_value))

    optimiser: Literal["adam", "sgd"] = "adam"
    lr: float = Field(default=2e-4, gt=0)
    schedule: Literal["milestones", "cosine"] = "milestones"
    milestones: list[NonNegativeInt] = []
    end_factor: float = Field(default=0.0, ge=0, lt=1)
    warmup: int = Field(default=0, ge=0)
    betas: tuple[Beta, Beta] = (0.5, 0.999)
    weight_decay: float = Field(default=0.0, ge=0)
    clip_grad: float | None = Field(default=10.0, gt=0)

    def factor(self, step: int, per_epoch: int, total: int) -> float:
        """By what the learning rates are multiplied in `step`, from 0, of `total` steps, `per_epoch` an epoch."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if self.schedule == "cosine":
            past = max(0, step - self.warmup) / max(1, total - self.warmup)
            return warm * (self.end_factor + (1 - self.end_factor) * (1 + math.cos(math.pi * past)) / 2)
        epoch = step // per_epoch
        return float(warm * 0.1 ** sum(epoch >= milestone for milestone in self.milestones))


class TrainConfig(Optimisation):
    """A training recipe.

    Attributes:
        method, dataset: the method to train, and the data set to train it on; several with commas between, or a list.
        shares: of several data sets, how many times an epoch has each person of a set, where it is not once
            (``{hdtf: 2}``); of clips, where these are drawn.
        stage: which part of the method's training it is; ``main``, or what its objectives offer (``avd``).
        fine_tunes: the configuration whose weights the training may begin with, in place of the method's own; "": none.
        epochs: passes over the data; an epoch has every person (or clip) `repeats` times, without the last, incomplete
            batch.
        steps: optimiser steps after which training stops even if epochs are left.
        sampling: ``identity``: a person, then one of their clips; ``clip``: a clip; ``frame``: a clip in proportion to
            its frames, so that a short one is not learned by heart.
        frame_step: only every so many-th frame of a clip is drawn.
        batch_size: frame pairs per step, over all processes.
        accumulate: each process computes its share of a batch in so many equal portions, for which less memory is
            enough; their gradients are added up before they are applied.
        optimiser, lr, schedule, milestones, end_factor, warmup, betas, weight_decay, clip_grad: see `Optimisation`; of
            all networks, but for what `rates` and `turns` say.
        rates: learning rates of networks in place of `lr`, by the network's name (``kp_detector``, ``discriminator``).
        turns: what is different where a step has several turns, by the turn's name (``discriminator``).
        freeze: the names of networks of the method that stay as they are.
        norms: ``batch``: batch norm has the statistics of what is computed together: with `accumulate`, of a portion;
            ``running``: its running statistics, which stay as they are.
        sync_batchnorm: batch norm sees what all processes compute together.
        flip_time, flip_horizontal: whether pairs may be swapped or mirrored.
        image_loss: what compares prediction and driving frame, ``perceptual``, ``multi-scale-l1`` or ``l1``; "": what
            the method is trained by, and ``multi-scale-l1`` in the place of ``perceptual`` if VGG-19's file is missing.
        jitter: largest relative change of brightness, contrast, saturation and hue.
        precision: ``float32``: as torch has it by default, on NVIDIA's GPUs with convolutions in TF32; ``tf32``: matrix
            products too; ``bf16``: autocast.
        ema: decay of the moving average of the weights, which then is the result; None: no average.
        validation: number of pairs that are evaluated after every epoch, of driving frames that training never sees.
        best: the metric by whose validation the best weights are chosen; see `bench list metrics`.
        patience: training ends after so many validations in a row without a better value of `best`; None: it does not.
        seed: every sample, transform and noise map is a function of the seed and its place in the run.
        weights: factors of the losses.
    """

    method: str
    dataset: str
    shares: dict[str, Annotated[int, Field(gt=0)]] = {}
    stage: str = MAIN
    fine_tunes: str = ""
    epochs: int = Field(gt=0)
    repeats: int = Field(default=1, gt=0)
    steps: int | None = Field(default=None, gt=0)
    sampling: Literal["identity", "clip", "frame"] = "identity"
    frame_step: int = Field(default=1, gt=0)
    batch_size: int = Field(gt=0)
    accumulate: int = Field(default=1, gt=0)
    rates: dict[str, PositiveFloat] = {}
    turns: dict[str, Optimisation] = {}
    freeze: list[str] = []
    norms: Literal["batch", "running"] = "batch"
    sync_batchnorm: bool = True
    flip_time: bool = True
    flip_horizontal: bool = True
    image_loss: Literal["", "perceptual", "multi-scale-l1", "l1"] = ""
    jitter: float = Field(default=0.1, ge=0, le=0.5)
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    ema: float | None = Field(default=None, gt=0, lt=1)
    validation: int = Field(default=16, ge=0)
    best: str = "l1"
    patience: int | None = Field(default=None, gt=0)
    seed: int = Field(default=1029, ge=0, lt=1 << 31)
    weights: LossWeights = LossWeights()

    @model_validator(mode="before")
    @classmethod
    def _complete_turns(cls, content: Any) -> Any:
        """A turn is optimised as the recipe says, but for what it says of that turn."""
        turns = content.get("turns") if isinstance(content, dict) else None
        if not isinstance(turns, dict) or not all(isinstance(own, dict) for own in turns.values()):
            return content
        common = {name: content[name] for name in Optimisation.model_fields if name in content}
        return {**content, "turns": {name: {**common, **own} for name, own in turns.items()}}

    @field_validator("dataset", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """Names between commas, also of a list."""
        names = value if isinstance(value, list) else [value]
        if not all(isinstance(name, str) for name in names):
            return value
        listed = [name.strip() for name in ",".join(names).split(",")]
        if not all(listed) or len({*listed}) < len(listed):
            raise ValueError("name each data set once, with commas between")
        return ",".join(listed)

    @model_validator(mode="after")
    def _shares_of_sets(self) -> Self:
        for name in self.shares:
            if name not in self.sets or len(self.sets) == 1:
                raise ValueError(f"shares are of several data sets that are trained on, and {name} is none of them")
        return self

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the data sets."""
        return tuple(set_names(self.dataset))

    def turn(self, name: str) -> Optimisation:
        """How the networks of a turn learn."""
        return self.turns.get(name, self)


def load_config(name: str, changes: Mapping[str, object] | None = None, family: str = "") -> TrainConfig:
    """The recipe `name` that ships with talkbench or with a method of another package, or that of a YAML file.

    A recipe may begin with ``extends: <another recipe>`` and then holds only the entries that differ.

    Args:
        family: the folder of recipes in which a bare name is looked up, ``mcnet``.
        changes: entries that replace the recipe's; ``weights.consistency`` is an entry of its `weights`.

    Raises:
        TalkbenchError: there is no such recipe, or an entry is unknown or invalid. Whether the objective has the terms
            of all `weights` is for `objectives.complete` to say.
    """
    name, path = find_recipe(name, family)
    content = _read(name, path)
    for key, value in (changes or {}).items():
        *groups, last = key.split(".")
        place = content
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise TalkbenchError(f"training config {name}: {key}: {group} has no entries of its own")
        place[last] = value
    try:
        return TrainConfig.model_validate(content)
    except ValidationError as error:
        raise TalkbenchError(f"training config {name}: {_fault(error)}") from error


def _read(name: str, path: Path, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    if not is_there(path):
        raise TalkbenchError(f"no training config {name!r}: {nearest(name, recipe_names())}, or give a .yaml file")
    if name in seen:
        raise TalkbenchError(f"training config {name} extends itself ({' > '.join((*seen, name))}); take one out")
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise TalkbenchError(f"training config {path}: it holds no entries; see the recipes that ship with talkbench")
    base = _read(*find_recipe(str(content.pop("extends"))), (*seen, name)) if "extends" in content else {}
    groups = {}
    for group, held in (
        ("weights", "a factor for each loss"),
        ("turns", "the settings of each turn"),
        ("rates", "a learning rate for each network"),
    ):
        own = content.get(group) or {}
        if not isinstance(own, dict):
            raise TalkbenchError(f"training config {path}: {group} is {own!r:.40} and has to hold {held}")
        if merged := {**base.get(group, {}), **own}:
            groups[group] = merged
    return {**base, **content, **groups}


def _fault(error: ValidationError) -> str:
    faults = error.errors()
    first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])  # a slip before a gap
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "list_type":
        return f"{where}: a list is meant: {where}=[{first['input']}]"
    if first["type"] != "extra_forbidden":
        return ": ".join(filter(None, (where, first["msg"].removeprefix("Value error, "))))  # pydantic's own words
    model = Optimisation if first["loc"][0] == "turns" else TrainConfig
    return f"there is no entry {where}: {nearest(str(first['loc'][-1]), list(model.model_fields))}"
