"""The picture of what a method looks up in its memory of faces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

import numpy as np

from talkbench.benchmark.inspection.places import Landmarks, Point, find_landmarks, place_points
from talkbench.benchmark.inspection.scales import Scale, share_scales
from talkbench.benchmark.inspection.seen import Seen, ShownModel, as_array, large
from talkbench.core.figure import Grid
from talkbench.core.figure import draw as draw_grid
from talkbench.reports.pages import inspection as draw
from talkbench.reports.pages.inspection import Picture


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
        scaling: ``alike``: maps share a colour scale where their values are alike (`share_scales`); ``each``: every map
            has its own; ``shared``: all have one.
    """
    lookups = [[_lookups(seen) for seen in model.seen] for model in models]
    every = [lookup for faces in lookups for levels in faces for lookup in levels.values()]
    letters = iter(ascii_uppercase)
    scales = share_scales([lookup.maps for lookup in every], scaling, letters)
    spread_scales = share_scales([[lookup.spread] for lookup in every], scaling, letters)
    frames = ["generated"] if models[0].seen[0].transferred else ["driving", "generated"]
    heads = [*frames, *(f"{number} {_words(place)}" for number, place in enumerate(places, 1)), "mean", "spread"]
    blocks, rows_scales = [], zip(scales, spread_scales, strict=True)
    for model, faces in zip(models, lookups, strict=True):
        rows = []
        for seen, levels in zip(model.seen, faces, strict=True):
            images = [draw.with_numbers(large(getattr(seen, frame)), np.array(seen.points)) for frame in frames]
            for level, lookup in levels.items():
                own, (spread_scale,) = next(rows_scales)
                side = len(images[0])
                cells = [_cell(*cell, side, ATTENTION) for cell in zip(lookup.maps, own, strict=True)]
                cells.append(_cell(lookup.spread, spread_scale, side, SPREAD))
                rows.append((f"{seen.label}, {level}×{level}", [*images, *cells]))
        blocks.append((model.label, draw_grid(Grid(heads, rows))))
    keys, told = [], "each map has a colour scale of its own, see its corner"
    if scaling != "each":
        keys = [*_bars(scales, ATTENTION), *_bars(spread_scales, SPREAD)]
        told = _told({"attention": scales, "spread": spread_scales})
    caption = _caption(every[0].maps[0], scaling)
    image = draw.with_legend(draw.joined(blocks), keys)
    return Picture("attention", "Attention over the memory", image, caption, told)


def _caption(values: np.ndarray, scaling: str) -> str:
    """What is to be seen, for maps over the memory's positions as `values` is one, which may leave its border out."""
    return (
        f"What the compensated maps look up in the memory, level by level: over its {'×'.join(map(str, values.shape))} "
        "positions the attention of the numbered places, then its mean over all places of the map. 1× is the share of "
        "a position when attention is even. Spread: for each place of the map, over how many of the "
        f"{values.size} positions it spreads its attention (2 to the power of the entropy): 1 is a single position, "
        f"{values.size} is even attention, which takes the same from the memory everywhere. {_SCALINGS[scaling]}"
    )


_SCALINGS = {
    "alike": "Dark to light is smallest to largest. Rows of maps whose values are alike share a scale; the bars below "
    "tell the scales, and the corner of a map its own range, after the letter of its scale if there are several. A map "
    "whose range is ten times smaller than that of its row has a scale of its own.",
    "each": "Dark to light is smallest to largest in each map for itself; the corners tell the range.",
    "shared": "Dark to light is smallest to largest in all maps alike; the bars below tell the scale, and the corner "
    "of a map its own range.",
}


@dataclass(frozen=True)
class _Kind:
    """What maps show, in words, with their colours and the unit of their values."""

    about: str
    colours: str
    unit: str


ATTENTION = _Kind("even attention", "magma", "×")
SPREAD = _Kind("positions of spread", "viridis", "")


def _cell(values: np.ndarray, scale: Scale, side: int, kind: _Kind) -> np.ndarray:
    return draw.heat_cell(values, side, scale.ends, kind.colours, kind.unit, scale.sign)


def _bars(scales: Sequence[Sequence[Scale]], kind: _Kind) -> Iterator[tuple[np.ndarray, str]]:
    """The shared scales for the legend."""
    shared = {scale for row in scales for scale in row if not scale.own}
    for scale in sorted(shared, key=lambda scale: scale.letter):
        letter = f"{scale.letter}: " if scale.letter else ""
        yield draw.bar(kind.colours, 160, 24), f"{letter}{draw.range_words(scale.ends, kind.unit)} {kind.about}"


def _told(kinds: Mapping[str, Sequence[Sequence[Scale]]]) -> str:
    """How many colour scales there are, in words, for the title."""
    every = {name: {scale for row in rows for scale in row} for name, rows in kinds.items()}
    counts = {name: sum(not scale.own for scale in scales) for name, scales in every.items()}
    words = [
        f"{'one' if count == 1 else count} colour scale{'s' * (count > 1)} of {name}" for name, count in counts.items()
    ]
    several = ", named by the letters in the corners" * (max(counts.values()) > 1)
    own = any(scale.own for scales in every.values() for scale in scales)
    return f"{' and '.join(words)}, see below{several}{'; own: a map with a scale of its own' * own}"


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
        shares = weights.double() / weights.double().sum(-1, keepdim=True)  # of 1 exactly, where attention is even too
        entropy = -(shares * shares.clamp_min(1e-30).log2()).sum(-1)
        lookups[level] = _Lookup(maps, as_array(entropy.exp2().float().view(side, side)))
    return lookups


def _words(place: str | Point) -> str:
    return place.replace("-", " ") if isinstance(place, str) else f"at {place[0]:g}, {place[1]:g}"
