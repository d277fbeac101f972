"""What the extractors saw: landmarks, face mesh, head axes and gaze, drawn upon the driving and the generated frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.figure import font, to_png
from talkbench.core.files import write_atomic

if TYPE_CHECKING:
    from PIL import Image

TILE = 256
"""Side of a frame in the picture, in pixels."""

SMOOTH = 4
"""Lines are drawn that much larger first, for smooth edges."""

TEXT = 15
"""Height of letters in pixels."""

CASING = (0, 0, 0, 130)
"""Every line has a dark rim, so that light colours show on light skin too."""

PANELS = {"landmarks": "landmarks", "mesh": "mesh and head"}
"""What is drawn upon frames of its own, with its words; the others would hide it."""

FRAMES = ("driving", "generated")


@dataclass(frozen=True)
class Mark:
    """How a kind of what was seen is drawn.

    Attributes:
        extractor: whose features say it.
        panel: of `PANELS`.
        colour: of lines and dots.
        about: what it is, for the legend.
        width: of lines in pixels; dots are twice as wide.
    """

    extractor: str
    panel: str
    colour: str
    about: str
    width: float = 0.8


MARKS = {
    "fan68": Mark("fan68", "landmarks", "#ff7df4", "68 landmarks (fan68)"),
    "dlib68": Mark("dlib68", "landmarks", "#ffd60a", "68 landmarks (dlib68)"),
    "mp68": Mark("mp478", "landmarks", "#2ee6ff", "68 landmarks of the mesh (mp478)"),
    "mtcnn5": Mark("mtcnn5", "landmarks", "#8cff66", "5 landmarks and box (mtcnn5)"),
    "mesh": Mark("mp478", "mesh", "#ffffff", "face mesh (mp478)", 0.6),
    "eyes": Mark("mp478", "mesh", "#2ee6ff", "eyes and irises (mp478)"),
    "left": Mark("mp478", "mesh", "#ff4d4d", "head axis x, to the person's left (mp478)", 2.0),
    "down": Mark("mp478", "mesh", "#5dff5d", "head axis y, from forehead to chin (mp478)", 2.0),
    "ahead": Mark("mp478", "mesh", "#4d9dff", "where the face points, the reverse of head axis z (mp478)", 2.0),
    "gaze": Mark("mp52", "mesh", "#ff7df4", "gaze (mp52)", 1.4),
}
"""How each kind is drawn, in the order of drawing."""


@dataclass(frozen=True)
class Shape:
    """Lines, each (K, 2), and dots (N, 2): x and y as shares of the frame's side, which may lie outside of it."""

    lines: Sequence[np.ndarray] = ()
    dots: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))


Seen = Mapping[str, Shape | None]
"""What was seen in a frame, by the names of `MARKS`; None: its extractor found no face."""


@dataclass(frozen=True)
class SeenPicture:
    """A picture as `write_seen` wrote it.

    Attributes:
        picture: its path relative to the run's folder.
        description: what it shows, in words.
        marks: the names of the kinds that were looked for.
        size: width and height in pixels.
    """

    picture: str
    description: str
    marks: tuple[str, ...]
    size: tuple[int, int]

    @property
    def url(self) -> str:
        """Its address on the page of the run."""
        return quote(self.picture)

    @property
    def panels(self) -> list[str]:
        """The words above the frames, from left to right."""
        return [f"{frame}, {PANELS[panel]}" for panel in _panels(self.marks) for frame in FRAMES]


def legend(pictures: Iterable[SeenPicture | None]) -> dict[str, list[Mark]]:
    """The marks in the pictures by the words of their `PANELS`."""
    names = {name for picture in pictures if picture for name in picture.marks}
    marks = [mark for name, mark in MARKS.items() if name in names]
    return {PANELS[panel]: [mark for mark in marks if mark.panel == panel] for panel in _panels(names)}


def write_seen(path: Path, driving: tuple[np.ndarray, Seen], generated: tuple[np.ndarray, Seen]) -> None:
    """Write a picture of what was seen in the frames of a pair, uint8 RGB (H, W, 3), as PNG that says what it shows.

    Args:
        driving, generated: the frame and what was seen in it, both of the same kinds.
    """
    marks = [name for name in MARKS if name in driving[1]]
    words = _words(marks, dict(zip(FRAMES, (driving[1], generated[1]), strict=True)))
    write_atomic(path, to_png(draw_seen(driving, generated), 96, words, " ".join(marks)))


