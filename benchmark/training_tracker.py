"""Trainings in MLflow: an experiment per data set, a run per training."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkbench.benchmark.environment import git_state
from talkbench.benchmark.mlflow_client import TOTAL
from talkbench.benchmark.tracking import OFF, Entry, Mirror
from talkbench.training.state.origin import read_origin

if TYPE_CHECKING:
    from talkbench.training.config import TrainConfig

RUNS = Path("runs")
HELD_BACK = 500  # values that are sent to MLflow together
WEIGHTS = ("weights.safetensors", "best.safetensors")
MLFLOW = {"command": "mlflow.source.name", "commit": "mlflow.source.git.commit"}  # its names for facts


class TrainingTracker(Mirror):
    """Mirrors a training run: what it was made with, losses and validation metrics, sent many at a time, pictures, and
    at the end the weights."""

    again = "the same command, which continues the training,"

    def __init__(self, uri: str, warn: Callable[[str], None]) -> None:
        super().__init__(uri, warn)
        self._waiting: list[Entry] = []
        self._folder = Path()

    def start(self, config: TrainConfig, folder: Path, facts: Mapping[str, object]) -> None:
        """Open the MLflow run of the training in `folder` and log the recipe, or continue the run that is there; and
        log the command, the code and the data of this time.

        Args:
            facts: see `TrainProgress.begin`.
        """
        if self.uri == OFF:
            return
        self._folder = folder
        with self._forgiving():
            origin = read_origin(folder)  # trainings that were begun without one go by their folder
            name, key = f"train/{config.dataset}", origin.training_id if origin else str(folder.resolve())
            if self._open(name, RUNS, key, config.method, {}, int(time.time() * 1000)):
                recipe = config.model_dump(mode="json", exclude={"weights"})
                weights = config.weights.model_dump()
                self._log_params({**recipe, **{f"weights.{term}": value for term, value in weights.items()}})
            state = git_state()
            self._log_tags({**facts, "commit": state.commit if state else None})
            self._call("log_inputs", self._run_id, [_dataset_input(config.dataset, facts)])
            self._call("log_artifact", self._run_id, str(folder / "recipe.yaml"))

    def log(self, step: int, values: dict[str, float]) -> None:
        """Collect values; they are sent when `HELD_BACK` of them are waiting."""
        now = int(time.time() * 1000)
        self._waiting += [(name, value, now, step) for name, value in values.items() if math.isfinite(value)]
        self._waiting += self._load.taken() if self._load else ()
        if len(self._waiting) >= HELD_BACK:
            self.flush()

    def flush(self, seconds: float = TOTAL) -> None:
        """Send the values that are waiting, which may take so many `seconds`."""
        with self._forgiving(seconds):
            if self._client is not None:
                self._log_metrics(self._waiting)
        self._waiting = []

    def picture(self, path: Path) -> None:
        """Send the waiting values and a picture."""
        self.flush()
        with self._forgiving():
            if self._client is not None:
                self._call("log_artifact", self._run_id, str(path), "pictures")

    def finish(self) -> None:
        """Send the waiting values and the weights, and end the run."""
        self.flush()
        with self._forgiving():
            for path in (self._folder / name for name in WEIGHTS):
                if self._client is not None and path.is_file():
                    self._call("log_artifact", self._run_id, str(path))
        self._close("FINISHED")

    def _log_tags(self, facts: Mapping[str, object]) -> None:
        from mlflow.entities import RunTag

        named = {MLFLOW.get(name, name): str(value)[:5000] for name, value in facts.items() if value not in (None, "")}
        self._call("log_batch", self._run_id, tags=[RunTag(*tag) for tag in named.items()])


def _dataset_input(dataset: str, facts: Mapping[str, object]) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"root": facts.get("root")})
    entity = Dataset(dataset, str(facts.get("data_id") or "unknown"), "local", source)
    return DatasetInput(entity, [InputTag("mlflow.data.context", "training")])
