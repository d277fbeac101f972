"""The pictures of `bench inspect`, drawn from what was seen inside a method; each caption explains the scales."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from talkbench.core.errors import TalkbenchError
from talkbench.core.figure import Grid
from talkbench.core.figure import draw as draw_grid
from talkbench.core.images import resize, to_uint8
from talkbench.methods.inside import Inside
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import coordinate_grid
from talkbench.methods.mcnet.memory import Compensation, MemoryInside, MemoryMethod
from talkbench.reports.pages import inspection as draw
from talkbench.reports.pages.inspection import Picture

COLUMNS, CHOSEN_COLUMNS = 16, 6  # of the authors' pictures of all channels, and of some (docs/specs/mcnet.md "Figures")
PAPER_CHANNELS = (3, 9, 33, 13, 23, 459, 108, 149, 196, 171, 418, 369)  # those of the paper's figures
PLACES = ((0.35, 0.42), (0.65, 0.42), (0.5, 0.72), (0.5, 0.15), (0.08, 0.08))
"""Shares of width and height: in a cropped face about the eyes, the mouth and the forehead, and a corner."""
SIDE = 192  # pixels that an image is enlarged to at least, by a whole factor


@dataclass(frozen=True)
class Seen:
    """A face as a method sees it, and what happens inside.

    Attributes:
        source, driving: uint8 (S, S, 3).
        transferred: whether the motion was changed on its way from the driving frame.
        inside: what happens in the method, for this face alone.
    """

    label: str
    source: np.ndarray
    driving: np.ndarray
    transferred: bool
    inside: Inside

    @property
    def generated(self) -> np.ndarray:
        """The image that the method makes."""
        return _image(self.inside.prediction)

    @property
    def compensations(self) -> Mapping[int, Compensation]:
        """By level, what the memory becomes for this face and how it is asked; the method must have a memory."""
        assert isinstance(self.inside, MemoryInside)
        return self.inside.compensations


@dataclass(frozen=True)
class ShownModel:
    """A method with weights and the faces that it saw; the `label` tells several such models from one another."""

    label: str
    method: Method[Any, Any]
    seen: Sequence[Seen] = ()

    @property
    def has_memory(self) -> bool:
        """Whether there is a memory of faces to look at."""
        return isinstance(self.method, MemoryMethod) and self.method.memory() is not None

    @property
    def memory(self) -> np.ndarray:
        """The memory of all faces, (C, m, m); there must be one."""
        assert isinstance(self.method, MemoryMethod)
        memory = self.method.memory()
        assert memory is not None
        return _array(memory[0])


def memory(models: Sequence[ShownModel], channels: Sequence[int] | str, scaling: str) -> Picture:
    """What was learned of all faces: a grid for each model, in it a tile for each of the `channels` (or `ALL`)."""
    whole = models[0].memory
    chosen = _chosen(channels, models[0])
    values = np.stack([model.memory[chosen] for model in models])
    tiles = draw.grey(values.reshape(-1, *values.shape[2:]), scaling).reshape(values.shape)
    grids = [(model.label, _grid(part, chosen)) for model, part in zip(models, tiles, strict=True)]
    caption = (
        f"{_some(chosen, whole)} of the memory that {_names(models)} learned, which is the same for all faces and all "
        f"frames. Each channel is a map of {_by(whole)}; their numbers stand at the left. {_scale(values, scaling)}"
    )
    return Picture("memory", "Meta memory", draw.joined(grids), caption)


def conditioned_memory(
    models: Sequence[ShownModel], channels: Sequence[int] | str | None, scaling: str, level: int | None
) -> Picture:
    """What the memory becomes for each face, below what it is for all faces.

    Args:
        channels: to draw, in a row for each face, or in a grid if they are many; None: a few.
        level: side of the map that the memory is conditioned for; None: the deepest.
    """
    first = models[0]
    levels = list(first.seen[0].compensations)
    level = levels[0] if level is None else level
    if level not in levels:
        raise TalkbenchError(f"{first.method.name} has no level {level}; it has {', '.join(map(str, levels))}")
    chosen = _characteristic(first.memory) if channels is None else _chosen(channels, first)
    meta = np.stack([model.memory[chosen] for model in models])
    faces = np.stack([[_array(seen.compensations[level].memory[0])[chosen] for seen in model.seen] for model in models])
    tiles = [draw.grey(x.reshape(-1, *x.shape[-2:]), scaling).reshape(x.shape) for x in (meta[:, None], faces)]
    blocks = []
    for model, rows in zip(models, np.concatenate(tiles, axis=1), strict=True):
        labels = ["meta memory", *(seen.label for seen in model.seen)]
        if len(chosen) > COLUMNS:
            name = f"{model.label}, " if len(models) > 1 else ""
            blocks += [(f"{name}{label}", _grid(row, chosen)) for label, row in zip(labels, rows, strict=True)]
            continue
        side = draw.enlargement(rows.shape[-1]) * rows.shape[-1]
        images = [np.zeros((side, side, 3), np.uint8), *(resize(seen.source, side) for seen in model.seen)]
        lines = list(zip(labels, images, rows, strict=True))
        blocks.append((model.label, draw.face_rows(lines, [str(channel) for channel in chosen])))
    caption = (
        f"{_some(chosen, first.memory)}{_why(chosen, channels)}: first as in the meta memory, then as conditioned on "
        f"each source face, for the map of {level}×{level} that the memory compensates. {_scale(faces, scaling)}"
        f"{' The meta memory has a scale of its own.' * (scaling == 'shared')}"
    )
    return Picture("conditioned-memory", "Memory conditioned on faces", draw.joined(blocks), caption)


def _grid(tiles: np.ndarray, numbers: Sequence[int]) -> np.ndarray:
    """As in the authors' pictures: a few channels in rows of six, many in rows of sixteen."""
    return draw.channel_grid(tiles, COLUMNS if len(tiles) > len(PAPER_CHANNELS) else CHOSEN_COLUMNS, numbers)


