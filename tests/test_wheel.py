"""The wheel holds the whole tree and works where there is no checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def tree() -> list[Path]:
    """The files that belong to the checkout, tracked by git or about to be, relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, so that nothing left over from earlier builds gets in."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in tree():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    build = [sys.executable, "-P", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(wheel):
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {name.split(".")[1] for name in packages}
    entries = Path("results", "entries")  # the leaderboard's data, which only the checkout has
    files = [path for path in tree() if path.parts[0] in folders and not path.is_relative_to(entries)]
    expected = {f"talkbench/{path}" for path in files}
    inside = set(zipfile.ZipFile(wheel).namelist())
    shipped = {name for name in inside if ".dist-info/" not in name}
    assert shipped == expected
    assert any(name.endswith("/licenses/LICENSE") for name in inside)


@pytest.fixture(scope="module")
def scripts(wheel, install, tmp_path_factory) -> Path:
    """The scripts of a fresh environment: talkbench from the wheel, its libraries from the present one."""
    venv = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    scripts = venv / "bin"
    install("--python", scripts / "python", wheel)
    packages = next(venv.glob("lib/python*/site-packages"))
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return scripts


def run(*command: object, folder: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run([*map(str, command)], cwd=folder, env=clean, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_wheel_works_outside_the_checkout(scripts, tmp_path):
    where = run(scripts / "python", "-c", "import talkbench.core as core; print(core.__file__)", folder=tmp_path)
    assert Path(where).is_relative_to(scripts.parent)
    for kind, name in [("methods", "mcnet"), ("metrics", "psnr"), ("datasets", "demo")]:
        assert name in run(scripts / "bench", "list", kind, folder=tmp_path).split()
