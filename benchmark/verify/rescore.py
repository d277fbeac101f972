"""Scores the saved frames of a run once more, with the code that scores the frames of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from talkbench import datasets
from talkbench.benchmark.engines.pair_work import evaluator
from talkbench.benchmark.environment import memory_advice, reproducible
from talkbench.benchmark.evaluation.evaluator import batches
from talkbench.benchmark.evaluation.given_frames import GivenFrames
from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.benchmark.evaluation.plan import prepare
from talkbench.benchmark.evaluation.reader import choose_workers
from talkbench.benchmark.evaluation.runner import keep, set_values
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.results import MetricSpec, RunRecord, RunStore, Summary, summarise
from talkbench.results.content import FrameContent, FrameName, data_id
from talkbench.results.record import FramesInfo
from talkbench.results.rows import NO_FRAME_BEFORE

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-6
"""Relative difference up to which two numbers count as the same; the order in which floats are added changes less."""


@dataclass(frozen=True)
class Place:
    """Where the data of a run is on this machine; None: at the usual place.

    Attributes:
        root: folder of the data set's clips.
        pairs: the pair list.
        device: where metrics are computed.
    """

    root: Path | None = None
    pairs: Path | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Rescored:
    """The scores that the frames have here.

    Attributes:
        rows, summary: in the form of a run's.
        scored: the pairs whose frames could all be read.
        frames: describes the files of the generated frames.
        unavailable: by name, why a metric cannot be computed from frames.
    """

    rows: pd.DataFrame
    summary: Summary
    scored: frozenset[int]
    frames: FramesInfo
    unavailable: dict[str, str]


def rescore(record: RunRecord, frames: Path, names: Sequence[str], place: Place, progress: Progress) -> Rescored:
    """Score the `frames` of a run with its metrics of the given `names`.

    Raises:
        TalkbenchError: the data set, the pairs or the frames are missing here, or differ from those of the run.
    """
    data = record.dataset
    options = RunOptions(
        method=None, frames=frames, name="frames-to-verify", dataset=data.name, task=data.task, motion=data.motion,
        pairs=pair_list(record, place), root=place.root, metrics=tuple(names), limit=data.pairs,
        batch_size=record.batch_size, image_size=data.image_size, device=place.device,
    )  # fmt: skip
    with reproducible(), memory_advice(record.batch_size), TemporaryDirectory() as folder:
        setup = prepare(options, Progress())
        if setup.split.sha256 != data.pairs_sha256:
            raise TalkbenchError(f"the pairs of {data.name}, {data.task}, here are not those of the run")
        assert isinstance(setup.method, GivenFrames)
        store, scored, contents = RunStore(folder), set[int](), dict[FrameName, FrameContent]()
        progress.start(0, data.pairs)
        work = evaluator(setup, record, choose_workers(None, data.pairs), progress.warn)
        with store.gathering():
            for outcome in work.run(batches(setup.split.pairs, record.batch_size)):
                keep(outcome, store)
                contents |= outcome.contents
                scored.update(item.number for item in outcome.frames)
                progress.advance(len(outcome.numbers))
        if data.data_id not in ("", data_id(contents)):
            raise TalkbenchError(
                f"the frames of {data.name} here are not those of the run: their data id is {data_id(contents)}, "
                f"and {data.data_id} in the run"
            )
        specs = [record.metric(metric.variant) for metric in setup.metrics]
        rows = store.rows()
        computed = record.model_copy(update={"metrics": tuple(specs)})
        summary = summarise(rows, specs, record.missing_faces, set_values(computed, store))
    unavailable = {metric.name: metric.reason for metric in setup.unavailable}
    return Rescored(rows, summary, frozenset(scored), setup.method.info, unavailable)


def pair_list(record: RunRecord, place: Place) -> Path | None:
    """The file or the name of the list that the pairs of a run are from; None for the built-in list, unless another one
    has taken its place in the data set since.

    Raises:
        TalkbenchError: the list is a file that is missing here.
    """
    own = Path(record.dataset.pairs_file)
    if place.pairs:
        return place.pairs
    if own.name == "built-in":
        lists = datasets.create(record.dataset.name).card.lists
        older = [slug for slug, card in lists.items() if card.older and card.sha256 == record.dataset.list_sha256]
        return Path(older[0]) if older else None
    if own.suffix and not own.is_file():
        raise TalkbenchError(f"the pair list {own} is missing; name it with --pairs")
    return own


@dataclass(frozen=True)
class Agreement:
    """How the stored rows of a metric and those from the frames compare.

    Attributes:
        same: pairs that agree within `TOLERANCE`.
        printed: pairs that differ by more, but by at most half a unit of the last printed digit.
        different: pairs that do not agree.
        unknown: pairs with a value that cannot be computed here, since a frame is missing or cannot be read.
        example: describes the difference in the pair that differs most.
    """

    same: int
    printed: int
    different: int
    unknown: int
    example: str = ""

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return self.same + self.printed + self.different + self.unknown


def agreement(spec: MetricSpec, stored: pd.DataFrame, rescored: Rescored) -> Agreement:
    """Compare the rows `stored` of a run with the rows from its frames."""
    left, right = (rows[rows["metric"] == spec.name].set_index("pair") for rows in (stored, rescored.rows))
    suffixes = "_stored", "_rescored"
    pairs = left.merge(right, how="outer", left_index=True, right_index=True, suffixes=suffixes)
    values = pairs["value_stored"], pairs["value_rescored"]
    failed = pairs.index.isin(_without_frame(stored))
    unscored = ~pairs.index.isin(rescored.scored)
    cut = pairs["reason_rescored"] == NO_FRAME_BEFORE
    unknown = pairs["metric_stored"].notna() & ((unscored & ~failed) | (cut & values[0].notna()))
    none = (
        values[0].isna()
        & values[1].isna()
        & ((pairs["reason_stored"] == pairs["reason_rescored"]) | (unscored & failed))
    )
    weights = np.isclose(pairs["weight_stored"], pairs["weight_rescored"], rtol=TOLERANCE, atol=0) | failed
    same = (none | np.isclose(*values, rtol=TOLERANCE, atol=0)) & weights
    difference = (values[0] - values[1]).abs()
    printed = same_digits(difference, spec) & weights
    different = ~(same | printed | unknown)
    example = ""
    if different.any():
        worst = difference[different].fillna(np.inf).idxmax()
        there, here = (_value_text(pairs.loc[worst], side, spec) for side in ("stored", "rescored"))
        example = f"pair {worst} with {there} in the rows and {here} from its frame"
    return Agreement(
        same=int((same & ~unknown).sum()),
        printed=int((printed & ~same & ~unknown).sum()),
        different=int(different.sum()),
        unknown=int(unknown.sum()),
        example=example,
    )


def same_digits(difference: Any, spec: MetricSpec) -> Any:
    """Whether two values with this `difference` agree in the printed digits: whether it is at most half a unit of the
    last one. Takes one difference or an array."""
    return abs(difference) * spec.scale <= 0.5 * 10.0**-spec.decimals


def _without_frame(rows: pd.DataFrame) -> list[int]:
    """The pairs without a generated frame: those of whose rows none has a value, all for the same reason."""
    pairs = rows.groupby("pair").agg(values=("value", "count"), reasons=("reason", "nunique"))
    return pairs.index[(pairs["values"] == 0) & (pairs["reasons"] == 1)].tolist()


def _value_text(row: pd.Series, side: str, spec: MetricSpec) -> str:
    if isinstance(row[f"metric_{side}"], float):
        return "no row"
    value = row[f"value_{side}"]
    return row[f"reason_{side}"] if np.isnan(value) else f"{value * spec.scale:.{spec.decimals + 2}f}"