def _some(chosen: Sequence[int], memory: np.ndarray) -> str:
    count = len(memory)
    return f"All {count} channels" if len(set(chosen)) == count else f"{len(chosen)} of the {count} channels"


def _why(chosen: Sequence[int], channels: object) -> str:
    if channels is not None:
        return ""
    return (
        ", those of the paper's figures" if tuple(chosen) == PAPER_CHANNELS else ", those that vary most over the map"
    )


def attention(models: Sequence[ShownModel], places: Sequence[tuple[float, float]], scaling: str) -> Picture:
    """What each level looks up in the memory. For each face and level: the attention at some `places`, the mean over
    all places, and over how many positions of the memory each place spreads its attention."""
    lookups = [[_lookups(seen, places) for seen in model.seen] for model in models]
    every = [lookup for faces in lookups for levels in faces for lookup in levels.values()]
    ends = _ends([values for lookup in every for values in lookup.maps]) if scaling == "shared" else None
    spreads = _ends([lookup.spread for lookup in every]) if scaling == "shared" else None
    heads = ["generated", *(f"place {number + 1}" for number in range(len(places))), "all places", "spread"]
    blocks = []
    for model, faces in zip(models, lookups, strict=True):
        rows = []
        for seen, levels in zip(model.seen, faces, strict=True):
            frame = draw.with_points(_large(seen.generated), np.array(places), numbers=True)
            for level, lookup in levels.items():
                cells = [draw.heat_cell(values, len(frame), ends, "magma", "×") for values in lookup.maps]
                cells.append(draw.heat_cell(lookup.spread, len(frame), spreads, "viridis", ""))
                rows.append((f"{seen.label}, {level}×{level}", [frame, *cells]))
        blocks.append((model.label, draw_grid(Grid(heads, rows))))
    keys = every[0].maps  # which may leave the memory's border out
    caption = (
        f"What the compensated maps look up in the memory, level by level: over its {_by(np.stack(keys))} positions "
        "the attention of the numbered places, then the average of all places. 1× is the share of a position when "
        f"attention is even. Spread: for each place of the map, over how many of the {keys[0].size} positions it "
        f"spreads its attention (2 to the power of the entropy): 1 is a single position, {keys[0].size} is even "
        "attention, which takes the same from the memory everywhere. Dark to light is smallest to largest, "
        f"{'in each map for itself; the corners tell the range' if ends is None else 'in all maps alike'}."
    )
    return Picture("attention", "Attention over the memory", draw.joined(blocks), caption)


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


def _lookups(seen: Seen, places: Sequence[tuple[float, float]]) -> dict[int, _Lookup]:
    lookups = {}
    for level, compensation in seen.compensations.items():
        weights, side = compensation.attention()[0], compensation.query.shape[-1]
        rows = [weights[int(y * side) * side + int(x * side)] for x, y in places] + [weights.mean(0)]
        maps = [_array(len(row) * row.view(compensation.key.shape[-2:])) for row in rows]
        entropy = -(weights * weights.clamp_min(1e-30).log2()).sum(-1)
        lookups[level] = _Lookup(maps, _array(entropy.exp2().view(side, side)))
    return lookups


def _ends(maps: Sequence[np.ndarray]) -> tuple[float, float]:
    return min(float(values.min()) for values in maps), max(float(values.max()) for values in maps)


def motion(models: Sequence[ShownModel], parts: Sequence[str]) -> Picture:
    """How the source is moved: a row for each face. The columns show the `parts` (keypoints, flow, occlusion)."""
    flows = [[_displacement(seen) if "flow" in parts else None for seen in model.seen] for model in models]
    lengths = [np.hypot(*np.moveaxis(flow, -1, 0)) for per_model in flows for flow in per_model if flow is not None]
    full = max(1.0, float(np.percentile(np.stack(lengths), 99))) if lengths else 1.0
    blocks = []
    for model, per_face in zip(models, flows, strict=True):
        rows = [
            (seen.label, dict(_motion_cells(seen, flow, full, parts)))
            for seen, flow in zip(model.seen, per_face, strict=True)
        ]
        grid = Grid(list(rows[0][1]), [(label, list(cells.values())) for label, cells in rows])
        blocks.append((model.label, draw_grid(grid)))
    keys, caption = _motion_words(models[0].seen[0], parts, full)
    *first, last = parts
    title = f"{', '.join(first)} and {last}" if first else last
    return Picture("motion", title.capitalize(), draw.with_legend(draw.joined(blocks), keys), caption)


