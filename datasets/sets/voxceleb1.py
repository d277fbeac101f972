"""VoxCeleb1: interviews on YouTube, the test set of most of the papers' tables."""

from __future__ import annotations

from talkbench.datasets import registry
from talkbench.datasets.external import Published


@registry.register("voxceleb1")
class VoxCeleb1(Published):
    """Clips ``<identity>#<YouTube id>#<start>#<end>.mp4``, cut as AliaksandrSiarohin/video-preprocessing does."""

    name = "voxceleb1"
