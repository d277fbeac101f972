"""Quality versus speed as a picture: places of points, ticks and labels, the same from the same numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from talkbench.reports.leaderboard.board import BoardCell, BoardColumn, BoardGroup, BoardLine
from talkbench.reports.numbers import unit_sign

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 724, 34, 340
LETTER = 8.0
"""Approximate width of a letter of a label."""

SHAPES = 3
"""Devices that are told apart by the shape of their points; the last stands for all others."""

Scale = Callable[[float], float]
"""Gives the place of a number on an axis."""


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Point:
    """A system.

    Attributes:
        device: number of its device, which decides its shape.
        whisker: the ends of its 95 % interval.
        anchor: of the label; "" where it would cover another one.
    """

    x: float
    y: float
    label: str
    about: str
    device: int
    whisker: tuple[float, float] | None = None
    yardstick: bool = False
    anchor: str = ""
    text_x: float = 0.0
    text_y: float = 0.0


@dataclass(frozen=True)
class Plot:
    title: str
    caption: str
    axis: str
    points: tuple[Point, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    front: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    bottom: int = BOTTOM


def plot_of(group: BoardGroup) -> Plot | None:
    """The systems of a group by speed (to the right) and by the first metric that orders them (better is up); None if
    fewer than two systems have both numbers."""
    if group.main is None:
        return None
    column = group.columns[group.main]
    all_cells = [(line, line.cells[group.main]) for line in group.lines]
    lines = [line for line, cell in all_cells if line.fps and cell.value is not None and not cell.marks]
    if len(lines) < 2:
        return None
    cells = [line.cells[group.main] for line in lines]
    values = [cell.value or 0.0 for cell in cells]
    speeds = [line.fps or 1.0 for line in lines]
    reach = [*values, *(end for cell in cells for end in cell.ends or ())]
    low, high, step = _range(min(reach), max(reach))
    first, last = _decades(min(speeds), max(speeds))
    up = column.direction == "higher"

    def x_of(speed: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * math.log(speed / first) / math.log(last / first), 1)

    def y_of(value: float) -> float:
        part = (value - low) / (high - low)
        return round(BOTTOM - (BOTTOM - TOP) * (part if up else 1 - part), 1)

    devices = [name for name, _ in sorted(Counter(line.device for line in lines).items(), key=lambda d: (-d[1], d[0]))]
    points = _points(lines, group.main, column, devices, (x_of, y_of))
    ticks = [low + step * number for number in range(round((high - low) / step) + 1)]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return Plot(
        title="Quality against speed",
        caption=_caption(devices),
        axis=f"{_title(column)}, better is up",
        points=tuple(_labelled(points)),
        x_ticks=tuple(Tick(x_of(speed), _plain(speed)) for speed in _speeds(first, last)),
        y_ticks=tuple(Tick(y_of(tick), f"{tick:z.{decimals}f}") for tick in ticks),
        front=_front([point for point in points if point.device == 0 and not point.yardstick]),
    )


def _points(
    lines: Sequence[BoardLine], main: int, column: BoardColumn, devices: Sequence[str], scales: tuple[Scale, Scale]
) -> list[Point]:
    """A point per line; `scales`: of speeds from left to right, and of values from top to bottom."""
    x_of, y_of = scales
    return [
        Point(
            x_of(line.fps or 1.0),
            y_of(cell.value or 0.0),
            line.label,
            _about(line, column, cell),
            min(devices.index(line.device), SHAPES - 1),
            whisker=(y_of(cell.ends[0]), y_of(cell.ends[1])) if cell.ends else None,
            yardstick=line.yardstick,
        )
        for line, cell in ((line, line.cells[main]) for line in lines)
    ]


def _about(line: BoardLine, column: BoardColumn, cell: BoardCell) -> str:
    interval = f" ({cell.interval})" if cell.interval else ""
    return f"{line.label}: {column.name} {cell.text}{interval}, {line.fps:.1f} frames/s on {line.device}"


def _title(column: BoardColumn) -> str:
    unit = unit_sign(column.unit)
    return f"{column.title} ({unit})" if unit else column.title


_KEY = (
    "Upright bars are 95 % intervals; the broken line joins the systems that none of the others beats in both quality "
    "and speed."
)


def _caption(devices: Sequence[str]) -> str:
    if len(devices) == 1:
        return f"Speed measured on {devices[0]}. {_KEY}"
    shapes = ["Circles", "squares", "triangles"]
    named = [f"{shapes[number]}: {name}" for number, name in enumerate(devices[: SHAPES - 1])]
    others = devices[SHAPES - 1 :]
    named += [f"{shapes[-1]}: {others[0] if len(others) == 1 else 'other devices'}"] if others else []
    return f"{', '.join(named)}; speeds on different devices do not compare. {_KEY.replace('systems', 'circles')}"


def _range(low: float, high: float) -> tuple[float, float, float]:
    """Round ends around the values, and the step between ticks."""
    span = high - low or abs(high) or 1.0
    step = 10.0 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (factor * step) <= 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    return first * step, (last + (first == last)) * step, step


def _decades(low: float, high: float) -> tuple[float, float]:
    """The ends of the axis of speeds: the numbers of the series 1, 2, 5, 10 … next to the lowest and highest speed."""
    marks = [factor * 10.0**power for power in range(-4, 7) for factor in (1, 2, 5)]
    first = max((mark for mark in marks if mark <= low * 0.95), default=low * 0.9)
    last = min((mark for mark in marks if mark >= high * 1.05), default=high * 1.1)
    return first, last


def _speeds(first: float, last: float) -> list[float]:
    marks = [factor * 10.0**power for power in range(-4, 7) for factor in (1, 2, 5)]
    ticks = [mark for mark in marks if first <= mark <= last * 1.0001]
    return ticks if len(ticks) < 9 else [mark for mark in ticks if f"{mark:e}".startswith("1")]


def _plain(value: float) -> str:
    return f"{Decimal(repr(round(value, 6))).normalize():f}"


def _front(points: Sequence[Point]) -> str:
    """The points that have no other point both above and to the right of them, from left to right."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (-point.x, point.y)):
        if not best or point.y < best[-1].y:
            best.append(point)
    return " ".join(f"{point.x},{point.y}" for point in reversed(best)) if len(best) > 1 else ""


def _labelled(points: Sequence[Point]) -> list[Point]:
    """The points with a label each where there is room for it, the better ones first."""
    taken = [(point.x - 7, point.y - 7, point.x + 7, point.y + 7) for point in points]
    labelled = []
    for point in sorted(points, key=lambda point: (point.y, -point.x)):
        label = point.label if len(point.label) <= 28 else point.label[:27] + "…"
        width = LETTER * len(label)
        places = (
            ("start", point.x + 10, point.y + 4, point.x + 9, point.y - 8),
            ("end", point.x - 10, point.y + 4, point.x - 9 - width, point.y - 8),
            ("middle", point.x, point.y - 11, point.x - width / 2, point.y - 22),
            ("middle", point.x, point.y + 21, point.x - width / 2, point.y + 9),
        )
        for anchor, x, y, left, top in places:
            box = (left, top, left + width, top + 14)
            if box[0] >= LEFT and box[2] <= WIDTH and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                point = Point(**{**vars(point), "label": label, "anchor": anchor,
                                 "text_x": round(x, 1), "text_y": round(y, 1)})  # fmt: skip
                break
        labelled.append(point)
    return labelled


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
