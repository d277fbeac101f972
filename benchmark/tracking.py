"""Runs in MLflow: an experiment per data set and task, a run per method.

MLflow keeps a copy of the results, and no run depends on it: where its store cannot be reached, the user gets one
warning and the run goes on. MLflow is imported only here and only when it is used, since the import takes seconds; a
run of the benchmark begins to compute meanwhile.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from talkbench.benchmark.machine_load import MachineLoad
from talkbench.benchmark.mlflow_client import TOTAL, alone, client_class
from talkbench.core.errors import TalkbenchError, Terminated
from talkbench.results.record import RunRecord
from talkbench.results.rows import Summary

if TYPE_CHECKING:
    import pandas as pd

NOTE = "mlflow.note.content"
BATCH = 1000  # MLflow's limit of metrics in one request
OFF = "off"
CALL = 30.0
"""Seconds that a server may take to answer a call."""

LEAVING = 10.0
"""Seconds that may pass before a command ends that has failed."""

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""What MLflow shows an experiment as: one of machine learning, not of language models."""

Entry = tuple[str, float, int, int]
"""Name, value, time in milliseconds, step."""


def tracking_uri(chosen: str | None, runs: Path) -> str:
    """The store to use: `chosen`, else ``MLFLOW_TRACKING_URI``, else a sqlite file in the folder `runs`."""
    return chosen or os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(runs / "mlflow.db")


def sqlite_uri(path: Path) -> str:
    """The URI of a sqlite file, as SQLAlchemy reads it.

    >>> sqlite_uri(Path("/data/what? 100%/mlflow.db"))
    'sqlite:////data/what%3F 100%25/mlflow.db'
    """
    return f"sqlite:///{path.resolve()}".replace("%", "%25").replace("?", "%3F")


def without_password(text: str) -> str:
    """`text` without the user and password of the URLs in it.

    >>> without_password("bench run --tracking-uri https://me:secret@host/mlflow")
    'bench run --tracking-uri https://host/mlflow'
    """
    return re.sub(r"://[^/\s'@]+@", "://", text)


@dataclass(frozen=True)
class Tracked:
    """Where MLflow has a run.

    Attributes:
        store: URI of the store.
        experiment: id of the experiment.
    """

    store: str
    experiment: str

    def page(self, server: str) -> str:
        """The address of the table of the experiment's runs on a `server`, MLflow's pages of machine learning: by
        themselves they open as those of language models.

        >>> Tracked("http://host/", "3").page("http://host/")
        'http://host/#/experiments/3/runs?workflowType=machine_learning'
        """
        return f"{server.rstrip('/')}/#/experiments/{self.experiment}/runs?workflowType=machine_learning"


