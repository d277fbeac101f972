"""The `bench` command as a user runs it, on a plugin's method and data set."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from talkbench import datasets, methods, metrics
from talkbench.benchmark.cli import main
from talkbench.core.images import write_png
from talkbench.results import RunRecord, RunStore, Summary, run_store

PLUGIN = Path(__file__).parent / "plugin"
SCORE = ("run", "--method", "blend", "--dataset", "tiny", "--metrics", "l1,psnr", "--videos", "0")


@dataclass
class Result:
    """What a command left: its exit code, its output, and the youngest run in the folder `cwd` that it ran in."""

    code: int
    out: str
    err: str
    cwd: Path
    store: RunStore = field(init=False)

    def __post_init__(self) -> None:
        records = [path for path in self.cwd.rglob("run.json") if "mlartifacts" not in path.parts]  # those are copies
        records.sort(key=lambda path: path.stat().st_mtime_ns)
        self.store = RunStore(records[-1].parent if records else self.cwd)

    @property
    def record(self) -> RunRecord:
        return self.store.read_record()

    @property
    def summary(self) -> Summary:
        return self.store.read_summary()

    @property
    def rows(self) -> pd.DataFrame:
        return self.store.rows()

    @property
    def numbers(self) -> pd.DataFrame:
        """All that was measured, and why something was not."""
        assert self.code == 0, self.err
        return self.rows.drop(columns="message")

    def values(self, metric: str) -> dict[int, float]:
        """The values of one metric by pair."""
        rows = self.rows
        mine = rows[rows["metric"] == metric]
        return dict(zip(mine["pair"], mine["value"], strict=True))

    def complaint(self) -> str:
        """The one line that a refused command prints."""
        assert self.code == 2, self.err
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("bench: ")
        return lines[0]


@pytest.fixture
def parted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs write a part for each batch and leave it at that, as those of older versions did."""
    monkeypatch.setattr(run_store, "SECONDS", 0.0)
    monkeypatch.setattr(RunStore, "compact", lambda store: None)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clips of the data set tiny; frame i bears 10 i in its first pixels."""
    root = tmp_path_factory.mktemp("clips")
    rows, columns = np.mgrid[0:48, 0:48]
    for clip, colour in (("a", 90), ("b", 160)):
        for index in range(8):
            waves = np.sin(rows / 5 + index / 3) + np.cos(columns / 7 - index / 4)
            image = np.stack([colour + 20 * waves, 120 + 30 * waves, colour + 10 * waves], axis=2)
            image[:2, :2] = 10 * index
            write_png(root / clip / f"{index}.png", image.round().astype(np.uint8))
    return root


@pytest.fixture(scope="session")
def golden_metrics() -> dict[str, Any]:
    return json.loads((Path(__file__).parents[1] / "golden" / "metrics" / "golden.json").read_text())


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The inputs are small: threads would wait for one another where the machine is shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own, with the plugin installed and without MLflow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALKBENCH_HOME", str(home))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    monkeypatch.setenv("PYTHONPATH", str(PLUGIN))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for registry in (methods.registry, datasets.registry, metrics.registry):
        registry.factories()  # what is in the tree is imported once and stays, what is in the plugin must not
        monkeypatch.setattr(registry, "_factories", dict(registry._factories))
        monkeypatch.setattr(registry, "_plugins", {})
        monkeypatch.setattr(registry, "_loaded", False)
    monkeypatch.syspath_prepend(str(PLUGIN))
    return tmp_path


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store in sqlite with its tables, which take seconds to make."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(empty_store: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client of the default store of the runs in this test's folder."""
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (place / "runs").mkdir()
    shutil.copy(empty_store, place / "runs" / "mlflow.db")
    return MlflowClient(f"sqlite:///{place}/runs/mlflow.db")


@pytest.fixture
def bench(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs `bench` with the given arguments in this process."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main.main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err, place)

    return run


@pytest.fixture
def score(bench: Callable[..., Result], clips: Path) -> Callable[..., Result]:
    """Scores the plugin's method on its data set, without videos; options given here come last and so win."""
    return lambda *options: bench(*SCORE, "--root", clips, *options)


@pytest.fixture
def shell(place: Path) -> Callable[..., Result]:
    """Runs `bench` as a process of its own."""

    def run(*arguments: object) -> Result:
        command = [str(Path(sys.executable).parent / "bench"), *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, env=os.environ)
        return Result(ended.returncode, ended.stdout, ended.stderr, place)

    return run
