"""What metrics compare, at any distance from the truth: images, and features as each extractor gives them."""

from __future__ import annotations

from collections.abc import Callable

import model_files
import numpy as np
import torch
from torch import Tensor

from talkbench.core.images import quantise
from talkbench.metrics import Metric
from talkbench.metrics.mesh import CHIN, FOREHEAD, LEFT, RIGHT


def landmarks(draw: np.random.Generator, points: int) -> np.ndarray:
    return draw.integers(60, 196, (points, 2)).astype(np.float32)


def joints(draw: np.random.Generator) -> np.ndarray:
    found = landmarks(draw, 18)
    found[draw.random(18) < 0.2] = -1
    return found


def expression(draw: np.random.Generator, gaze: int) -> np.ndarray:
    angles = draw.uniform(-30, 30, 3 + gaze)
    return np.concatenate([draw.uniform(0, 1, 20), angles]).astype(np.float32)


def mesh(draw: np.random.Generator) -> np.ndarray:
    """A flat face, its eye corners, forehead and chin where they belong, turned by up to 20 degrees about each axis."""
    points = np.column_stack([draw.uniform(-60, 60, (478, 2)), np.zeros(478)])
    points[[RIGHT, LEFT, FOREHEAD, CHIN]] = [(-40, -20, 0), (40, -20, 0), (0, -80, 0), (0, 80, 0)]
    return (points @ rotation(*draw.uniform(-20, 20, 3)).T + (128, 128, 0)).astype(np.float32)


def rotation(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """``Rz(roll) Ry(yaw) Rx(pitch)``, degrees; (3, 3)."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("ZYX", [roll, yaw, pitch], degrees=True).as_matrix()


SAMPLES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "fan68": lambda draw: landmarks(draw, 68),
    "mtcnn5": lambda draw: landmarks(draw, 7),
    "body-pose": joints,
    "openface-nn4": lambda draw: draw.standard_normal(128).astype(np.float32),
    "facenet-vggface2": lambda draw: draw.standard_normal(512).astype(np.float32),
    "arcface-r50": lambda draw: draw.standard_normal(512).astype(np.float32),
    "reid-resnet50": lambda draw: draw.uniform(0, 1, 2048).astype(np.float32),
    "dlib68": lambda draw: landmarks(draw, 68),
    "dlib128": lambda draw: (draw.standard_normal(128) / 8).astype(np.float32),
    "mp478": mesh,
    "mp52": lambda draw: draw.uniform(0, 1, 52).astype(np.float32),
    "efficientnet-lite0": lambda draw: draw.uniform(0, 1, 1280).astype(np.float32),
    "inception-fid": lambda draw: draw.uniform(0, 1, 2048).astype(np.float32),
    "pyfeat-2": lambda draw: expression(draw, 0),
    "pyfeat-2-mlp": lambda draw: expression(draw, 0),
    "pyfeat-2-multitask": lambda draw: expression(draw, 2),
}
"""Of extractors whose features are not any numbers, or slow to compute; others' are shaped as a face's."""


def sample(extractor: str, draw: np.random.Generator) -> np.ndarray:
    if extractor in SAMPLES:
        return SAMPLES[extractor](draw)
    feature = model_files.features(extractor)
    return draw.standard_normal(feature.shape).astype(feature.dtype)


def truth(metric: Metric, count: int = 3, seed: int = 0) -> np.ndarray:
    """Features of `count` real frames, or of as many stretches of frames where the metric looks back."""
    assert metric.extractor is not None
    draw = np.random.default_rng(seed)
    features = np.stack([sample(metric.extractor, draw) for _ in range(count * (1 + metric.history))])
    return features.reshape(count, 1 + metric.history, *features.shape[1:]) if metric.history else features


def distorted(metric: Metric, features: np.ndarray, level: float) -> np.ndarray:
    """The features of a frame that is worse the higher the `level`, 0 to 1: on its way to another frame's.

    The joints of a body move a little, and more and more of them are lost.
    """
    if metric.extractor == "body-pose":
        lost = (features[..., :1] < 0) | (np.random.default_rng(1).random((len(features), 18, 1)) < level / 2)
        return np.where(lost, np.float32(-1), features + np.float32(20 * level))
    other = truth(metric, len(features), seed=1)
    return features + np.float32(level) * (other - features)


def images(metric: Metric, faces: Tensor) -> Tensor:
    """Real frames as small as the metric allows, (3, 3, S, S), or stretches of them (3, 1 + history, 3, S, S)."""
    size = max(64, metric.min_size)
    crops = faces[:, :, 60 : 60 + size, 60 : 60 + size].contiguous()
    if not metric.history:
        return crops
    return torch.stack([crops.roll((2 * step, step), (2, 3)) for step in range(1 + metric.history)], dim=1)


def blurred(frames: Tensor, level: float) -> Tensor:
    """Frames that are worse the higher the `level`, 0 to 1: shifted and under noise."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(frames.shape, generator=generator)
    shift = round(8 * level)
    return quantise(torch.lerp(frames.roll((shift, shift), (-2, -1)), noise, 0.4 * level))
