"""Embedding of the aligned face by ArcFace with a ResNet50 (docs/specs/evaluation.md 3.6)."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkbench.metrics.extractors import registry
from talkbench.metrics.extractors.faces import FaceEmbedding
from talkbench.metrics.landmarks import POINTS
from talkbench.metrics.networks import fill, read_state

if TYPE_CHECKING:
    from torch import Tensor, nn

SIZE = 112
TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)
"""Where eyes, nose and mouth corners lie in the crops that ArcFace is trained on, x and y in pixels of 112x112."""


def similarity(points: np.ndarray, onto: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation, scale and shift that bring points (B, K, 2) closest to `onto` (K, 2) in the sum of squares.

    Points are taken as complex numbers: ``z -> a z + b`` with a (B,) the scale times the rotation and b (B,) the shift.
    The least-squares solution then has a closed form, the same as Umeyama's without reflection.

    >>> square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    >>> a, b = similarity(square[None], 2 * square + 3)
    >>> complex(a[0].round(6)), complex(b[0].round(6))
    ((2+0j), (3+3j))
    """
    here, there = (xy.astype(np.float64) @ np.array([1, 1j]) for xy in (points, onto))  # (B, K), (K,)
    centred = here - here.mean(axis=-1, keepdims=True)
    a = (centred.conj() * (there - there.mean())).sum(axis=-1) / np.square(np.abs(centred)).sum(axis=-1)
    return a, there.mean() - a * here.mean(axis=-1)


def align(images: Tensor, points: np.ndarray) -> Tensor:
    """Crops (B, 3, 112, 112) of images (B, 3, H, W) in which the five points (B, 5, 2) lie on `TEMPLATE`.

    Bilinear, zeros outside the image. Coordinates are those of OpenCV's ``warpAffine``, with which ArcFace's crops are
    made: (0, 0) is the centre of the first pixel, in the image as in the crop.
    """
    import torch
    from torch.nn import functional

    a, b = similarity(points, TEMPLATE)
    y, x = np.mgrid[:SIZE, :SIZE]
    origin = ((x + 1j * y) - b[:, None, None]) / a[:, None, None]  # (B, 112, 112)
    height, width = images.shape[-2:]
    grid = np.stack([2 * origin.real / (width - 1) - 1, 2 * origin.imag / (height - 1) - 1], axis=-1)
    return functional.grid_sample(images, torch.from_numpy(grid).to(images), align_corners=True)


@registry.register("arcface-r50")
class ArcFace(FaceEmbedding):
    """The embedding, float32 (512,) of any length, of the face that MTCNN finds, turned upright and cut to 112x112.

    Its five landmarks are brought onto ArcFace's template by a similarity (`align`); values x in 0..255 become
    (x - 127.5) / 127.5. None: no face, a face whose box is outside the frame, or an image with values that are not
    finite.
    """

    name = "arcface-r50"
    libraries = ("py-feat",)
    weights = ("arcface-r50",)

    @property
    def id(self) -> str:
        return self.identity(f"aligned{SIZE}-bilinear")

    def crops(self, frames: Tensor, faces: np.ndarray) -> Tensor:
        return 2 * align(frames, faces[:, :POINTS]) - 1

    def load(self) -> nn.Module:
        what = "ArcFace with a ResNet50"
        return fill(_iresnet50(), read_state(self.name, what), self.name, what)


def _iresnet50() -> nn.Module:
    """py-feat's network from its own module alone: importing the package loads every detector, which takes many
    seconds, and changes the environment."""
    package = importlib.util.find_spec("feat")
    folders = (package and package.submodule_search_locations) or []
    return runpy.run_path(str(Path(folders[0]) / "identity_detectors" / "arcface" / "iresnet.py"))["iresnet50"]()
