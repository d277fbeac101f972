"""Pictures with faces that are rectangles, and what a detector sees of them."""

import numpy as np

SKIN = (250, 200, 10)
"""Colour of the faces that the detector of the tests sees; columns of it that are apart are several faces."""


def painted(width, height, *boxes, colour=(40, 60, 80)):
    """A picture with faces at `boxes`: left, top, right, bottom."""
    image = np.full((height, width, 3), colour, np.uint8)
    image[..., 2] += np.arange(width, dtype=np.uint8) // 2
    for left, top, right, bottom in boxes:
        image[top:bottom, left:right] = SKIN
    return image


def seen(image):
    skin = (np.abs(image.astype(int) - SKIN) < 30).all(axis=2)
    columns = np.flatnonzero(skin.any(axis=0))
    boxes = []
    for run in np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1) if len(columns) else []:
        rows = np.flatnonzero(skin[:, run].any(axis=1))
        boxes.append((run[0], rows[0], run[-1] + 1, rows[-1] + 1))
    boxes.sort(key=lambda box: -(box[2] - box[0]) * (box[3] - box[1]))
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)
