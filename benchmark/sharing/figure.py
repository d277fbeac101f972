"""`bench figure`: the frames that several runs generated for the same pairs, side by side."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkbench import datasets
from talkbench.benchmark.evaluation.given_frames import frame_name
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.figure import Grid, draw, error_map, to_png
from talkbench.core.files import write_atomic
from talkbench.core.images import read_image, resize
from talkbench.core.registry import nearest
from talkbench.datasets import Frame, has_truth
from talkbench.reports.pages.templates import render
from talkbench.results import RunRecord, RunStore

if TYPE_CHECKING:
    import pandas as pd

    from talkbench.datasets.dataset import Dataset

MOST_DIFFERENT = "most-different"
PLACE = ["source_clip", "source_index", "driving_clip", "driving_index"]


@dataclass(frozen=True)
class FigureOptions:
    """What the user asks for; see ``bench figure --help`` for each."""

    runs: Sequence[Path]
    out: Path
    pairs: str = MOST_DIFFERENT
    count: int = 6
    metric: str | None = None
    errors: bool | None = None
    root: Path | None = None
    dpi: int = 300
    html: Path | None = None


class ShownRun:
    """A run whose saved frames can be drawn.

    Raises:
        TalkbenchError: `folder` holds no run, or one without saved frames.
    """

    def __init__(self, folder: Path) -> None:
        self.store = RunStore(folder)
        self.record: RunRecord = self.store.read_record()
        if not (folder / "frames").is_dir():
            raise TalkbenchError(f"{folder} has no saved frames; run it again with --save-frames")

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All rows of the run."""
        return self.store.rows()

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """The frames of each pair, by its number."""
        return self.rows.drop_duplicates("pair").set_index("pair")[PLACE]

    def clips(self, numbers: Sequence[int]) -> set[str]:
        """The clips of some pairs."""
        places = self.pairs.loc[list(numbers)]
        return {*places["source_clip"], *places["driving_clip"]}

    def hidden(self, data: Dataset) -> list[int]:
        """The pairs with a clip of which no picture may be published."""
        clips = self.pairs[["source_clip", "driving_clip"]].itertuples(name=None)
        return [number for number, *names in clips if not data.card.may_show(*names)]

    @property
    def metrics(self) -> list[str]:
        """The metrics that have a value for each pair."""
        return [spec.name for spec in self.record.metrics if spec.aggregation != "set"]

    def values(self, metric: str) -> pd.Series:
        """The values of `metric` by pair, without the pairs that have none."""
        rows = self.rows[self.rows["metric"] == metric]
        return rows.set_index("pair")["value"].dropna()

    def path(self, number: int) -> Path:
        """The file of the generated frame of a pair."""
        return self.store.folder / "frames" / frame_name(number)

    def frame(self, number: int) -> np.ndarray:
        """The generated frame of a pair.

        Raises:
            TalkbenchError: there is none.
        """
        if not self.path(number).is_file():
            raise TalkbenchError(f"{self.store.folder} has no frame of pair {number}; choose other --pairs")
        return read_image(self.path(number))


def write_figure(options: FigureOptions) -> list[int]:
    """Draw the figure, and the page if the options name one; returns the numbers of the pairs, from top to bottom.
    Pairs with a clip of which no picture may be published are shown where their numbers are asked for, and not else.

    Raises:
        TalkbenchError: runs that cannot be shown together, pairs without frames, or images that cannot be read.
    """
    runs = [ShownRun(folder) for folder in options.runs]
    _check_together(runs)
    data = runs[0].record.dataset
    if options.errors and not has_truth(data.task):
        raise TalkbenchError(f"{data.task} has no true image, so there are no error maps; leave --errors out")
    errors = has_truth(data.task) if options.errors is None else options.errors
    metric = _metric(options.metric, runs)
    dataset = datasets.create(data.name, root=options.root)
    numbers = _chosen(options, runs, metric, dataset)
    labels = _labels(runs)
    grid = Grid(list(_columns(labels, errors)), _rows(dataset, runs, numbers, errors), errors)
    figure = draw(grid)
    picture = to_png(figure, options.dpi)
    write_atomic(options.out, picture)
    if options.html:
        write_atomic(options.html, _page(runs, labels, numbers, metric, grid, figure, picture))
    return numbers


def hidden_clips(folder: Path, root: Path | None, numbers: Sequence[int] | None = None) -> list[str]:
    """The clips in pairs of a run, in all without `numbers`, of which no picture may be published."""
    run = ShownRun(folder)
    data = datasets.create(run.record.dataset.name, root=root)
    clips = run.clips(list(run.pairs.index) if numbers is None else numbers)
    return sorted(clip for clip in clips if not data.card.may_show(clip))


def _check_together(runs: Sequence[ShownRun]) -> None:
    first = runs[0]
    for other in runs[1:]:
        data, others = first.record.dataset, other.record.dataset
        for what in ("name", "task", "image_size"):
            if getattr(data, what) != getattr(others, what):
                raise TalkbenchError(
                    f"{first.store.folder} and {other.store.folder} are not of the same pairs: "
                    f"{getattr(data, what)} and {getattr(others, what)}; choose runs of one list"
                )
        common = first.pairs.index.intersection(other.pairs.index)
        if not first.pairs.loc[common].equals(other.pairs.loc[common]):
            raise TalkbenchError(
                f"{first.store.folder} and {other.store.folder} are of two pair lists; choose runs of one list"
            )


