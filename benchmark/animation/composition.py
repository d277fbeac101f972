"""Putting pictures together: side by side, and a generated face back into the picture that it was cut out of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEATHER = 0.16  # of the pasted square's side over which it fades into the picture


def beside(panels: Sequence[np.ndarray]) -> np.ndarray:
    """Images (H, W, 3) side by side, all scaled to the height of the last."""
    height = len(panels[-1])
    return np.concatenate([scaled(panel, round(panel.shape[1] * height / len(panel)), height) for panel in panels], 1)


def scaled(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """A uint8 image (H, W, 3) at another size."""
    from PIL import Image

    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


class PasteBack:
    """Puts squares into a picture.

    Args:
        picture: uint8 RGB (H, W, 3).
        square: left, top and side of what was cut out of it.
        longest: a larger side of the picture is scaled down to this one.

    Attributes:
        picture: at the size of the result, whose sides are even.
    """

    def __init__(self, picture: np.ndarray, square: tuple[int, int, int], longest: int) -> None:
        height, width = picture.shape[:2]
        scale = min(1.0, longest / max(height, width))
        self.size = max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
        if scale < 1:
            self.picture = scaled(picture, *self.size)
        else:
            self.picture = picture[: self.size[1], : self.size[0]]
        left, top, side = (round(length * scale) for length in square)
        self._side = max(1, side)
        inside = self.picture[top : top + self._side, left : left + self._side].shape[:2]
        self._place = slice(top, top + inside[0]), slice(left, left + inside[1])
        weights = _feathered(self._side, (left, top, self.size[0] - left - side, self.size[1] - top - side))
        self._weights = weights[: inside[0], : inside[1], None]

    def __call__(self, face: np.ndarray) -> np.ndarray:
        """The picture with a generated face (H, H, 3) in the square."""
        result = self.picture.copy()
        old = result[self._place].astype(np.float32)
        new = scaled(face, self._side, self._side)[: old.shape[0], : old.shape[1]]
        result[self._place] = np.round(old + self._weights * (new - old)).astype(np.uint8)
        return result


def _feathered(side: int, room: tuple[int, int, int, int]) -> np.ndarray:
    """How much of the pasted square shows in each of its pixels, (side, side): all in the middle, nothing at an edge
    that lies inside the picture.

    Args:
        room: pixels between the square and the picture's edge, left, top, right and bottom; where there are none,
            nothing fades.
    """
    ramp = np.clip((np.arange(side, dtype=np.float32) + 0.5) / max(1.0, FEATHER * side), 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    plain = np.ones(side, np.float32)
    left, top, right, bottom = (ramp if pixels > 1 else plain for pixels in room)
    return np.outer(top * bottom[::-1], left * right[::-1])
