"""Pairs of frames of one clip, augmented (specs fomm, "Block: FramesDataset sampling" and "Block: augmentation")."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import resize, to_tensor

CACHED_FRAMES = 4096


class FramePairs:
    """Source and driving frames for every step, each a function of (seed, step, position) alone.

    Args:
        frames: clip → indices of the frames that may be used.
        read: (clip, index) → uint8 RGB (H, W, 3).
        size: side that frames are resized to.
        jitter: strength of the colour jitter; 0 for none.

    Raises:
        TalkbenchError: jitter is asked for, and torchvision, which does it, is missing.
    """

    def __init__(
        self,
        frames: Mapping[str, Sequence[int]],
        read: Callable[[str, int], np.ndarray],
        size: int,
        seed: int,
        jitter: float,
    ) -> None:
        if jitter and find_spec("torchvision") is None:
            raise TalkbenchError(
                "colour jitter needs torchvision: pip install 'talkbench[full]', or jitter: 0 in the recipe"
            )
        self._frames = {clip: list(indices) for clip, indices in frames.items()}
        # A clip is drawn in proportion to its frames, so that a short one is not learned by heart.
        counts = np.array([len(indices) for indices in self._frames.values()])
        self._odds = counts / counts.sum()
        self._seed, self._jitter = seed, jitter
        self._read = lru_cache(CACHED_FRAMES)(lambda clip, index: resize(read(clip, index), size))

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Sources and drivings of a step, each (size, 3, H, W) in [0, 1]."""
        items = [self.item(step, position) for position in range(size)]
        return torch.stack([source for source, _ in items]), torch.stack([driving for _, driving in items])

    def item(self, step: int, position: int) -> tuple[Tensor, Tensor]:
        """One pair: the earlier of two random frames is the source, unless time is reversed."""
        rng = np.random.default_rng((self._seed, step, position))
        clip = list(self._frames)[rng.choice(len(self._frames), p=self._odds)]
        first, second = sorted(rng.choice(self._frames[clip], size=2))
        pair = to_tensor(np.stack([self._read(clip, int(first)), self._read(clip, int(second))]))
        if rng.random() < 0.5:
            pair = pair.flip(0)
        elif rng.random() < 0.5:
            pair = pair.flip(3)
        source, driving = self._jittered(pair, rng)
        return source, driving

    def _jittered(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        if not self._jitter:
            return pair
        from torchvision.transforms.v2 import functional as F

        adjustments = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
        for index in rng.permutation(len(adjustments)):
            change = rng.uniform(-self._jitter, self._jitter)
            adjust = adjustments[index]
            pair = adjust(pair, change if adjust is F.adjust_hue else 1 + change)
        return pair
