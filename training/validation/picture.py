"""The picture of some validation pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from talkbench.core.figure import Grid, draw, error_map
from talkbench.core.images import write_png

SIDE = 256
"""Pixels of an image's side at least; smaller ones are enlarged by a whole factor, each pixel a square."""

COLUMNS = ("source", "driving", "generated", "error", "error of copying")


@dataclass(frozen=True)
class Row:
    """A pair, uint8 (H, W, 3), and what stands below it."""

    source: np.ndarray
    driving: np.ndarray
    generated: np.ndarray
    caption: str


def write(title: str, rows: Sequence[Row], path: Path) -> None:
    """The pairs as a PNG file: the frames, what is generated, its error map, and that of the source simply copied."""
    images = []
    for row in rows:
        errors = (error_map(row.driving, row.generated), error_map(row.driving, row.source))
        images.append(("", (row.source, row.driving, row.generated, *errors)))
    captions = [row.caption for row in rows]
    side = len(rows[0].source)
    note = f"{side}x{side} pixels{', enlarged by nearest neighbour' if side < SIDE else ''}"
    figure = Grid(COLUMNS, images, errors=True, title=title, captions=captions, note=note, smallest=SIDE)
    write_png(path, draw(figure))
