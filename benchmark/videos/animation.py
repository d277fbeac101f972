"""Animated pictures that play where no player is: WebP and GIF."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.interface import Timeline

GOOD = 80
"""Quality of WebP, from 0 to 100."""

UNITS = {".webp": 1, ".gif": 10}
"""By ending, the milliseconds that the shown time of a frame is a multiple of."""


def write_animation(
    path: Path, kind: str, frames: Iterable[np.ndarray], timeline: Timeline, quality: int = GOOD
) -> None:
    """Write an animation that plays for ever, without sound.

    Args:
        kind: of `UNITS`.
        frames: uint8 RGB (H, W, 3), all of one size.
        timeline: when each of them is shown; rounded to `UNITS`, without adding up errors.
        quality: of WebP; GIF has 256 colours a frame in any case.

    Raises:
        TalkbenchError: there is no frame.
        OSError: the file cannot be written.
    """
    from PIL import Image

    images = map(Image.fromarray, frames)
    first = next(images, None)
    if first is None:
        raise TalkbenchError(f"cannot write {path.name}: there is no frame")
    first.save(
        path,
        format=kind.lstrip(".").upper(),
        save_all=True,
        append_images=images,
        duration=durations(timeline, UNITS[kind]),
        loop=0,
        **({"quality": quality, "method": 6} if kind == ".webp" else {"disposal": 1, "optimize": False}),
    )


def durations(timeline: Timeline, unit: int) -> list[int]:
    """For how many milliseconds each frame is shown, in multiples of `unit`; at least one of them."""
    moments = [round(moment * timeline.tick * 1000 / unit) for moment in timeline.ticks]
    return [max(1, after - before) * unit for before, after in pairwise(moments)]
