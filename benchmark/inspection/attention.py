"""The picture of what a method looks up in its memory of faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

import numpy as np

from talkbench.benchmark.inspection.places import Landmarks, Point, find_landmarks, place_points
from talkbench.benchmark.inspection.seen import Seen, ShownModel, as_array, large
from talkbench.reports.pages import inspection as draw
from talkbench.reports.pages.figure import Grid
from talkbench.reports.pages.figure import draw as draw_grid
from talkbench.reports.pages.inspection import Ends, Picture

ALIKE = 10
"""Maps share a scale whose range is at most so many times that of each."""
EVEN = 0.01
"""A map whose range is a smaller share of its largest value is even, and needs no scale of its own."""


def with_places(
    models: Sequence[ShownModel], driving: Sequence[np.ndarray], places: Sequence[str | Point]
) -> tuple[list[ShownModel], str, list[str]]:
    """The models with the points whose attention is drawn, where these come from in words, and notes for the user.

    Named places follow the landmarks of the driving frame, the same for all models; of the generated image where the
    motion was changed on its way. Without landmarks they are fixed.

    Args:
        driving: the frame that drives each of the faces, as it was before the method's size.
    """
    landmarks = find_landmarks() if any(isinstance(place, str) for place in places) else Landmarks()
    faceless, outside, pointed = dict[str, None](), dict[str, None](), []
    for model in models:
        seen = []
        for own, frame in zip(model.seen, driving, strict=True):
            shape = landmarks.points(own.generated if own.transferred else frame)
            points, moved = place_points(places, shape)
            faceless |= {own.label: None} if shape is None and landmarks.extractor else {}
            outside |= {f"{name} of {own.label}": None for name in moved}
            seen.append(replace(own, points=points))
        pointed.append(replace(model, seen=seen))
    notes = []
    if landmarks.problem:
        notes.append(f"places are fixed shares of the picture, since no landmarks are found: {landmarks.problem}")
    if faceless:
        notes.append(f"no face is found ({landmarks.name}) in {', '.join(faceless)}: places are fixed shares there")
    if outside:
        notes.append(f"outside of the picture, and moved to its edge: {', '.join(outside)}")
    frames = "generated images" if models[0].seen[0].transferred else "driving frames"
    words = (
        f"by the landmarks ({landmarks.name}) of the {frames}" if landmarks.extractor else "fixed shares of the picture"
    )
    return pointed, f"{words}, but fixed in {', '.join(faceless)}" if faceless else words, notes


def attention(models: Sequence[ShownModel], places: Sequence[str | Point], scaling: str) -> Picture:
    """What each level looks up in the memory. For each face and level: the attention at the `places`, the mean over
    all places, and over how many positions of the memory each place spreads its attention.

    Args:
        scaling: ``alike``: maps share a colour scale where their values are alike (`group_scales`); ``each``: every map
            has its own; ``shared``: all have one.
    """
    lookups = [[_lookups(seen) for seen in model.seen] for model in models]
    every = [lookup for faces in lookups for levels in faces for lookup in levels.values()]
    letters = iter(ascii_uppercase)
    maps = _scales([values for lookup in every for values in lookup.maps], scaling, letters)
    spreads = _scales([lookup.spread for lookup in every], scaling, letters)
    heads = ["generated", *(f"{number} {_words(place)}" for number, place in enumerate(places, 1)), "mean", "spread"]
    blocks = []
    map_scales, spread_scales = iter(maps), iter(spreads)
    for model, faces in zip(models, lookups, strict=True):
        rows = []
        for seen, levels in zip(model.seen, faces, strict=True):
            frame = draw.with_numbers(large(seen.generated), np.array(seen.points))
            for level, lookup in levels.items():
                cells = [_cell(values, len(frame), next(map_scales), ATTENTION) for values in lookup.maps]
                cells.append(_cell(lookup.spread, len(frame), next(spread_scales), SPREAD))
                rows.append((f"{seen.label}, {level}×{level}", [frame, *cells]))
        blocks.append((model.label, draw_grid(Grid(heads, rows))))
    keys = [] if scaling == "each" else [*_keys(maps, ATTENTION), *_keys(spreads, SPREAD)]
    first = every[0].maps[0]  # which may leave the memory's border out
    caption = (
        f"What the compensated maps look up in the memory, level by level: over its {'×'.join(map(str, first.shape))} "
        "positions the attention of the numbered places, then its mean over all places of the map. 1× is the share of "
        "a position when attention is even. Spread: for each place of the map, over how many of the "
        f"{first.size} positions it spreads its attention (2 to the power of the entropy): 1 is a single position, "
        f"{first.size} is even attention, which takes the same from the memory everywhere. {_SCALINGS[scaling]}"
    )
    image = draw.with_legend(draw.joined(blocks), keys)
    return Picture("attention", "Attention over the memory", image, caption, _told(maps, spreads, scaling))


_SCALINGS = {
    "alike": "Maps whose values are alike share a colour scale, dark to light; the bars below tell the scales, and the "
    "corner of a map its own range, after the letter of its scale if there are several.",
    "each": "Dark to light is smallest to largest in each map for itself; the corners tell the range.",
    "shared": "Dark to light is smallest to largest in all maps alike; the bars below tell the scale, and the corner "
    "of a map its own range.",
}


def group_scales(maps: Sequence[np.ndarray]) -> list[Ends]:
    """For each of the maps the smallest and largest value of its colour scale.

    Maps share a scale that is as wide as all of them together, as long as it is at most `ALIKE` times as wide as each:
    so each still uses a tenth of the colours. Even maps (`EVEN`) take the first scale, that of the widest map.
    """
    ranges = [_range(values) for values in maps]
    widths = [0.0 if high - low < EVEN * abs(high) else high - low for low, high in ranges]
    groups: list[list[int]] = []
    for number in sorted(range(len(maps)), key=lambda number: -widths[number]):
        for group in groups:
            low, high = _joint([ranges[member] for member in (*group, number)])
            if not widths[number] or high - low <= ALIKE * widths[number]:
                group.append(number)
                break
        else:
            groups.append([number])
    ends = {member: _joint([ranges[member] for member in group]) for group in groups for member in group}
    return [ends[number] for number in range(len(maps))]


def _range(values: np.ndarray) -> Ends:
    return float(values.min()), float(values.max())


def _joint(ranges: Sequence[Ends]) -> Ends:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


@dataclass(frozen=True)
class _Kind:
    """What maps show, in words, with their colours and the unit of their values."""

    about: str
    colours: str
    unit: str


ATTENTION = _Kind("attention, 1× is even", "magma", "×")
SPREAD = _Kind("spread over positions", "viridis", "")


@dataclass(frozen=True)
class _Scale:
    """The ends of a colour scale; its `letter`, if there are several of its kind."""

    ends: Ends
    letter: str


def _scales(maps: Sequence[np.ndarray], scaling: str, letters: Iterator[str]) -> list[_Scale]:
    """The colour scale of each of the maps."""
    ranges = [_range(values) for values in maps]
    if scaling == "each":
        return [_Scale(ends, "") for ends in ranges]
    ends = group_scales(maps) if scaling == "alike" else [_joint(ranges)] * len(maps)
    several = sorted({*ends}, key=lambda ends: ends[0] - ends[1])  # the widest first
    names = {own: next(letters) if len(several) > 1 else "" for own in several}
    return [_Scale(own, names[own]) for own in ends]


def _cell(values: np.ndarray, side: int, scale: _Scale, kind: _Kind) -> np.ndarray:
    return draw.heat_cell(values, side, scale.ends, kind.colours, kind.unit, scale.letter)


def _keys(scales: Sequence[_Scale], kind: _Kind) -> Iterator[tuple[np.ndarray, str]]:
    for scale in sorted({*scales}, key=lambda scale: scale.letter):
        letter = f"{scale.letter}: " if scale.letter else ""
        yield draw.bar(kind.colours, 160, 24), f"{letter}{draw.range_words(scale.ends, kind.unit)}, {kind.about}"


def _told(maps: Sequence[_Scale], spreads: Sequence[_Scale], scaling: str) -> str:
    """The colour scales in a few words, for the title."""
    if scaling == "each":
        return "each map has a colour scale of its own, see its corner"
    counts = [len({*scales}) for scales in (maps, spreads)]
    attention, spread = ("one colour scale" if count == 1 else f"{count} colour scales" for count in counts)
    lettered = "" if max(counts) == 1 else ", since values differ by orders of magnitude: the letter in the corner"
    return f"{attention} of attention, {spread} of spread{lettered}; bars below"


@dataclass(frozen=True)
class _Lookup:
    """The attention at one level.

    Attributes:
        maps: over the memory, (m, m): the attention at some places, then the mean over all places, each times the
            number of positions, so that even attention is 1.
        spread: over the map, (s, s): how many positions each place uses.
    """

    maps: list[np.ndarray]
    spread: np.ndarray


def _lookups(seen: Seen) -> dict[int, _Lookup]:
    lookups = {}
    for level, compensation in seen.compensations.items():
        weights, side = compensation.attention()[0], compensation.query.shape[-1]
        rows = [weights[int(y * side) * side + int(x * side)] for x, y in seen.points] + [weights.mean(0)]
        maps = [as_array(len(row) * row.view(compensation.key.shape[-2:])) for row in rows]
        entropy = -(weights * weights.clamp_min(1e-30).log2()).sum(-1)
        lookups[level] = _Lookup(maps, as_array(entropy.exp2().view(side, side)))
    return lookups


def _words(place: str | Point) -> str:
    return place.replace("-", " ") if isinstance(place, str) else f"at {place[0]:g}, {place[1]:g}"
