"""`bench figure`: the frames that several runs generated for the same pairs, side by side."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np

from talkbench.benchmark.sharing.shown_runs import MOST_DIFFERENT, FigureOptions, ShownRuns
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.figure import Grid, draw, error_map, to_png
from talkbench.core.files import write_atomic
from talkbench.core.images import resize
from talkbench.reports.pages.templates import render


def write_figure(options: FigureOptions) -> list[int]:
    """Draw the figure, and the page if the options name one; returns the numbers of the pairs, from top to bottom.
    Pairs with a clip of which no picture may be published are shown where their numbers are asked for, and not else.

    Raises:
        TalkbenchError: runs that cannot be shown together, pairs without frames, or images that cannot be read.
    """
    group = ShownRuns(options)
    numbers = _chosen(options, group)
    grid = Grid(group.columns, _rows(group, numbers), group.errors)
    figure = draw(grid)
    picture = to_png(figure, options.dpi)
    write_atomic(options.out, picture)
    if options.html:
        write_atomic(options.html, _page(group, numbers, grid, figure, picture))
    return numbers


def _chosen(options: FigureOptions, group: ShownRuns) -> list[int]:
    if options.pairs != MOST_DIFFERENT:
        return group.asked(options.pairs)
    ordered = group.most_different(group.values())
    numbers = [number for number in ordered if all(run.path(number).is_file() for run in group.runs)]
    if not numbers:
        raise TalkbenchError("no pair has a frame and a value in all of the runs; run them again with --save-frames")
    return group.publishable(numbers)[: options.count]


def _rows(group: ShownRuns, numbers: Sequence[int]) -> list[tuple[str, list[np.ndarray]]]:
    first, data = group.runs[0], group.dataset
    data.prepare_clips(first.clips(numbers))
    size = first.record.dataset.image_size
    rows = []
    for number in numbers:
        try:
            source, driving = (resize(data.read(frame), size) for frame in first.frames(number))
        except PairError as error:
            raise TalkbenchError(
                f"pair {number} cannot be shown: {error}; name the folder of the data with --root"
            ) from error
        images = [source, driving]
        for run in group.runs:
            generated = run.frame(number)
            images += [generated, error_map(driving, generated)] if group.errors else [generated]
        rows.append((f"pair {number}", images))
    return rows


def _page(group: ShownRuns, numbers: Sequence[int], grid: Grid, figure: np.ndarray, picture: bytes) -> str:
    """A page that needs no other file."""
    runs, metric = group.runs, group.metric
    spec = runs[0].record.metric(metric) if metric else None
    columns = [run.values(metric).to_dict() if metric else {} for run in runs]
    pairs = []
    for number in numbers:
        source, driving = (f"frame {frame.index} of {frame.clip}" for frame in runs[0].frames(number))
        values = [
            f"{spec.scale * column[number]:.{spec.decimals}f}" if spec and number in column else "–"
            for column in columns
        ]
        pairs.append({"number": number, "source": source, "driving": driving, "results": values})
    data = runs[0].record.dataset
    return render(
        "figure.html",
        title=f"{', '.join(group.labels)} on {data.name}, {data.task}",
        picture="data:image/png;base64," + base64.b64encode(picture).decode(),
        size=(figure.shape[1], figure.shape[0]),
        alt=f"A row for each pair, and in it: {', '.join(grid.columns)}",
        errors=grid.errors,
        metric=metric,
        labels=group.labels,
        pairs=pairs,
        runs=[run.record.run_id for run in runs],
    )
