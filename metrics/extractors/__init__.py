"""The extractors, and their registry; other people's register under the entry-point group ``talkbench.extractors``."""

from talkbench.metrics.interface import extractor_registry as registry

__all__ = ["registry"]