def _motion_words(seen: Seen, parts: Sequence[str], full: float) -> tuple[list[tuple[np.ndarray, str]], str]:
    """The keys below the picture of `motion`, and its caption."""
    keys, captions = [], ["The source as the driving frame moves it."]
    if "keypoints" in parts:
        where = "as transferred, in what is generated" if seen.transferred else "in the driving frame"
        captions.append(f"A keypoint has the same colour in the source and {where}.")
    if "flow" in parts:
        keys.append((draw.wheel(64), f"flow: full colour from {full:.1f} of {len(seen.source)} pixels on"))
        captions.append(
            "Flow: from where in the source each pixel is fetched; the hue is the direction to there as from the "
            f"middle of the wheel, white is none, and the colour is full from {full:.1f} pixels on (1 % go further)."
        )
        if seen.inside.deformed is not None:
            captions.append("Warped: the source as the flow alone has it.")
    if "occlusion" in parts:
        keys.append((draw.bar("gray", 160, 24), "occlusion: 0 drawn anew … 1 warped source"))
        captions.append("Occlusion: white keeps the warped source, black leaves it to the decoder to draw.")
    return keys, " ".join(captions)


def _motion_cells(
    seen: Seen, flow: np.ndarray | None, full: float, parts: Sequence[str]
) -> Iterator[tuple[str, np.ndarray]]:
    inside = seen.inside
    source, driving = _large(seen.source), _large(seen.driving)
    if "keypoints" in parts:
        assert inside.source_points is not None
        assert inside.driving_points is not None
        source = draw.with_points(source, _shares(inside.source_points))
        if not seen.transferred:
            driving = draw.with_points(driving, _shares(inside.driving_points))
    yield "source", source
    yield "driving", driving
    if inside.driving_points is not None and "keypoints" in parts and seen.transferred:
        yield "keypoints", draw.with_points(_large(seen.generated), _shares(inside.driving_points))
    if flow is not None:
        yield "flow", draw.flow_colours(flow, full)
        if inside.deformed is not None:
            yield "warped", _large(_image(inside.deformed))
    if "occlusion" in parts:
        assert inside.occlusion is not None
        keep = F.interpolate(inside.occlusion.float(), source.shape[:2], mode="bilinear")
        yield "occlusion", draw.heat(_array(keep[0, 0]), 0, 1, "gray")
    yield "generated", _large(seen.generated)


def _displacement(seen: Seen) -> np.ndarray:
    """From each place of the picture, the way to where the flow fetches it from, in pixels of the image: (S, S, 2)."""
    flow = seen.inside.deformation
    assert flow is not None
    moved = (flow - coordinate_grid(flow.shape[1:3], flow)) * (len(seen.source) - 1) / 2
    large = F.interpolate(moved.permute(0, 3, 1, 2), _large(seen.source).shape[:2], mode="bilinear", align_corners=True)
    return _array(large[0].permute(1, 2, 0))


def _chosen(channels: Sequence[int] | str, model: ShownModel) -> list[int]:
    count = len(model.memory)
    if isinstance(channels, str):
        return list(range(count))
    for channel in channels:
        if channel >= count:
            raise TalkbenchError(f"the memory of {model.method.name} has no channel {channel}; it has 0 to {count - 1}")
    return list(channels)


def _characteristic(memory: np.ndarray) -> list[int]:
    """The channels of the paper's figures; if the memory is smaller, as many channels whose values vary most."""
    if len(memory) > max(PAPER_CHANNELS):
        return list(PAPER_CHANNELS)
    spread = memory.std(axis=(1, 2))
    return sorted(int(channel) for channel in np.argsort(-spread, kind="stable")[: len(PAPER_CHANNELS)])


def _scale(values: np.ndarray, scaling: str) -> str:
    if scaling == "each":
        return "Each is scaled by itself, its smallest value black and its largest white."
    low, high = (f"{end:.3g}".replace("-", "−") for end in (values.min(), values.max()))
    return f"All share one scale: black is {low}, white {high}."


def _names(models: Sequence[ShownModel]) -> str:
    return " and ".join(model.label for model in models)


def _by(memory: np.ndarray) -> str:
    return "×".join(map(str, memory.shape[1:]))


def _array(values: Tensor) -> np.ndarray:
    return np.asarray(values.detach().float().cpu().numpy())


def _shares(points: Tensor) -> np.ndarray:
    """Coordinates in [−1, 1] as shares of width and height."""
    return (_array(points[0]) + 1) / 2


def _image(images: Tensor) -> np.ndarray:
    return np.asarray(to_uint8(images)[0])


def _large(image: np.ndarray) -> np.ndarray:
    return draw.enlarged(image, -(-SIDE // len(image)))
