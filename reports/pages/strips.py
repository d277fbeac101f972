"""Picture strips: source, driving, generated and the error map side by side."""

from __future__ import annotations

import numpy as np

ERROR_RANGE = 0.5
"""Mean absolute difference, of [0, 1], at which the error map's colours end; fixed, so that strips compare."""


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


def error_map(truth: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """The absolute difference, mean over channels, from 0 (black) to `ERROR_RANGE` and above (light) in the
    perceptually uniform colours "magma"; uint8 (H, W, 3) to uint8 (H, W, 3)."""
    return error_colours(np.abs(truth.astype(np.float64) - generated).mean(axis=2) / 255)


def error_colours(difference: np.ndarray) -> np.ndarray:
    """The colours of an error map, uint8 (H, W, 3), for mean absolute differences (H, W)."""
    import matplotlib

    colours = matplotlib.colormaps["magma"](np.clip(difference / ERROR_RANGE, 0, 1), bytes=True)
    return np.asarray(colours[..., :3])
