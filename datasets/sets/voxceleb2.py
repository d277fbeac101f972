"""VoxCeleb2: as VoxCeleb1, with more people; there is no official pair list."""

from __future__ import annotations

from talkbench.datasets import registry
from talkbench.datasets.external import Published


@registry.register("voxceleb2")
class VoxCeleb2(Published):
    """Clips ``<identity>/<YouTube id>/<number>.mp4``, as VoxCeleb2 is distributed, or named as those of VoxCeleb1."""

    name = "voxceleb2"