class Mirror:
    """One run in MLflow: a context manager that closes the MLflow run when the work in it fails.

    Args:
        uri: of the store; `OFF` for none.
        warn: called with one line when MLflow fails; afterwards the tracker does nothing more.
    """

    again = "the same command with --resume"  # continues the work, so that it is tracked after all

    def __init__(self, uri: str, warn: Callable[[str], None]) -> None:
        self.uri, self._warn = uri, warn
        self._client: Any = None
        self._place = self._run_id = ""  # ids of the experiment and of the run
        self._load: MachineLoad | None = None
        self._opening: threading.Thread | None = None
        self._end = 0.0  # of the time for the calls at hand

    @property
    def tracked(self) -> Tracked | None:
        """Where the run is; None if no store has it."""
        return Tracked(without_password(self.uri), self._place) if self._client else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is not None:
            self._close("KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED", LEAVING)

    def _close(self, status: str, seconds: float = TOTAL) -> None:
        self._await_opening(seconds)
        samples = self._load.stop() if self._load else ()
        with self._forgiving(seconds):
            if self._client is not None:
                self._log_metrics(samples)
                self._call("set_terminated", self._run_id, status)

    def _await_opening(self, seconds: float | None = None) -> None:
        """Wait for the thread that opens the run. One that takes longer is left behind, and the run is not tracked."""
        if self._opening is None:
            return
        try:
            self._opening.join(seconds)
        finally:  # a second Ctrl-C does not wait
            if self._opening.is_alive():
                self._client = None
            self._opening = None

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        return self._bounded(
            partial(getattr(self._client, method), *arguments, **options), upload=method.startswith("log_artifact")
        )

    def _bounded(self, act: Callable[[], Any], upload: bool = False) -> Any:
        """Call MLflow, and give up when the time is over, whatever the server does: it may send a byte now and then.

        The call is made by a thread of its own, which is left behind in that case and does not hold up the command's
        end. Of several processes one at a time uses a file store, which sqlite cannot make twice at once.
        """
        result: list[Any] = []

        def work() -> None:
            try:
                with alone(self.uri):
                    result[:] = [act(), None]
            except BaseException as error:
                result[:] = [None, error]

        thread, seconds = threading.Thread(target=work, daemon=True), self._end - time.monotonic()
        if not upload and not self.uri.startswith("sqlite:"):
            seconds = min(seconds, CALL)
        thread.start()
        try:
            thread.join(max(seconds, 0.0))
        except KeyboardInterrupt as stop:
            if not isinstance(stop, Terminated):  # then there is a moment to say so
                self._client = None  # it may hang, and nothing more is asked of it
            raise
        if not result:
            raise TimeoutError(f"no answer within {round(max(seconds, 0.0), 1):g} s")
        if result[1] is not None:
            raise result[1]
        return result[0]

    def _experiment(self, name: str, runs: Path) -> str:
        experiment = self._call("get_experiment_by_name", name)
        if experiment is None:
            # Beside a store of our own lie its artifacts; a server decides for itself.
            location = (runs / "mlartifacts").resolve().as_uri() if self.uri.startswith("sqlite:") else None
            try:
                return str(self._call("create_experiment", name, artifact_location=location, tags=KIND))
            except Exception:
                experiment = self._call("get_experiment_by_name", name)  # another process may have been first
                if experiment is None:
                    raise
        if experiment.lifecycle_stage == "deleted":
            raise TalkbenchError(
                f"its experiment {name} was deleted: mlflow experiments restore -x {experiment.experiment_id}, or "
                f"mlflow gc for good; after that, {self.again} tracks the run"
            )
        return str(experiment.experiment_id)

    @contextmanager
    def _forgiving(self, seconds: float = TOTAL) -> Iterator[None]:
        self._end = time.monotonic() + seconds
        try:
            yield
        except ImportError:
            self._client = None
            self._warn("MLflow is not installed, so the run is not tracked: pip install 'talkbench[full]'")
        except Exception as error:  # whatever a server, its network or its database may raise
            self._client = None
            reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
            self._warn(without_password(f"MLflow at {self.uri} failed, the run goes on without it ({reason})"))

    def _open(self, experiment: str, runs: Path, key: str, name: str, tags: dict[str, str], began: int) -> bool:
        """Continue the run that is tagged with ``talkbench.run_id`` = `key`, or begin it; True if it is new."""
        self._client = self._bounded(partial(client_class(), tracking_uri=self.uri))  # which makes a file store
        self._place = self._experiment(experiment, runs)
        earlier = self._call("search_runs", [self._place], f"tags.`talkbench.run_id` = '{key}'")
        if earlier:
            self._run_id = earlier[0].info.run_id
            self._call("update_run", self._run_id, "RUNNING")
        else:
            run = self._call("create_run", self._place, began, tags={**tags, "talkbench.run_id": key}, run_name=name)
            self._run_id = run.info.run_id
        try:
            self._load = MachineLoad(earlier[0].info.start_time if earlier else began)
        except ImportError:
            self._warn("psutil is not installed, so MLflow gets no system metrics: pip install 'talkbench[full]'")
        return not earlier

    def _log_params(self, params: Mapping[str, object]) -> None:
        from mlflow.entities import Param

        entries = [Param(key, str(value)[:500]) for key, value in params.items()]
        self._call("log_batch", self._run_id, params=entries)

    def _log_metrics(self, entries: Iterable[Entry]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(_name(name), value, time, step) for name, value, time, step in entries]
        for start in range(0, len(metrics), BATCH):
            self._call("log_batch", self._run_id, metrics=metrics[start : start + BATCH])


