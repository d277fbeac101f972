"""Metrics: an extractor turns frames into features, a comparison gives one number per pair.

A name without variant, ``ssim``, is the default of its family, ``ssim@gauss11-valid``; both create
the same metric, whose `name` is the short and whose `variant` is the full one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from talkbench.metrics.cache import FeatureCache
from talkbench.metrics.interface import Extractor, Metric, extractor_registry, registry

if TYPE_CHECKING:
    import torch

__all__ = ["Extractor", "FeatureCache", "Metric", "create", "create_extractor", "registry"]


def create(name: str) -> Metric:
    """Build a metric by its name (``ssim``) or its full id (``ssim@gauss11-valid``).

    Raises:
        TalkbenchError: unknown name or variant; the nearest known ones are offered.

    >>> create("ssim@gauss11-valid").name, create("ssim").variant
    ('ssim', 'ssim@gauss11-valid')
    """
    return registry.create(name)


def create_extractor(name: str, device: str | torch.device = "cpu") -> Extractor:
    """Build the extractor that a metric names in `Metric.extractor`, on `device`.

    Building is cheap: networks are loaded by the first `Extractor.extract`.

    Raises:
        TalkbenchError: unknown name; the nearest known ones are offered.
    """
    return extractor_registry.create(name, device=device)
