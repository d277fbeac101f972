"""An extractor that counts, and a process that uses a feature cache: importable by name, as child processes need it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from talkbench.metrics import Extractor, FeatureCache


class MeanColour(Extractor):
    """The mean colour; none for black frames. Counts the frames it has seen and the batches they came in."""

    name = "mean-colour"

    def __init__(self, settings: str = "a") -> None:
        super().__init__()
        self.settings = settings
        self.seen = self.batches = 0

    @property
    def id(self) -> str:
        return f"{self.name}@1.0@{self.settings}"

    def extract(self, images, base=None):
        assert base is None
        self.seen += len(images)
        self.batches += 1
        return [np.asarray(image.mean(dim=(1, 2))) if image.any() else None for image in images]


def check(features: Sequence[np.ndarray | None], frames: Sequence[np.ndarray]) -> None:
    """They are the mean colours of the frames."""
    for feature, frame in zip(features, frames, strict=True):
        if not frame.any():
            assert feature is None
        else:
            np.testing.assert_allclose(feature, frame.mean(axis=(0, 1)) / 255, rtol=1e-5)


def coloured() -> list[np.ndarray]:
    """Three frames, the second of them black."""
    some = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    some[1] = 0
    return list(some)


def stored(cache: FeatureCache) -> int:
    """How many frames it holds features of."""
    return sum(usage.frames for usage in cache.info().extractors)


def even(*levels: int) -> list[np.ndarray]:
    """Grey frames."""
    return [np.full((8, 8, 3), level, np.uint8) for level in levels]


def use(folder: Path, seed: int, size: int | None) -> int:
    """Ask for 12 batches of `levels_of`; returns how many frames had to be computed."""
    extractor = MeanColour()
    cache = FeatureCache(folder, size)
    for levels in levels_of(seed):
        check(cache.get_or_extract(extractor, even(*levels)), even(*levels))
    return extractor.seen


def levels_of(seed: int) -> np.ndarray:
    """Grey levels (12, 8), some of them several times."""
    return np.random.default_rng(seed).integers(0, 64, (12, 8))
