"""A program in an environment of its own, its checkout and its card."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from outside_programs import __file__ as PROGRAM

BLANKS = "it's $(touch owned); a && b"


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment, whose libraries are lent from the present one."""
    venv = tmp_path_factory.mktemp("environment") / "own venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    libraries = [path for path in sys.path if Path(path).name == "site-packages"]
    (next(venv.glob("lib/python*/site-packages")) / "libraries.pth").write_text("\n".join(libraries))
    return venv / "bin" / "python"


@pytest.fixture
def state(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which each call of the program leaves a line; with a cache folder of its own."""
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / f"home {BLANKS}"))
    monkeypatch.setenv("STATE", str(tmp_path / "calls"))
    (tmp_path / "calls").touch()
    return tmp_path / "calls"


@pytest.fixture
def card(state: Path, place: Path, interpreter: Path):
    """Writes ``mine.yaml``, the card of a program that is called in a mode, with changes; gives its path."""

    def write(mode: str = "frames", name: str = "mine.yaml", **changes: Any) -> Path:
        checkout = place / BLANKS
        checkout.mkdir(exist_ok=True)
        shutil.copy(PROGRAM, checkout / "animate.py")
        content = {
            "granularity": "clip",
            "places": {"checkout": BLANKS, "python": str(interpreter)},
            "command": ["{python}", "animate.py", mode, "{source}", "{driving}", "{out}", "{seed}", "{motion}"],
            "motions": {"absolute": ["$HOME *"], "relative": ["--relative"]},
            "crop": "none",
            "input": {"driving": "frames"},
            "frames": {},
            "output": {"form": "frames", "files": "*.png"},
        }
        content = {key: value for key, value in {**content, **changes}.items() if value is not None}
        (place / name).write_text(yaml.safe_dump(content, sort_keys=False))
        return place / name

    return write


@pytest.fixture
def drive(bench, clips, place):
    """Runs a program on two clips of the data set tiny, each driven by itself; options given here come last and so
    win."""
    lines = "".join(f"{clip},0,{clip},{index}\n" for clip in "ab" for index in range(8))
    (place / "two.csv").write_text(f"source_clip,source_index,driving_clip,driving_index\n{lines}")
    data = ("--dataset", "tiny", "--root", clips, "--task", "reconstruction", "--pairs", "two.csv")
    quick = (*data, "--metrics", "l1", "--videos", "0")
    return lambda path, *options: bench("run", "--program", path, *quick, *options)