class Tracker(Mirror):
    """Mirrors a run of the benchmark."""

    _time = 0

    def start(self, record: RunRecord, runs: Path) -> None:
        """Open the run and log its parameters, its tags and its data set, in a thread of its own, whose warnings come
        when they come. A run that is continued has them already."""
        if self.uri == OFF:
            return
        # All times are those of the record, so that what is logged twice is stored once.
        self._time = int(record.created.timestamp() * 1000)
        self._opening = threading.Thread(target=self._begin, args=(record, runs), daemon=True)
        self._opening.start()

    def _begin(self, record: RunRecord, runs: Path) -> None:
        with self._forgiving():
            name, key = f"{record.dataset.name}/{record.dataset.task}", record.run_id
            if self._open(name, runs, key, record.method.name, _tags(record), self._time):
                self._log_params(_params(record))
                self._call("log_inputs", self._run_id, [_dataset_input(record)])

    def finish(self, record: RunRecord, rows: pd.DataFrame, summary: Summary, artifacts: Sequence[Path]) -> None:
        """Log the means, every pair's values with the pair's number as the step, the ids that are known at the end
        only, and the files; end the run."""
        self._await_opening()
        with self._forgiving(TOTAL + len(rows) / BATCH):  # a file store takes up to 0.2 s for a batch
            if self._client is None:
                return
            from mlflow.entities import RunTag

            tags = [RunTag(name, value) for name, value in {**_tags(record), NOTE: _note(record, artifacts)}.items()]
            self._call("log_batch", self._run_id, tags=tags)
            entries = [*_means(summary), *_values(rows)]
            self._log_metrics((name, value, self._time, step) for name, value, step in entries)
            for path in artifacts:
                if path.is_dir():
                    self._call("log_artifacts", self._run_id, str(path), path.name)
                elif path.exists():
                    self._call("log_artifact", self._run_id, str(path))
        self._close("FINISHED")


def _name(metric: str) -> str:
    """MLflow allows no ``@`` in names."""
    return metric.replace("@", ".")


def _tags(record: RunRecord) -> dict[str, str]:
    tags = {f"protocol.{_name(metric)}": identity for metric, identity in record.protocol_ids.items()}
    if record.dataset.data_id:
        tags["data_id"] = record.dataset.data_id
    if record.git:
        tags["mlflow.source.git.commit"] = record.git.commit
    return {**tags, "mlflow.source.name": record.command[:5000]}


def _note(record: RunRecord, artifacts: Sequence[Path]) -> str:
    """The description of a run, in Markdown."""
    folder = artifacts[0].parent.resolve() if artifacts else ""
    return (
        f"{record.method.name} on {record.dataset.name}, {record.dataset.task}, {record.dataset.pairs} pairs. The page "
        f"with pictures is `index.html` under *Artifacts*, the videos are below `videos`; per pair the values are in "
        f"the group *pair* of the metrics, the step being the number of the pair. Folder of the run: `{folder}`"
    )


def _params(record: RunRecord) -> dict[str, object]:
    method, data = record.method, record.dataset
    chosen: dict[str, object] = {
        "method": method.name,
        "checkpoint_sha256": method.checkpoint_sha256,
        "dataset": data.name,
        "task": data.task,
        "motion": data.motion,
        "pairs": data.pairs,
        "pairs_sha256": data.pairs_sha256,
        "image_size": data.image_size,
        "batch_size": record.batch_size,
        "protocol": record.protocol.name if record.protocol else None,
        "device": record.device_name,
        "talkbench": record.talkbench,
    }
    if method.frames:
        chosen["frames_sha256"] = method.frames.sha256
    return {**chosen, **{f"method.{key}": value for key, value in method.settings.items()}}


def _dataset_input(record: RunRecord) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    data = record.dataset
    source = json.dumps({"pairs": data.pairs_file, "sha256": data.pairs_sha256})
    profile = json.dumps({"pairs": data.pairs, "image_size": data.image_size})
    entity = Dataset(f"{data.name}/{data.task}", data.pairs_sha256[:12], "local", source, profile=profile)
    return DatasetInput(entity, [InputTag("mlflow.data.context", "evaluation")])


Value = tuple[str, float, int]  # name, value, step


def _means(summary: Summary) -> list[Value]:
    """The numbers of a summary; of metrics that have no finite value of some pairs also how many these are, so that the
    means stand alone where there is nothing else to know."""
    entries: list[Value] = []
    for result in summary.metrics:
        name = result.metric
        if result.mean is not None:
            entries.append((name, result.mean, 0))
        if result.video_mean is not None:
            entries.append((f"{name}.video_mean", result.video_mean, 0))
        if result.pairs < summary.pairs or result.coverage < 1:
            counts = {"pairs": result.pairs, "infinite": result.infinite, "failures": sum(result.failures.values())}
            entries.append((f"{name}.coverage", result.coverage, 0))
            entries += [(f"{name}.{kind}", float(count), 0) for kind, count in counts.items()]
    return entries


def _values(rows: pd.DataFrame) -> list[Value]:
    """The values of the pairs. Rows without a finite value are left out; `_means` counts them."""
    columns = zip(rows["pair"], rows["metric"], rows["value"], strict=True)
    return [(f"pair/{metric}", float(value), int(pair)) for pair, metric, value in columns if math.isfinite(value)]