def _metric(name: str | None, runs: Sequence[ShownRun]) -> str | None:
    """The metric to compare by: the one that the user names, else L1, else the first that all runs have."""
    common = [metric for metric in runs[0].metrics if all(metric in run.metrics for run in runs)]
    if name is not None and name not in common:
        raise TalkbenchError(f"not all of the runs have the metric {name!r}: {nearest(name, common)}")
    return name or ("l1" if "l1" in common else next(iter(common), None))


def _chosen(options: FigureOptions, runs: Sequence[ShownRun], metric: str | None, data: Dataset) -> list[int]:
    if options.pairs != MOST_DIFFERENT:
        texts = [text.strip() for text in options.pairs.split(",")]
        if not all(text.isascii() and text.isdigit() for text in texts):
            raise TalkbenchError(f"--pairs {options.pairs}: give numbers with commas between, or {MOST_DIFFERENT}")
        numbers = [int(text) for text in texts]
        absent = [number for number in numbers if number not in runs[0].pairs.index]
        if absent:
            raise TalkbenchError(
                f"{runs[0].store.folder} has no pair {absent[0]}; its pairs are 0 to {max(runs[0].pairs.index)}"
            )
        return numbers
    if len(runs) < 2 or metric is None:
        raise TalkbenchError(f"--pairs {MOST_DIFFERENT} needs two runs with a metric in common; give numbers of pairs")
    numbers = _most_different(runs, metric)
    if not numbers:
        raise TalkbenchError("no pair has a frame and a value in all of the runs; run them again with --save-frames")
    hidden = runs[0].hidden(data)
    shown = [number for number in numbers if number not in hidden]
    if not shown:
        raise TalkbenchError(
            f"of all these pairs no picture may be published (bench show dataset {data.name}); to look at some, give "
            "their numbers with --pairs"
        )
    return shown[: options.count]


def _most_different(runs: Sequence[ShownRun], metric: str) -> list[int]:
    """The pairs of which all runs have a frame and a value: first those whose values differ most, then by number."""
    import pandas as pd

    values = pd.concat([run.values(metric) for run in runs], axis=1, join="inner")
    spread = (values.max(axis=1) - values.min(axis=1)).sort_index()
    ordered = spread.sort_values(ascending=False, kind="stable").index
    return [int(number) for number in ordered if all(run.path(int(number)).is_file() for run in runs)]


def _labels(runs: Sequence[ShownRun]) -> list[str]:
    """The labels of the runs: their methods, with the folder added where several runs are of one method."""
    names = [run.record.method.name for run in runs]
    twice = Counter(names)
    folders = [run.store.folder.resolve().name for run in runs]
    return [f"{name} ({folder})" if twice[name] > 1 else name for name, folder in zip(names, folders, strict=True)]


def _columns(labels: Sequence[str], errors: bool) -> Iterator[str]:
    yield from ("source", "driving")
    for label in labels:
        yield label
        if errors:
            yield "error"


def _rows(
    data: Dataset, runs: Sequence[ShownRun], numbers: Sequence[int], errors: bool
) -> list[tuple[str, list[np.ndarray]]]:
    data.prepare_clips(runs[0].clips(numbers))
    size = runs[0].record.dataset.image_size
    rows = []
    for number in numbers:
        try:
            source, driving = (resize(data.read(frame), size) for frame in _frames(runs[0], number))
        except PairError as error:
            raise TalkbenchError(
                f"pair {number} cannot be shown: {error}; name the folder of the data with --root"
            ) from error
        images = [source, driving]
        for run in runs:
            generated = run.frame(number)
            images += [generated, error_map(driving, generated)] if errors else [generated]
        rows.append((f"pair {number}", images))
    return rows


def _frames(run: ShownRun, number: int) -> tuple[Frame, Frame]:
    place = next(run.pairs.loc[[number]].itertuples(index=False, name=None))
    return Frame(*place[:2]), Frame(*place[2:])


def _page(
    runs: Sequence[ShownRun],
    labels: Sequence[str],
    numbers: Sequence[int],
    metric: str | None,
    grid: Grid,
    figure: np.ndarray,
    picture: bytes,
) -> str:
    """A page that needs no other file."""
    spec = runs[0].record.metric(metric) if metric else None
    columns = [run.values(metric).to_dict() if metric else {} for run in runs]
    pairs = []
    for number in numbers:
        source, driving = (f"frame {frame.index} of {frame.clip}" for frame in _frames(runs[0], number))
        values = [
            f"{spec.scale * column[number]:.{spec.decimals}f}" if spec and number in column else "–"
            for column in columns
        ]
        pairs.append({"number": number, "source": source, "driving": driving, "results": values})
    data = runs[0].record.dataset
    return render(
        "figure.html",
        title=f"{', '.join(labels)} on {data.name}, {data.task}",
        picture="data:image/png;base64," + base64.b64encode(picture).decode(),
        size=(figure.shape[1], figure.shape[0]),
        alt=f"A row for each pair, and in it: {', '.join(grid.columns)}",
        errors=grid.errors,
        metric=metric,
        labels=labels,
        pairs=pairs,
        runs=[run.record.run_id for run in runs],
    )