def read_seen(folder: Path, picture: str) -> SeenPicture | None:
    """What `write_seen` wrote to `picture` below `folder`; None if it is not there, as in runs without landmarks.

    Raises:
        TalkbenchError: the file is damaged.
    """
    from PIL import Image

    path = folder / picture
    if not path.is_file():
        return None
    try:
        with Image.open(path, formats=["PNG"]) as image:
            words, marks, size = image.info["Description"], image.info["Keywords"].split(), image.size
    except (OSError, KeyError) as error:
        raise TalkbenchError(f"cannot show {path}: it is damaged; delete it, and run again with --resume") from error
    return SeenPicture(picture, words, tuple(name for name in marks if name in MARKS), size)


def draw_seen(driving: tuple[np.ndarray, Seen], generated: tuple[np.ndarray, Seen]) -> np.ndarray:
    """The picture: for each of the `PANELS` that has something, the driving and then the generated frame.

    Returns:
        uint8 RGB (`TILE`, n × `TILE`, 3), n being 2 or 4.
    """
    return np.concatenate(
        [_tile(image, seen, panel) for panel in _panels(driving[1]) for image, seen in (driving, generated)], axis=1
    )


def _panels(marks: Iterable[str]) -> list[str]:
    asked = {MARKS[name].panel for name in marks}
    return [panel for panel in PANELS if panel in asked]


def _blind(seen: Seen, panel: str) -> list[str]:
    """The extractors that found no face."""
    missing = [MARKS[name] for name in MARKS if name in seen and seen[name] is None]
    return list(dict.fromkeys(mark.extractor for mark in missing if mark.panel == panel))


def _words(marks: Iterable[str], frames: Mapping[str, Seen]) -> str:
    """What the picture shows, for those who do not see it."""
    said = [f"On the driving and the generated frame: {', '.join(MARKS[name].about for name in marks)}."]
    for frame, seen in frames.items():
        blind = dict.fromkeys(name for panel in PANELS for name in _blind(seen, panel))
        said += [f"No face in the {frame} frame: {', '.join(blind)}."] if blind else []
    return " ".join(said)


def _tile(image: np.ndarray, seen: Seen, panel: str) -> np.ndarray:
    """A frame with the marks of one of the `PANELS` upon it."""
    from PIL import Image

    whole = Image.new("RGBA", (SMOOTH * TILE,) * 2)
    for name, mark in MARKS.items():
        shape = seen.get(name)
        if shape is not None and mark.panel == panel:
            whole.alpha_composite(_layer(shape, mark))
    tile = Image.fromarray(image).resize((TILE, TILE), Image.Resampling.BICUBIC).convert("RGBA")
    tile.alpha_composite(whole.resize(tile.size, Image.Resampling.BOX))
    if blind := _blind(seen, panel):
        _say(tile, [f"no face ({name})" for name in blind])
    return np.asarray(tile.convert("RGB"))


def _layer(shape: Shape, mark: Mark) -> Image.Image:
    """The lines and dots, `SMOOTH` times as large as they will be."""
    from PIL import Image, ImageDraw

    layer = Image.new("RGBA", (SMOOTH * TILE,) * 2)
    pen = ImageDraw.Draw(layer)
    for colour, rim in ((CASING, 1.0), (mark.colour, 0.0)):
        width = round(SMOOTH * (mark.width + rim))
        for line in filter(_finite, shape.lines):
            pen.line([(float(x), float(y)) for x, y in line * layer.width], colour, width, "curve")
        radius = SMOOTH * (mark.width + rim / 2)
        for x, y in filter(_finite, shape.dots * layer.width):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), colour)
    return layer


def _finite(points: np.ndarray) -> bool:
    return bool(np.isfinite(points).all())


def _say(tile: Image.Image, lines: Sequence[str]) -> None:
    """Write lines of text into the lower left corner of a frame, on a dark ground."""
    from PIL import Image, ImageDraw

    letters = font(TEXT)
    width, height = round(max(map(letters.getlength, lines))) + TEXT, round(1.3 * TEXT * len(lines)) + TEXT // 2
    label = Image.new("RGBA", (width, height), (0, 0, 0, 170))
    text = "\n".join(lines)
    ImageDraw.Draw(label).multiline_text((width // 2, height // 2), text, "white", letters, "mm", 2)
    tile.alpha_composite(label, (0, tile.height - height))
