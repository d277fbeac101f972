"""The pictures of `bench inspect`, drawn from what was seen inside a method; each caption explains the scales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from talkbench.benchmark.inspection.seen import Seen, ShownModel, as_array, first_image, large
from talkbench.core.errors import TalkbenchError
from talkbench.core.figure import Grid
from talkbench.core.figure import draw as draw_grid
from talkbench.core.images import resize
from talkbench.methods.keypoints import coordinate_grid
from talkbench.reports.pages import inspection as draw
from talkbench.reports.pages.inspection import Picture

COLUMNS, CHOSEN_COLUMNS = 16, 6  # of the authors' pictures of all channels, and of some (docs/specs/mcnet.md "Figures")
PAPER_CHANNELS = (3, 9, 33, 13, 23, 459, 108, 149, 196, 171, 418, 369)  # those of the paper's figures


def memory(models: Sequence[ShownModel], channels: Sequence[int] | str, scaling: str) -> Picture:
    """What was learned of all faces: a grid for each model, in it a tile for each of the `channels` (or `ALL`)."""
    whole = models[0].memory
    chosen = _chosen(channels, models[0])
    values = np.stack([model.memory[chosen] for model in models])
    tiles = draw.grey(values.reshape(-1, *values.shape[2:]), scaling).reshape(values.shape)
    grids = [(model.label, _grid(part, chosen)) for model, part in zip(models, tiles, strict=True)]
    weights = "; ".join(model.label for model in models)
    caption = (
        f"{_some(chosen, whole)} of the memory that was learned ({weights}), which is the same for all faces and all "
        f"frames. Each channel is a map of {_by(whole)}; their numbers stand at the left. {_scale(values, scaling)}"
    )
    return Picture("memory", "Meta memory", draw.joined(grids), caption, _few_words(values, scaling))


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
    faces = np.stack(
        [[as_array(seen.compensations[level].memory[0])[chosen] for seen in model.seen] for model in models]
    )
    tiles = [draw.grey(x.reshape(-1, *x.shape[-2:]), scaling).reshape(x.shape) for x in (meta[:, None], faces)]
    blocks = []
    for model, rows in zip(models, np.concatenate(tiles, axis=1), strict=True):
        labels = ["meta memory", *(seen.label for seen in model.seen)]
        if len(chosen) > COLUMNS:
            name = f"{model.label}, " if len(models) > 1 else ""
            blocks += [(f"{name}{label}", _grid(row, chosen)) for label, row in zip(labels, rows, strict=True)]
            continue
        side = draw.enlargement(rows.shape[-1], len(chosen)) * rows.shape[-1]
        images = [np.zeros((side, side, 3), np.uint8), *(resize(seen.source, side) for seen in model.seen)]
        lines = list(zip(labels, images, rows, strict=True))
        blocks.append((model.label, draw.face_rows(lines, [str(channel) for channel in chosen])))
    caption = (
        f"{_some(chosen, first.memory)}{_why(chosen, channels)}: first as in the meta memory, then as conditioned on "
        f"each source face, for the map of {level}×{level} that the memory compensates. {_scale(faces, scaling)}"
        f"{' The meta memory has a scale of its own.' * (scaling == 'shared')}"
    )
    scale = f"map of {level}×{level}; {_few_words(faces, scaling)}"
    return Picture("conditioned-memory", "Memory conditioned on faces", draw.joined(blocks), caption, scale)


def _grid(tiles: np.ndarray, numbers: Sequence[int]) -> np.ndarray:
    """As in the authors' pictures: a few channels in rows of six, many in rows of sixteen."""
    columns = COLUMNS if len(tiles) > len(PAPER_CHANNELS) else CHOSEN_COLUMNS
    return draw.channel_grid(tiles, min(columns, len(tiles)), numbers)


def _some(chosen: Sequence[int], memory: np.ndarray) -> str:
    count = len(memory)
    return f"All {count} channels" if len(set(chosen)) == count else f"{len(chosen)} of the {count} channels"


def _why(chosen: Sequence[int], channels: object) -> str:
    if channels is not None:
        return ""
    return (
        ", those of the paper's figures" if tuple(chosen) == PAPER_CHANNELS else ", those that vary most over the map"
    )


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
        captions.append(f"A keypoint has the same mark in the source and {where}.")
    if "flow" in parts:
        keys.append((draw.wheel(64), f"flow: full colour from {full:.1f} of {len(seen.source)} pixels on"))
        captions.append(
            "Flow: from where in the source each pixel is fetched; the hue and the arrows are the direction to there, "
            "the hue as from the middle of the wheel, white is none, and the colour is full from "
            f"{full:.1f} pixels on (1 % go further)."
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
    source, driving = large(seen.source), large(seen.driving)
    if "keypoints" in parts:
        assert inside.source_points is not None
        assert inside.driving_points is not None
        source = draw.with_points(source, _shares(inside.source_points))
        if not seen.transferred:
            driving = draw.with_points(driving, _shares(inside.driving_points))
    yield "source", source
    yield "driving", driving
    if inside.driving_points is not None and "keypoints" in parts and seen.transferred:
        yield "keypoints", draw.with_points(large(seen.generated), _shares(inside.driving_points))
    if flow is not None:
        yield "flow", draw.with_rim(draw.with_arrows(draw.flow_colours(flow, full), flow, full))
        if inside.deformed is not None:
            yield "warped", large(first_image(inside.deformed))
    if "occlusion" in parts:
        assert inside.occlusion is not None
        keep = F.interpolate(inside.occlusion.float(), source.shape[:2], mode="bilinear")
        yield "occlusion", draw.with_rim(draw.heat(as_array(keep[0, 0]), 0, 1, "gray"))
    yield "generated", large(seen.generated)


def _displacement(seen: Seen) -> np.ndarray:
    """From each place of the picture, the way to where the flow fetches it from, in pixels of the image: (S, S, 2)."""
    flow = seen.inside.deformation
    assert flow is not None
    moved = (flow - coordinate_grid(flow.shape[1:3], flow)) * (len(seen.source) - 1) / 2
    size = large(seen.source).shape[:2]
    whole = F.interpolate(moved.permute(0, 3, 1, 2), size, mode="bilinear", align_corners=True)
    return as_array(whole[0].permute(1, 2, 0))


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
    return f"All share one scale: {_few_words(values, scaling)}."


def _few_words(values: np.ndarray, scaling: str) -> str:
    """The grey scale for the title."""
    if scaling == "each":
        return "grey: each channel from its smallest value, black, to its largest, white"
    low, high = (f"{end:.3g}".replace("-", "−") for end in (values.min(), values.max()))
    return f"black is {low}, white {high}"


def _by(memory: np.ndarray) -> str:
    return "×".join(map(str, memory.shape[1:]))


def _shares(points: Tensor) -> np.ndarray:
    """Coordinates in [−1, 1] as shares of width and height."""
    return (as_array(points[0]) + 1) / 2
