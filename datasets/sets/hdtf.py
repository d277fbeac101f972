"""HDTF: speeches in high definition."""

from __future__ import annotations

from talkbench.datasets import registry
from talkbench.datasets.external import Published


@registry.register("hdtf")
class Hdtf(Published):
    """Clips ``<RD|WDA|WRA>_<Name>_<3 digits>.mp4``, cut as universome/HDTF does."""

    name = "hdtf"
