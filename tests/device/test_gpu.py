"""What a GPU is asked for, on a CPU: both halves of `gpu.sh` give their tables in one archive."""

import csv
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from device import models
from device.carry import carry

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def carried(demo, tmp_path_factory):
    """The first pairs of the demo, as they are carried to a machine without network."""
    folder = tmp_path_factory.mktemp("carried")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TALKBENCH_HOME", str(demo.root.parent.parent))
        carry(folder, pairs=3, python=None)
    return folder


@pytest.mark.parametrize(
    ("half", "tables"), [("models", {"deviations.csv", "speed.csv"}), ("runs", {"runs.csv", "training.csv"})]
)
def test_a_half_leaves_its_tables_in_one_archive(carried, tmp_path, half, tables):
    command = [HERE / "gpu.sh", half, tmp_path / "out", "--device", "cpu", "--quick"]
    environment = {**os.environ, "CARRIED": str(carried), "OMP_NUM_THREADS": "1", "PYTHON": sys.executable}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    with tarfile.open(tmp_path / "out" / f"{half}.tar.gz") as archive:
        names = set(archive.getnames())
    assert names >= {*tables, f"{half}.txt"}
    for table in tables:
        with (tmp_path / "out" / table).open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows
        assert all(not row.get("reason") for row in rows)


def test_frames_too_far_from_the_stored_ones_are_a_fault(monkeypatch, tmp_path, capsys):
    """No network is needed to see that: the stored frame itself is given, and one that is brighter by 0.002."""
    stored = models.load("fomm")["prediction"]
    monkeypatch.setattr(models, "GOLDENS", {"fomm": (Still, "prediction")})
    for step, faults in ((0.0009, 0), (0.002, 2)):
        monkeypatch.setattr(models, "driven", lambda *_, step=step: models.torch.from_numpy(stored) + step)
        assert models.exactness(models.torch.device("cpu"), tmp_path / "exactness.csv") == faults
    assert "fomm float32 4 2.00e-03 FAULT" in capsys.readouterr().out


class Still:
    def to(self, device):
        return self
