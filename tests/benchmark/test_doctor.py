"""`bench doctor` says what is here and what is not, and needs none of it."""

import json
from importlib import metadata

import pytest


@pytest.fixture
def parts(bench, place, monkeypatch):
    """What `bench doctor --json` says with an empty cache folder, by section and name."""
    monkeypatch.setenv("TALKBENCH_HOME", str(place / "empty"))
    result = bench("doctor", "--json")
    assert result.code == 0, result.err
    assert not (place / "empty").exists(), "nothing is written"
    return {section: {part["name"]: part for part in of} for section, of in json.loads(result.out).items()}


def test_what_is_here_and_what_is_not(parts):
    assert parts["program"]["talkbench"]["about"].startswith(metadata.version("talkbench"))
    assert parts["libraries"]["torch"]["ok"]
    assert parts["libraries"]["torch"]["about"] == metadata.version("torch")
    assert parts["devices"]["cpu"]["ok"]
    assert "not made yet" in parts["folders"]["cache"]["about"]
    assert parts["methods"]["mcnet@demo"]["ok"]
    assert parts["methods"]["copy-source"]["ok"]
    assert parts["metrics"]["l1"]["ok"]
    assert not parts["data sets"]["demo"]["ok"]
    assert "folder" not in parts["data sets"]


def test_what_is_missing_has_a_remedy(parts):
    absent = [part for of in parts.values() for part in of.values() if part["ok"] is False]
    assert all(part["remedy"] for part in absent)
    assert "vox-cpk.pth.tar" in parts["methods"]["fomm"]["remedy"]
    assert parts["methods"]["mcnet"]["about"] == "mcnet@demo runs in its place"
    assert "bench weights pull" in parts["metrics"]["lpips@vgg"]["remedy"]


def test_in_words(bench, place, monkeypatch):
    monkeypatch.setenv("TALKBENCH_HOME", str(place / "empty"))
    short, whole = (bench("doctor", *options).out for options in ((), ("--all",)))
    assert "vox-cpk.pth.tar" not in short
    assert "bench doctor --all says of each what is missing" in short
    assert "vox-cpk.pth.tar" in whole
    assert "bench doctor --all" not in whole
    for line in ("program", "libraries: ", "devices", "folders", "methods: ", "metrics: ", "data sets"):
        assert f"\n{line}" in f"\n{short}"


def test_a_library_that_is_missing_or_old(bench, monkeypatch):
    version = metadata.version

    def other(name: str) -> str:
        if name == "mlflow":
            raise metadata.PackageNotFoundError(name)
        return "1.0" if name == "lpips" else "0.0.1" if name == "scipy" else version(name)

    monkeypatch.setattr(metadata, "version", other)
    libraries = {part["name"]: part for part in json.loads(bench("doctor", "--json").out)["libraries"]}
    assert (libraries["mlflow"]["about"], libraries["mlflow"]["remedy"]) == (
        "not installed", "pip install 'talkbench[full]'",
    )  # fmt: skip
    assert libraries["scipy"]["about"].startswith("0.0.1, not >=")
    assert libraries["scipy"]["remedy"].startswith("pip install 'scipy>=")
    assert libraries["lpips"]["ok"]
