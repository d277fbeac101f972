"""The wheel holds the whole tree and works where there is no checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tree import ROOT, tree


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
    files = [path for path in tree() if path.parts[0] not in ("tests", "docs") and not path.parts[0].startswith(".")]
    packaged = {path for path in files if len(path.parts) > 1} | {
        Path("__init__.py"),
        Path("__main__.py"),
        Path("py.typed"),
    }
    inside = set(zipfile.ZipFile(wheel).namelist())
    shipped = {name for name in inside if ".dist-info/" not in name}
    assert shipped == {f"talkbench/{path.as_posix()}" for path in packaged}
    assert all(any(name.endswith(f"/licenses/{notice}") for name in inside) for notice in ("LICENSE", "NOTICE"))


@pytest.fixture(scope="module")
def scripts(wheel, install, tmp_path_factory) -> Path:
    """The scripts of a fresh environment: talkbench from the wheel, its libraries from the present one."""
    venv = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    scripts = venv / "bin"
    install("--python", scripts / "python", wheel)
    packages = next(venv.glob("lib/python*/site-packages"))
    libraries = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "libraries.pth").write_text("\n".join(libraries))
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


def test_the_wheel_builds_the_leaderboard_of_the_checkout(scripts, tmp_path):
    """From the entries that it holds, to the byte. Those of one task are enough, since the site of all takes long."""
    (held,) = scripts.parent.glob("lib/python*/site-packages/talkbench/results/entries")
    for entry in held.iterdir():
        if entry.is_dir() and not entry.name.endswith("--demo--reconstruction--absolute"):
            shutil.rmtree(entry)
    few = shutil.copytree(
        ROOT / "results" / "entries",
        tmp_path / "few",
        ignore=lambda _, names: [name for name in names if "--" in name and not (held / name).is_dir()],
    )
    assert "entries that ship" in run(scripts / "bench", "leaderboard", "build", folder=tmp_path)
    here = tmp_path / "here"
    run(Path(sys.executable).with_name("bench"), "leaderboard", "build", "--out", here, "--entries", few, folder=ROOT)
    site, expected = contents(tmp_path / "site"), contents(here)
    assert len(expected) > 20
    assert site == expected


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
