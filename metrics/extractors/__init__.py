"""The extractors by name; other people's register under the entry-point group ``talkbench.extractors``."""

from __future__ import annotations

from talkbench.core.registry import Registry
from talkbench.metrics.interface import Extractor

registry: Registry[Extractor] = Registry("extractor", "talkbench.metrics.extractors")
