"""Picture strips: source, driving, generated and the error map side by side."""

from __future__ import annotations

import numpy as np

from talkbench.core.figure import error_map


def strip(source: np.ndarray, driving: np.ndarray, generated: np.ndarray, error: bool = True) -> np.ndarray:
    """[source | driving | generated | error map] as one image.

    Args:
        source, driving, generated: uint8 RGB (H, W, 3), all of one size.
        error: with the error map; False where the driving frame is not the truth (cross-identity).

    Returns:
        uint8 (H, 4 W, 3), or (H, 3 W, 3) without the error map.
    """
    panels = [source, driving, generated]
    if error:
        panels.append(error_map(driving, generated))
    return np.concatenate(panels, axis=1)
