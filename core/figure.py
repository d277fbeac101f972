"""Qualitative figures: rows of pairs, columns of images, with labels that stay readable in print; and error maps."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image, ImageDraw
    from PIL.ImageFont import FreeTypeFont

ERROR_RANGE = 0.5
"""Mean absolute difference, of [0, 1], at which the error map's colours end; fixed, so that strips compare."""

SMALLEST = 192
"""Pixels of an image's shorter side at least: smaller images are enlarged by a whole factor, so that labels fit."""

TEXT = 0.11
"""Height of the labels as a share of an image's: seven columns over the width of a page give about 8 points."""

LEAST, LINE = 11, 1.2
"""Least height of letters in pixels, and the height of a line as a multiple of its letters'."""


@dataclass(frozen=True)
class Grid:
    """A figure before it is drawn.

    Attributes:
        columns: the labels above the columns.
        rows: the labels beside the rows, with the images, uint8 RGB (H, W, 3) of one size, one per column.
        errors: whether error maps are among the images; a scale of their colours is drawn below.
        title: a line above all.
        captions: a line below each row; empty: none.
        note: what stands after the scale of the errors.
        smallest: pixels of an image's shorter side at least.
    """

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[np.ndarray]]]
    errors: bool = False
    title: str = ""
    captions: Sequence[str] = ()
    note: str = ""
    smallest: int = SMALLEST


