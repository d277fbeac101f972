"""What a training run is made of, read from a YAML file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest

HERE = Path(__file__).with_name("recipes")


class LossWeights(BaseModel):
    """Factors of the terms (specs mcnet 5.1). `reconstruction`, of the multi-scale L1, replaces `perceptual`
    where the VGG-19 weights are not to be had."""

    model_config = ConfigDict(extra="forbid")

    reconstruction: float = 100.0
    perceptual: float = 10.0
    equivariance_value: float = 10.0
    equivariance_jacobian: float = 10.0
    kp_distance: float = 10.0
    consistency: float = 10.0


class TrainConfig(BaseModel):
    """A training recipe.

    Attributes:
        method, dataset: what is trained on what.
        steps: optimiser steps in all; `milestones` are the steps after which the rate falls to a tenth.
        batch_size: frame pairs per step.
        lr: of Adam (betas 0.5 and 0.999), alike for all networks.
        clip_grad: largest gradient norm, for each network on its own.
        seed: every sample, transform and noise map is a function of the seed and the step.
        jitter: largest relative change of brightness, contrast, saturation and hue.
        weights: factors of the losses.
    """

    model_config = ConfigDict(extra="forbid")

    method: str
    dataset: str
    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    lr: float = Field(default=2e-4, gt=0)
    milestones: list[int] = []
    clip_grad: float = 10.0
    seed: int = 1029
    jitter: float = Field(default=0.1, ge=0, lt=0.5)
    weights: LossWeights = LossWeights()


def load_config(name: str) -> TrainConfig:
    """The recipe `name` that ships with talkbench, or that of a YAML file.

    Raises:
        TalkbenchError: there is no such recipe, or an entry of it is wrong.
    """
    import yaml

    path = Path(name) if name.endswith((".yaml", ".yml")) else HERE / f"{name}.yaml"
    if not path.is_file():
        known = [shipped.stem for shipped in HERE.glob("*.yaml")]
        raise TalkbenchError(f"no training config {name!r}: {nearest(name, known)}, or give a .yaml file")
    try:
        return TrainConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        where = error.errors()[0] if isinstance(error, ValidationError) else None
        detail = f"{'.'.join(map(str, where['loc']))}: {where['msg']}" if where else str(error).splitlines()[0]
        raise TalkbenchError(f"training config {path}: {detail}") from error
