"""`bench weights pull` of a method's files, with a web server on this machine in place of the network."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import FileServer, serving

from talkbench.methods import checkpoint_store

MAIN, OTHER = "base_models/spade_generator.pth", "base_models/motion_extractor.pth"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "weights" / "liveportrait"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Publishes two files as LivePortrait's, which has no others."""
    real = checkpoint_store.card
    with serving() as server:

        def published(file, content: bytes):
            server.files[f"/{file.file}"] = content
            facts = {"url": f"{server.url}/{file.file}", "sha256": hashlib.sha256(content).hexdigest(), "size": 400}
            return file.model_copy(update=facts)

        own = real("liveportrait")
        main, other = published(own.weights, b"main" * 100), published(own.beside["motion_extractor"], b"moti" * 100)
        card = own.model_copy(update={"weights": main, "beside": {"motion_extractor": other}})
        monkeypatch.setattr(checkpoint_store, "card", lambda name: card if name == "liveportrait" else real(name))
        yield server


def complaint(result) -> str:
    """The one line about the file that did not come; the other one has come."""
    assert result.code == 2
    assert "motion_extractor.pth" in result.out
    (line,) = result.err.splitlines()
    return line.removeprefix("bench: ")


def test_all_files_of_a_method_come_by_its_name(bench, server: FileServer, folder: Path) -> None:
    result = bench("weights", "pull", "liveportrait")
    assert (result.code, result.err) == (0, "")
    assert result.out.count("liveportrait is fetched; licence: MIT\n") == 2
    for name in (MAIN, OTHER):
        assert (folder / name).read_bytes() == server.files[f"/{name}"]
        assert f"  stored as {folder / name}\n" in result.out
    assert [file.status for file in checkpoint_store.listed("liveportrait")] == ["official", "official"]
    again = bench("weights", "pull", "liveportrait")
    assert again.out.splitlines() == [f"liveportrait is there already: {folder / name}" for name in (MAIN, OTHER)]
    assert len(server.requests) == 2


def test_an_interrupted_download_goes_on(
    bench, server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talkbench.core.model_files.CHUNK", 100)
    server.cut = 300
    assert "goes on from there" in complaint(bench("weights", "pull", "liveportrait"))
    assert not (folder / MAIN).exists()
    assert (folder / OTHER).is_file()  # one that fails stops no other
    assert bench("weights", "pull", "liveportrait").code == 0
    assert server.requests[-1] == (f"/{MAIN}", "bytes=299-")
    assert (folder / MAIN).read_bytes() == server.files[f"/{MAIN}"]


def test_what_is_not_the_published_file_is_not_kept(bench, server: FileServer, folder: Path) -> None:
    server.files[f"/{MAIN}"] = b"evil" * 100
    line = complaint(bench("weights", "pull", "liveportrait"))
    assert line.startswith(
        f"{server.url}/{MAIN} is not the published liveportrait-spade_generator.pth: it has the sha256"
    )
    assert line.endswith("then: bench weights add FILE --as liveportrait")
    assert not (folder / MAIN).exists()


def test_nothing_of_a_method_comes_unasked(
    bench, server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talkbench.benchmark.model_files.fetchable", list)  # of metrics and data sets
    assert bench("weights", "pull").code == 0
    assert not folder.exists()
    line = bench("run", "--method", "liveportrait", "--dataset", "tiny").complaint()
    assert "fetch it (bench weights pull liveportrait), put it there" in line
    assert server.requests == []
