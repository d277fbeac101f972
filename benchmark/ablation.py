"""Ablation tables of the MCNet paper: every row trained, scored, and printed in the paper's layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from talkbench.benchmark.engines.calls import call_all
from talkbench.benchmark.engines.interface import LOGS
from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.benchmark.evaluation.runner import run
from talkbench.benchmark.names import ABLATIONS
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.tracking import tracking_uri
from talkbench.benchmark.training_tracker import RUNS
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods.cards import demo_name
from talkbench.reports.tables.layout import Layout, LayoutRow, keys, load_layout
from talkbench.training.data.mixed import root_of
from talkbench.training.progress import TrainProgress
from talkbench.training.session import TrainOptions, recipe, train

FOLDER = Path("ablations")
DEMO = "demo"
# The metrics of the paper's tables, and the ones to use in their place where other people's models are missing.
METRICS = (
    "ssim@gauss11-zeropad-f32", "psnr@uint8-wrap", "lpips@vgg", "l1", "akd@pose-evaluation", "akd@mtcnn5",
    "aed@openface-nn4",
)  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """A row of an ablation after it was trained and scored.

    Attributes:
        fault: why the row has no run; "" if it has one.
    """

    method: str
    folder: Path
    fault: str = ""


def methods(name: str, config: str | None) -> list[str]:
    """The methods of an ablation's rows, in the order of the table.

    Raises:
        TalkbenchError: there is no such ablation.
    """
    named = [row.methods[0] for row in _layout(name).rows]
    return [demo_name(method) for method in named] if config == DEMO else named


def folder(name: str, config: str | None, out: Path | None = None) -> Path:
    """The folder of an ablation; in it each row has a folder that is named after its method."""
    return out or FOLDER / (f"{name}-{config}" if config else name)


def train_ablation(
    name: str,
    options: TrainOptions,
    uri: str | None,
    device: str,
    training: Callable[[], AbstractContextManager[TrainProgress]],
    scoring: Callable[[], AbstractContextManager[Progress]],
    engine: str = "local",
) -> Iterator[Trained]:
    """Train and score the rows of a table, with the engine ``local`` one after another; finished rows are skipped.

    Args:
        options: of `train`, the same for all rows; `out` is the folder that holds the folders of the rows.
        uri: of the MLflow store, as the user named it.
        device: for the runs, as the user named it.
        training, scoring: make the displays that show how far a row's training and its run are; other workers show
            neither.
        engine: see `check_engine`.
    """
    place = folder(name, options.config, options.out)
    rows = [
        _Row(method, replace(options, method=method, out=place / method), uri, device)
        for method in methods(name, options.config)
    ]
    if engine == "local":
        yield from (row(training, scoring) for row in rows)
        return
    with scoring() as progress:
        progress.start(0, len(rows))
        for trained in call_all(rows, engine, str(options.device), progress, place / LOGS):
            progress.advance(1)
            yield trained


@dataclass(frozen=True)
class _Row:
    """A row to train and score.

    Attributes:
        options: of its training.
        uri, device: see `train_ablation`.
    """

    method: str
    options: TrainOptions
    uri: str | None
    device: str

    def __call__(
        self,
        training: Callable[[], AbstractContextManager[TrainProgress]] = lambda: nullcontext(TrainProgress()),
        scoring: Callable[[], AbstractContextManager[Progress]] = lambda: nullcontext(Progress()),
    ) -> Trained:
        method, own = self.method, self.options
        assert own.out is not None
        try:
            dataset, *others = recipe(own).sets
            if others:
                raise TalkbenchError(f"it would be scored on one data set; leave {', '.join(others)} out")
            with training() as display:
                display.say(f"{method}: {own.out}")
                weights = train(own, display)
            root = root_of(dataset, [dataset], own.root)
            scored = RunOptions(
                method, dataset, checkpoint=weights, root=root, metrics=METRICS, device=self.device,
                out=own.out / "run", resume=True, several=True, tracking_uri=tracking_uri(self.uri, RUNS),
                command=own.command, wait=own.wait,
            )  # fmt: skip
            with scoring() as progress:
                run(scored, progress)
        except TalkbenchError as error:
            return Trained(method, own.out, str(error))
        return Trained(method, own.out)


def runs(name: str) -> list[Path]:
    """The runs of an ablation at demo size.

    Raises:
        TalkbenchError: there are none; the message names the command that makes them.
    """
    place = folder(name, DEMO)
    paths = [place / method / "run" for method in methods(name, DEMO)]
    done = [path for path in paths if (path / "summary.json").is_file()]
    if not done:
        raise TalkbenchError(f"no runs in {place}; make them with bench train --ablation {name} --config {DEMO}")
    return done


def demo_layout(name: str) -> Layout:
    """The paper's layout for the small models on the demo clips, with nothing published beside them."""
    layout = _layout(name)
    group = layout.groups[0]
    labels = {key: cell.system for cell in group.cells() for key in keys(cell)}
    columns = tuple(column.model_copy(update={"caveat": ""}) for column in group.columns)
    small = group.model_copy(
        update={"published": "", "dataset": DEMO, "pairs": (), "pair_lists": (), "image_size": 128, "columns": columns}
    )
    rows = tuple(
        LayoutRow(label=labels[row.published], methods=tuple(demo_name(method) for method in row.methods))
        for row in layout.rows
    )
    remark = (
        "DEMO SIZE: small models, trained for minutes on stretches of a few clips and scored on other stretches of the "
        "same clips. Their order says nothing about that of the paper's models."
    )
    return Layout(title=f"{layout.title} — demo size", groups=(small,), rows=rows, remarks=(remark,))


def _layout(name: str) -> Layout:
    if name not in ABLATIONS:
        raise TalkbenchError(f"no ablation {name!r}: {nearest(name, ABLATIONS)}")
    return load_layout(ABLATIONS[name])
