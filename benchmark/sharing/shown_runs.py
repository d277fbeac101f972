"""Runs whose saved frames are drawn side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkbench import datasets
from talkbench.benchmark.evaluation.given_frames import frame_name
from talkbench.benchmark.sharing.moving_figure import SECONDS
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import read_image
from talkbench.core.registry import nearest
from talkbench.datasets import Frame, has_truth
from talkbench.results import RunRecord, RunStore

if TYPE_CHECKING:
    import pandas as pd

    from talkbench.datasets.dataset import Dataset

MOST_DIFFERENT = "most-different"
PLACE = ["source_clip", "source_index", "driving_clip", "driving_index"]


@dataclass(frozen=True)
class FigureOptions:
    """What the user asks for; see ``bench figure --help`` for each. `dpi` and `html` are for print, `seconds` and
    `width` for videos."""

    runs: Sequence[Path]
    out: Path
    pairs: str = MOST_DIFFERENT
    count: int = 6
    metric: str | None = None
    errors: bool | None = None
    root: Path | None = None
    dpi: int = 300
    html: Path | None = None
    seconds: float = SECONDS
    width: int | None = None


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

    def frames(self, number: int) -> tuple[Frame, Frame]:
        """The source and the driving frame of a pair."""
        place = next(self.pairs.loc[[number]].itertuples(index=False, name=None))
        return Frame(*place[:2]), Frame(*place[2:])

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


class ShownRuns:
    """Runs of the same pairs.

    Attributes:
        runs: at least one.
        dataset: with the clips.
        metric: what they are compared by; None: they have none in common.
        errors: whether error maps are drawn.

    Raises:
        TalkbenchError: they cannot be shown together, or as the options ask for.
    """

    def __init__(self, options: FigureOptions) -> None:
        self.runs = [ShownRun(folder) for folder in options.runs]
        _check_together(self.runs)
        data = self.runs[0].record.dataset
        if options.errors and not has_truth(data.task):
            raise TalkbenchError(f"{data.task} has no true image, so there are no error maps; leave --errors out")
        self.errors = has_truth(data.task) if options.errors is None else options.errors
        self.metric = _metric(options.metric, self.runs)
        self.dataset: Dataset = datasets.create(data.name, root=options.root)

    @property
    def labels(self) -> list[str]:
        """Their methods, with the folder added where several runs are of one method."""
        names = [run.record.method.name for run in self.runs]
        twice = Counter(names)
        folders = [run.store.folder.resolve().name for run in self.runs]
        return [f"{name} ({folder})" if twice[name] > 1 else name for name, folder in zip(names, folders, strict=True)]

    @property
    def columns(self) -> list[str]:
        """What stands above the images of a row."""
        of_runs = [label for name in self.labels for label in ([name, "error"] if self.errors else [name])]
        return ["source", "driving", *of_runs]

    def asked(self, pairs: str) -> list[int]:
        """The pairs whose numbers the user gives.

        Raises:
            TalkbenchError: they are no numbers, or the first run has no such pair.
        """
        texts = [text.strip() for text in pairs.split(",")]
        if not all(text.isascii() and text.isdigit() for text in texts):
            raise TalkbenchError(f"--pairs {pairs}: give numbers with commas between, or {MOST_DIFFERENT}")
        numbers, run = [int(text) for text in texts], self.runs[0]
        absent = [number for number in numbers if number not in run.pairs.index]
        if absent:
            raise TalkbenchError(
                f"{run.store.folder} has no pair {absent[0]}; its pairs are 0 to {max(run.pairs.index)}"
            )
        return numbers

    def values(self) -> pd.DataFrame:
        """By pair the values of the metric, a column for each run; the pairs for which all runs have a value.

        Raises:
            TalkbenchError: there are not two runs with a metric in common.
        """
        import pandas as pd

        if len(self.runs) < 2 or self.metric is None:
            raise TalkbenchError(
                f"--pairs {MOST_DIFFERENT} needs two runs with a metric in common; give numbers of pairs"
            )
        columns = [run.values(self.metric).rename(place) for place, run in enumerate(self.runs)]
        return pd.concat(columns, axis=1, join="inner").sort_index()

    def most_different(self, values: pd.DataFrame) -> list[int]:
        """The pairs, or what else `values` has a row for: first those whose values differ most, then by number."""
        spread = values.max(axis=1) - values.min(axis=1)
        return [int(number) for number in spread.sort_values(ascending=False, kind="stable").index]

    def publishable(self, numbers: Sequence[int]) -> list[int]:
        """Those of the pairs of which pictures may be published.

        Raises:
            TalkbenchError: there are none.
        """
        hidden = set(self.runs[0].hidden(self.dataset))
        numbers = [number for number in numbers if number not in hidden]
        if not numbers:
            raise TalkbenchError(
                f"of all these pairs no picture may be published (bench show dataset {self.dataset.name}); to look at "
                "some, give their numbers with --pairs"
            )
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
