"""Pictures of what happens inside a method: channels of a memory, attention, keypoints, flow and occlusion.

Everything is drawn from arrays; uint8 RGB (H, W, 3) comes out.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.figure import broken, font, to_png
from talkbench.reports.pages.templates import render

if TYPE_CHECKING:
    from PIL import ImageDraw

GAP = 2  # black pixels between two channels of a memory, at its own size (docs/specs/mcnet.md "Figures")
TILE, LARGE_TILE = 64, 128  # side in pixels that one of many, or of a few, channels is enlarged to at least
FEW = 16  # channels
TEXT = 18  # height of letters in pixels
ARROWS = 9  # in a row and in a column of a picture of flow
SMOOTH = 4  # what is drawn upon images is drawn that much larger first, for smooth edges


Ends = tuple[float, float]
"""The values at the two ends of a colour scale."""


@dataclass(frozen=True)
class Picture:
    """A picture with its title, what it shows and how it is scaled.

    Attributes:
        name: of its file, without the suffix.
        scale: how it is scaled, in a few words, for the lines above it.
    """

    name: str
    title: str
    image: np.ndarray
    caption: str
    scale: str = ""

    @cached_property
    def png(self) -> bytes:
        """The file, which holds the caption too."""
        return to_png(self.image, 300, f"{self.title}. {self.caption}")


def page(title: str, about: Sequence[tuple[str, str]], pictures: Sequence[Picture]) -> str:
    """A page that needs no other file; `about`: how the pictures were made, as labels and values."""
    contexts = [
        {
            "title": picture.title,
            "caption": picture.caption,
            "file": f"{picture.name}.png",
            "size": picture.image.shape[1::-1],
            "url": "data:image/png;base64," + base64.b64encode(picture.png).decode(),
        }
        for picture in pictures
    ]
    return render("inspection.html", title=title, about=about, pictures=contexts)


def grey(channels: np.ndarray, scaling: str) -> np.ndarray:
    """Channels (N, h, w) as uint8, from black for the smallest value to white for the largest.

    Args:
        scaling: ``each``: black and white are the ends of the channel, as in the authors' training monitor; ``shared``:
            they are the ends of the whole array.
    """
    axes = (1, 2) if scaling == "each" else None
    low, high = channels.min(axis=axes, keepdims=True), channels.max(axis=axes, keepdims=True)
    return np.round(255 * (channels - low) / np.maximum(high - low, np.finfo(np.float32).tiny)).astype(np.uint8)


def tiled(tiles: np.ndarray, columns: int) -> np.ndarray:
    """Tiles (N, h, w), or in colour (N, h, w, 3), row by row in one image, with black gaps between them."""
    _, height, width, *colours = tiles.shape
    rows = math.ceil(len(tiles) / columns)
    image = np.zeros((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, *colours), np.uint8)
    for number, tile in enumerate(tiles):
        y, x = (height + GAP) * (number // columns), (width + GAP) * (number % columns)
        image[y : y + height, x : x + width] = tile
    return image


def channel_grid(tiles: np.ndarray, columns: int, numbers: Sequence[int]) -> np.ndarray:
    """Grey tiles (N, h, w) enlarged, each row with the `numbers` of its channels beside it."""
    image = coloured(tiled(tiles, columns))
    factor = enlargement(tiles.shape[1], len(tiles))
    starts = range(0, len(tiles), columns)
    labels = [_span(numbers[start : start + columns]) for start in starts]
    return labelled(enlarged(image, factor), labels, factor * (tiles.shape[1] + GAP))


def _span(numbers: Sequence[int]) -> str:
    """Neighbours as ``16–31``, others one by one."""
    if len(numbers) > 1 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}–{numbers[-1]}"
    return ", ".join(map(str, numbers))


def face_rows(rows: Sequence[tuple[str, np.ndarray, np.ndarray]], heads: Sequence[str]) -> np.ndarray:
    """Each row a face (S, S, 3), then its grey tiles (N, h, w), with a label beside it; `heads` stand above the tiles.

    Faces are of the tiles' enlarged side.
    """
    factor = enlargement(rows[0][2].shape[1], len(heads))
    lines = []
    for _, face, tiles in rows:
        line = enlarged(coloured(tiled(tiles, len(tiles))), factor)
        gap = np.zeros((len(line), factor * GAP, 3), np.uint8)
        lines.append(np.concatenate([face, gap, line], axis=1))
    step = len(lines[0]) + factor * GAP
    gap = np.zeros((factor * GAP, lines[0].shape[1], 3), np.uint8)
    image = np.concatenate([part for line in lines for part in (line, gap)][:-1])
    return labelled(image, [label for label, *_ in rows], step, ["", *heads])


def enlargement(side: int, count: int) -> int:
    """The whole factor that makes each of so many channels large enough to see."""
    return math.ceil((LARGE_TILE if count <= FEW else TILE) / side)


def enlarged(image: np.ndarray, factor: int) -> np.ndarray:
    """Every pixel as `factor` × `factor` pixels."""
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def coloured(image: np.ndarray) -> np.ndarray:
    """Grey (H, W) as RGB (H, W, 3)."""
    return np.repeat(image[..., None], 3, axis=-1)


def labelled(image: np.ndarray, rows: Sequence[str], step: int, heads: Sequence[str] = ()) -> np.ndarray:
    """The image on white, with labels left of its rows and above its columns, which begin every `step` pixels."""
    from PIL import Image, ImageDraw

    size = max(TEXT, min(24, step // 6))
    letters = font(size)
    left = round(max((letters.getlength(row) for row in rows), default=0)) + size
    top = 2 * size if any(heads) else 0
    canvas = Image.new("RGB", (left + image.shape[1], top + image.shape[0]), "white")
    canvas.paste(Image.fromarray(image), (left, top))
    pen = ImageDraw.Draw(canvas)
    for number, row in enumerate(rows):
        pen.text((left - size // 2, top + number * step + step // 2), row, "black", letters, "rm")
    for number, head in enumerate(heads):
        pen.text((left + number * step + step // 2, size), head, "black", letters, "mm")
    return np.asarray(canvas)


def joined(parts: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """Images with titles above them, if there are several; side by side if they are higher than wide."""
    from PIL import Image, ImageDraw

    if len(parts) == 1:
        return parts[0][1]
    size = max(TEXT, parts[0][1].shape[1] // 60)
    letters, line = font(round(1.2 * size)), 2 * size
    titles = [broken(title, letters, max(image.shape[1], 12 * size) - size) for title, image in parts]
    tops = [line * len(lines) for lines in titles]
    beside = parts[0][1].shape[0] > parts[0][1].shape[1]
    tops = [max(tops)] * len(parts) if beside else tops
    widths = [max(image.shape[1], 12 * size) for _, image in parts]
    heights = [image.shape[0] + top for (_, image), top in zip(parts, tops, strict=True)]
    gaps = line * (len(parts) - 1)
    whole = (sum(widths) + gaps, max(heights)) if beside else (max(widths), sum(heights) + gaps)
    canvas, x, y = Image.new("RGB", whole, "white"), 0, 0
    pen = ImageDraw.Draw(canvas)
    for (_, image), lines, top, width, height in zip(parts, titles, tops, widths, heights, strict=True):
        for number, text in enumerate(lines):
            pen.text((x + size // 2, y + line * number + size), text, "black", letters, "lm")
        canvas.paste(Image.fromarray(image), (x, y + top))
        x, y = (x + width + line, y) if beside else (x, y + height + line)
    return np.asarray(canvas)


def with_points(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Marks on an image at `points` (K, 2), (x, y) as shares of its width and height: each another colour or shape."""
    radius = 0.026 * min(1.0, (20 / len(points)) ** 0.5)

    def mark(pen: ImageDraw.ImageDraw, number: int, centre: np.ndarray, side: int) -> None:
        shape, colour = SHAPES[number // len(COLOURS) % len(SHAPES)], COLOURS[number % len(COLOURS)]
        corners = [(float(x), float(y)) for x, y in centre + side * radius * shape]
        pen.polygon(corners, colour, "black", round(side / 150))

    return _marked(image, points, mark)


def with_numbers(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Discs on an image at `points`, as in `with_points`, each with its number from 1 on white."""

    def mark(pen: ImageDraw.ImageDraw, number: int, centre: np.ndarray, side: int) -> None:
        (x, y), radius = centre, 0.045 * side
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), "white", "black", round(side / 150))
        pen.text((x, y), str(number + 1), "black", font(round(1.5 * radius)), "mm")

    return _marked(image, points, mark)


def _marked(image: np.ndarray, points: np.ndarray, mark: Callable[..., None]) -> np.ndarray:
    from PIL import Image, ImageDraw

    size = image.shape[1::-1]
    layer = Image.new("RGBA", (SMOOTH * size[0], SMOOTH * size[1]))
    pen = ImageDraw.Draw(layer)
    for number, centre in enumerate(points * layer.size):
        mark(pen, number, centre, layer.width)
    canvas = Image.fromarray(image).convert("RGBA")
    canvas.alpha_composite(layer.resize(size, Image.Resampling.BOX))
    return np.asarray(canvas.convert("RGB"))


def _polygon(corners: int, turn: float = 0.0, size: float = 1.0) -> np.ndarray:
    angles = 2 * np.pi * (np.arange(corners) / corners + turn)
    return size * np.stack([np.sin(angles), -np.cos(angles)], axis=1)


COLOURS = ("#ffffff", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
"""White and the colours of Okabe and Ito, which the colour-blind tell apart."""
SHAPES = (_polygon(24), _polygon(4, 1 / 8, 1.25), _polygon(3, 0, 1.45), _polygon(4, 0, 1.4), _polygon(3, 0.5, 1.45))
"""Disc, square, triangle, diamond, triangle upside down, as corners around (0, 0)."""


def flow_colours(flow: np.ndarray, full: float) -> np.ndarray:
    """Displacements (H, W, 2), (x, y), on the colour wheel: the hue is the direction, white is none, and the colour is
    full where the length is `full` or more."""
    from matplotlib.colors import hsv_to_rgb

    length = np.hypot(flow[..., 0], flow[..., 1])
    hue = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1
    hsv = np.stack([hue, np.minimum(length / full, 1), np.ones_like(hue)], axis=-1)
    return np.round(255 * hsv_to_rgb(hsv)).astype(np.uint8)


def with_rim(image: np.ndarray) -> np.ndarray:
    """The image with a grey rim, without which one that is white could not be seen on white."""
    image = image.copy()
    image[[0, -1]] = image[:, [0, -1]] = 190
    return image


def with_arrows(image: np.ndarray, flow: np.ndarray, full: float) -> np.ndarray:
    """Arrows upon an image (H, W, 3) that say where displacements (H, W, 2) lead: one in every `ARROWS`-th of its side,
    as long as that where the length is `full` or more; none where it is almost nothing."""
    side = len(image)
    starts = (np.arange(ARROWS) + 0.5) / ARROWS
    points = np.stack(np.meshgrid(starts, starts), axis=-1).reshape(-1, 2)
    rows, columns = (points[:, ::-1] * side).astype(int).T
    steps = flow[rows, columns] / full
    lengths = np.hypot(*steps.T)
    steps = steps / np.maximum(lengths, 1)[:, None] * 0.9 / ARROWS
    long = lengths > 0.08

    def mark(pen: ImageDraw.ImageDraw, number: int, centre: np.ndarray, size: int) -> None:
        way = size * steps[long][number]
        across, width = np.array([-way[1], way[0]]), round(size / 220)
        corners = [(float(x), float(y)) for x, y in centre + np.array([way / 2, across / 4, -across / 4])]
        pen.line([*(centre - way / 2), *centre], "black", width)
        pen.polygon(corners, "black")

    return _marked(image, points[long], mark)


def heat(values: np.ndarray, low: float, high: float, colours: str = "magma") -> np.ndarray:
    """Values (H, W) in a perceptually uniform colour map, from `low` to `high`."""
    import matplotlib

    share = np.clip((values - low) / max(high - low, float(np.finfo(np.float32).tiny)), 0, 1)
    return np.asarray(matplotlib.colormaps[colours](share, bytes=True)[..., :3])


def heat_cell(values: np.ndarray, side: int, ends: Ends, colours: str, unit: str, sign: str = "") -> np.ndarray:
    """A square map in colours from one of its `ends` to the other, as large as `side` says, with its smallest and
    largest value in a corner, after the `sign` of its scale."""
    places = np.arange(side) * len(values) // side
    text = range_words((float(values.min()), float(values.max())), unit)
    return stamped(heat(values, *ends, colours)[places][:, places], f"{sign}  {text}" if sign else text)


def range_words(ends: Ends, unit: str) -> str:
    """From the smaller to the larger value, as precise as the larger has three digits."""
    low, high = ends
    digits = max(0, 2 - math.floor(math.log10(high))) if high > 0 else 2
    return f"{low:.{digits}f}–{high:.{digits}f}{unit}"


def stamped(image: np.ndarray, text: str) -> np.ndarray:
    """The image with a small text in its lower left corner."""
    from PIL import Image, ImageDraw

    canvas = Image.fromarray(image)
    pen: ImageDraw.ImageDraw = ImageDraw.Draw(canvas)
    letters = font(max(10, image.shape[0] // 14))
    margin, bottom = letters.size // 3, image.shape[0] - 1
    width = letters.getlength(text)
    pen.rectangle((0, bottom - letters.size - 2 * margin, width + 2 * margin, bottom), "black")
    pen.text((margin, bottom - margin - letters.size / 2), text, "white", letters, "lm")
    return np.asarray(canvas)


def wheel(side: int) -> np.ndarray:
    """The colours of `flow_colours`: a disc whose rim is full, on white."""
    axis = np.linspace(-1, 1, side)
    flow = np.stack(np.meshgrid(axis, axis), axis=-1)
    inside = np.hypot(flow[..., 0], flow[..., 1]) <= 1
    return np.where(inside[..., None], flow_colours(flow, 1.0), np.uint8(255))


def bar(colours: str, length: int, height: int) -> np.ndarray:
    """The colours of `heat` from left to right."""
    return heat(np.tile(np.linspace(0, 1, length), (height, 1)), 0, 1, colours)


def with_legend(image: np.ndarray, keys: Sequence[tuple[np.ndarray, str]]) -> np.ndarray:
    """The image with lines below it: small images, each followed by what it means, as many in a line as go into it."""
    from PIL import Image, ImageDraw

    if not keys:
        return image
    size = max(TEXT, image.shape[1] // 90)
    letters, left = font(size), 2 * TEXT
    height = max(size, *(len(key) for key, _ in keys)) + TEXT
    widths = [key.shape[1] + TEXT // 2 + round(letters.getlength(text)) + 2 * TEXT for key, text in keys]
    places, x, line = [], left, 0
    for width in widths:
        if x > left and x + width > image.shape[1]:
            x, line = left, line + 1
        places.append((x, line))
        x += width
    whole = max(image.shape[1], left + max(widths))
    canvas = Image.new("RGB", (whole, image.shape[0] + TEXT + height * (line + 1)), "white")
    canvas.paste(Image.fromarray(image), (0, 0))
    for (key, text), (x, line) in zip(keys, places, strict=True):
        middle = image.shape[0] + TEXT // 2 + height * line + height // 2
        canvas.paste(Image.fromarray(key), (x, middle - len(key) // 2))
        ImageDraw.Draw(canvas).text((x + key.shape[1] + TEXT // 2, middle), text, "black", letters, "lm")
    return np.asarray(canvas)


def headed(image: np.ndarray, title: str, lines: Sequence[str]) -> np.ndarray:
    """The image on white below its title and smaller `lines`, broken where they are wider than the image."""
    from PIL import Image, ImageDraw

    size = max(24, image.shape[1] // 50)
    width = max(image.shape[1], 24 * size)
    texts = [(title, font(size)), *((line, font(round(0.75 * size))) for line in lines)]
    parts = [(part, letters) for text, letters in texts for part in broken(text, letters, width - size)]
    heights = [round(1.4 * letters.size) for _, letters in parts]
    top = sum(heights) + size
    canvas = Image.new("RGB", (width, top + image.shape[0]), "white")
    canvas.paste(Image.fromarray(image), (0, top))
    pen, y = ImageDraw.Draw(canvas), size // 2
    for (part, letters), height in zip(parts, heights, strict=True):
        pen.text((size // 2, y + height // 2), part, "black", letters, "lm")
        y += height
    return np.asarray(canvas)