class Sheet:
    """A drawn figure without its images, into which they are pasted, as often as one likes: a video's panels change and
    its labels stay.

    Attributes:
        size: width and height of the figure in pixels.
    """

    def __init__(self, grid: Grid) -> None:
        from PIL import Image, ImageDraw

        height, width = grid.rows[0][1][0].shape[:2]
        self._factor = math.ceil(grid.smallest / min(height, width))
        height, width = self._factor * height, self._factor * width
        gap, text = max(2, width // 64), round(TEXT * height)
        line = round(1.3 * text)
        heads = [_fitted(label, width, 2 * round(LINE * text), text) for label in grid.columns]
        above, below = (line if grid.title else 0), (line if grid.captions else 0)
        left = 2 * text if any(label for label, _ in grid.rows) else gap
        top = above + gap + line * max(1 + lines.count("\n") for lines, _ in heads)
        foot, step = (2 * text if grid.errors else gap), height + below + gap
        self.size = (left + len(grid.columns) * (width + gap), top + len(grid.rows) * step + foot)
        self._corner, self._steps = (left, top), (width + gap, step)
        self._canvas = Image.new("RGB", self.size, "white")
        pen = ImageDraw.Draw(self._canvas)
        _line(pen, grid.title, left, above // 2, self.size[0] - 2 * left, text)
        for place, (lines, font) in enumerate(heads):
            centre = left + place * (width + gap) + width // 2
            pen.multiline_text((centre, top - gap), lines, "black", font, "md", spacing=0, align="center")
        for number, (label, _) in enumerate(grid.rows):
            y = top + number * step
            if label:
                self._canvas.paste(_upright(label, height, text), (0, y))
            if grid.captions:
                middle, room = y + height + below // 2, self.size[0] - 2 * left
                _line(pen, grid.captions[number], left, middle, room, round(0.8 * text))
        if grid.errors:
            _scale(self._canvas, left, self.size[1] - foot, 2 * width, text, grid.note)

    def paste(self, row: int, column: int, image: np.ndarray) -> None:
        """Put an image, of the size of those of the grid, into its place."""
        from PIL import Image

        (left, top), (right, down) = self._corner, self._steps
        large = image.repeat(self._factor, axis=0).repeat(self._factor, axis=1)
        self._canvas.paste(Image.fromarray(large), (left + column * right, top + row * down))

    def pixels(self) -> np.ndarray:
        """The figure as it is now, uint8 RGB."""
        return np.array(self._canvas)


def draw(grid: Grid) -> np.ndarray:
    """The figure on white, uint8 RGB; its images are as they are, or, if they are small, enlarged by a whole factor:
    each pixel becomes a square."""
    sheet = Sheet(grid)
    for number, (_, images) in enumerate(grid.rows):
        for place, image in enumerate(images):
            sheet.paste(number, place, image)
    return sheet.pixels()


def _line(pen: ImageDraw.ImageDraw, line: str, left: int, middle: int, room: int, size: int) -> None:
    """A line of text from `left` on, smaller where `room` pixels are too few for it."""
    while size > 6 and font(size).getlength(line) > room:
        size -= 1
    pen.text((left, middle), line, "black", font(size), "lm")


def to_png(figure: np.ndarray, dpi: int, description: str = "", keywords: str = "") -> bytes:
    """The figure as PNG file that says at which resolution it is to be printed, and what it shows."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    for name, text in (("Description", description), ("Keywords", keywords)):
        if text:
            texts.add_itxt(name, text)
    file = io.BytesIO()
    Image.fromarray(figure).save(file, format="PNG", dpi=(dpi, dpi), pnginfo=texts)
    return file.getvalue()


def font(size: int) -> FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def error_map(truth: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """The absolute difference, mean over channels, from 0 (black) to `ERROR_RANGE` and above (light) in the
    perceptually uniform colours "magma"; uint8 (H, W, 3) to uint8 (H, W, 3)."""
    sums = np.abs(truth.astype(np.int16) - generated).sum(axis=2)
    return _sum_colours()[sums]


@cache
def _sum_colours() -> np.ndarray:
    """The colours of an error map by the sum of the three channels' differences, which videos look up."""
    return error_colours(np.arange(3 * 255 + 1) / 3 / 255)


def error_colours(difference: np.ndarray) -> np.ndarray:
    """The colours of an error map, uint8 (H, W, 3), for mean absolute differences (H, W)."""
    import matplotlib

    colours = matplotlib.colormaps["magma"](np.clip(difference / ERROR_RANGE, 0, 1), bytes=True)
    return np.asarray(colours[..., :3])


def broken(text: str, letters: FreeTypeFont, width: float) -> list[str]:
    """The text in lines that are not wider than `width`: broken at spaces, and inside of words that are too long."""
    lines = [""]
    for word in text.split(" "):
        line = f"{lines[-1]} {word}" if lines[-1] else word
        if letters.getlength(line) <= width:
            lines[-1] = line
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            lines += [""] if lines[-1] and letters.getlength(lines[-1] + letter) > width else []
            lines[-1] += letter
    return lines


def _fitted(label: str, width: int, height: int, size: int) -> tuple[str, FreeTypeFont]:
    """The label in lines, cut before its ``@`` or at spaces where it is wider than `width`; the letters are of that
    `size`, or as much smaller as `width` and `height` ask for. What is too long for the smallest ends with ``…``."""
    if font(size).getlength(label) > width:
        label = label.replace("@", "\n@")
    for letters in map(font, range(size, min(size, LEAST) - 1, -1)):
        lines = [line for part in label.split("\n") for line in broken(part, letters, width)]
        whole = max(map(letters.getlength, re.split("[ \n]", label))) <= width  # no word is cut
        if whole and LINE * letters.size * len(lines) <= height:
            return "\n".join(lines), letters
    room = max(1, int(height // (LINE * LEAST)))
    if len(lines) > room:
        lines = [*lines[: room - 1], f"{lines[room - 1][:-1]}…"]
    return "\n".join(lines), letters


def _upright(label: str, height: int, text: int) -> Image.Image:
    """The label of a row, written upwards, as an image that is `height` pixels high."""
    from PIL import Image, ImageDraw

    strip = Image.new("RGB", (height, 2 * text), "white")
    lines, font = _fitted(label, height - text // 2, 2 * text, text)
    ImageDraw.Draw(strip).multiline_text((height // 2, text), lines, "black", font, "mm", spacing=0, align="center")
    return strip.rotate(90, expand=True)


def _scale(canvas: Image.Image, left: int, top: int, width: int, text: int, note: str) -> None:
    """What the colours of the error maps mean: a bar between its two ends; and a note."""
    from PIL import Image, ImageDraw

    pen, letters = ImageDraw.Draw(canvas), font(round(0.8 * text))
    middle, start = top + text, "error 0 "
    pen.text((left, middle), start, "black", letters, "lm")
    left += round(letters.getlength(start))
    bar = error_colours(np.tile(np.linspace(0, ERROR_RANGE, width), (round(0.7 * text), 1)))
    canvas.paste(Image.fromarray(bar), (left, middle - len(bar) // 2))
    end = f" {ERROR_RANGE:g} and above, mean over channels{'; ' if note else ''}{note}"
    _line(pen, end, left + width, middle, canvas.width - left - width, round(0.8 * text))
