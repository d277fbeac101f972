"""`bench weights pull` of a method's files, with a web server on this machine in place of the network."""

import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import torch
from file_server import FileServer, serving

from talkbench.methods import cards, checkpoint_store

BODY = """import torch
    name, optional = "mine", ()
    networks = {"net": torch.nn.Linear(9, 9), "other": torch.nn.Linear(8, 8)}
    def discriminator(self): ..."""
COMMIT = "1f" * 20
LINKS = {
    "url": {},
    "hub": {"hub": "owner/repo", "path": "nets/main.pth", "revision": COMMIT},
    "drive": {"drive": "the-id"},
}
ON_HUB, ON_DRIVE = f"/owner/repo/resolve/{COMMIT}/nets/main.pth", "/uc?id=the-id"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "weights" / "mine"


@pytest.fixture
def server() -> Iterator[FileServer]:
    """Has the two files of the method `mine`."""
    with serving() as server:
        for name, side in (("main.pth", 9), ("other.pth", 8)):
            content = io.BytesIO()
            torch.save(torch.nn.Linear(side, side).state_dict(), content)
            server.files[f"/{name}"] = content.getvalue()
        yield server


@pytest.fixture
def published(
    server: FileServer, method_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Registers the method `mine` with a card that says where its files are: `beside` is left out on request, `file` is
    said of the main one, `licence` of both."""
    for module in (cards, checkpoint_store):  # to build all methods takes seconds
        monkeypatch.setattr(module, "known_names", lambda: ["mine"])

    def register(file: dict[str, Any] | None = None, beside: bool = True, **licence: object) -> None:
        def facts(name: str) -> dict[str, Any]:
            content = server.files[f"/{name}"]
            hashed = {"url": f"{server.url}/{name}", "sha256": hashlib.sha256(content).hexdigest()}
            return {"file": f"nets/{name}", "source": "their page", "size": len(content), **hashed}

        main = {**facts("main.pth"), "network": "net"}
        if file:
            main = {key: main[key] for key in ("file", "source", "network")} | file
        files = {"weights": main, "beside": {"other": facts("other.pth")} if beside else {}}
        card = {"short": "x", "default": "mine", "licence": licence or {"weights": "MIT"}, "variants": {"mine": files}}
        cards._read.cache_clear()
        method_plugin(json.dumps(card), BODY)

    return register


@pytest.fixture
def hub(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """The server as the Hugging Face hub: the library is as if HF_ENDPOINT had named it at its import."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface_hub is not installed")
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    server.files[ON_HUB] = server.files["/main.pth"]
    server.headers = {"X-Repo-Commit": COMMIT}
    return server


@pytest.fixture
def drive(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """The server as Google Drive."""
    pytest.importorskip("gdown", reason="gdown is not installed")
    monkeypatch.setattr(sys.modules["gdown.download"], "CHUNK_SIZE", 100)
    real = requests.Session.request

    def request(session: Any, method: str, url: str, **options: Any) -> Any:
        return real(session, method, url.replace("https://drive.google.com", server.url), **options)

    monkeypatch.setattr(requests.Session, "request", request)
    server.files[ON_DRIVE] = server.files["/main.pth"]
    server.headers = {"Content-Disposition": 'attachment; filename="main.pth"'}
    return server


def complaint(result) -> str:
    """The one line about the file that did not come."""
    assert result.code == 2
    (line,) = result.err.splitlines()
    return line.removeprefix("bench: ")


def is_stored(server: FileServer, folder: Path, status: str) -> bool:
    """Whether the main file is whole in the store, and nothing else of it has been left."""
    assert not [path for path in (folder.parents[1] / "downloads").rglob("*main*") if path.is_file()]
    assert checkpoint_store.listed("mine")[0].status == status
    return (folder / "nets" / "main.pth").read_bytes() == server.files["/main.pth"]


def test_all_files_of_a_method_come_by_its_name(bench, server: FileServer, published, folder: Path) -> None:
    published()
    result = bench("weights", "pull", "mine")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    for name in ("main.pth", "other.pth"):
        path = folder / "nets" / name
        assert path.read_bytes() == server.files[f"/{name}"]
        fetched = lines[lines.index(f"mine: {name}; licence: MIT") + 1 :][:2]
        assert fetched == ["mine is fetched; licence: MIT", f"  stored as {path}"]
    assert [file.status for file in checkpoint_store.listed("mine")] == ["official", "official"]
    again = bench("weights", "pull", "mine")
    assert again.out.splitlines() == [
        f"mine is there already: {folder / 'nets' / name}" for name in ("main.pth", "other.pth")
    ]
    assert len(server.requests) == 2


def test_an_interrupted_download_goes_on(
    bench, server: FileServer, published, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published()
    monkeypatch.setattr("talkbench.core.model_files.CHUNK", 100)
    server.cut = 300
    assert "goes on from there" in complaint(bench("weights", "pull", "mine"))
    assert not (folder / "nets" / "main.pth").exists()
    assert (folder / "nets" / "other.pth").is_file()  # one that fails stops no other
    assert bench("weights", "pull", "mine").code == 0
    assert server.requests[-1] == ("/main.pth", "bytes=299-")
    assert is_stored(server, folder, "official")


def test_what_is_not_the_published_file_is_not_kept(bench, server: FileServer, published, folder: Path) -> None:
    published()
    server.files["/main.pth"] = b"evil" * (len(server.files["/main.pth"]) // 4)
    server.files["/main.pth"] += b"!" * (checkpoint_store.listed("mine")[0].published.size % 4)
    line = complaint(bench("weights", "pull", "mine"))
    assert line.startswith(f"{server.url}/main.pth is not the published mine-main.pth: it has the sha256")
    assert line.endswith("then: bench weights add FILE --as mine")
    assert not (folder / "nets" / "main.pth").exists()


def test_nothing_of_a_method_comes_unasked(
    bench, server: FileServer, published, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published()
    monkeypatch.setattr("talkbench.benchmark.model_files.fetchable", list)  # of metrics and data sets
    assert bench("weights", "pull").code == 0
    assert not folder.exists()
    assert server.requests == []
    line = bench("run", "--method", "liveportrait", "--dataset", "tiny").complaint()
    assert "fetch them (bench weights pull liveportrait), put them there" in line


def test_a_non_commercial_licence_is_to_be_accepted(bench, server: FileServer, published, folder: Path) -> None:
    published(weights="CC BY-NC 4.0", non_commercial=True)
    assert bench("weights", "pull", "mine").complaint() == (
        "bench: for non-commercial use only are the weights of mine (CC BY-NC 4.0); nothing was fetched: add "
        "--accept-licence"
    )
    assert server.requests == []
    result = bench("weights", "pull", "mine", "--accept-licence")
    assert (result.code, result.out.splitlines()[0]) == (0, "mine: main.pth; licence: CC BY-NC 4.0")
    assert bench("weights", "pull", "mine").code == 0, "there is nothing left to accept"


def test_what_only_a_person_can_fetch_is_named_before_its_licence(bench, published) -> None:
    published({"sha256": ""}, beside=False, weights="CC BY-NC 4.0", non_commercial=True)
    assert "main.pth of mine is to be fetched by hand: their page" in complaint(bench("weights", "pull", "mine"))


@pytest.mark.parametrize("link", ["hub", "drive"])
def test_hub_and_drive(bench, link: str, published, folder: Path, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(link)
    published(LINKS[link], beside=False)
    result = bench("weights", "pull", "mine")
    assert (result.code, result.err) == (0, "")
    assert "mine: main.pth; licence: MIT\nmine is fetched; licence: MIT\n" in result.out
    assert "  published hash: none: " in result.out
    assert is_stored(server, folder, "as added")
    assert (ON_HUB if link == "hub" else ON_DRIVE, None) in server.requests


@pytest.mark.parametrize("link", ["hub", "drive"])
def test_a_file_of_hub_and_drive_has_its_sha256(
    bench, link: str, published, folder: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(link)
    published({**LINKS[link], "sha256": "0" * 64}, beside=False)
    line = complaint(bench("weights", "pull", "mine"))
    assert "is not the published mine-main.pth: it has the sha256" in line
    assert not folder.joinpath("nets", "main.pth").exists()
    content = server.files["/main.pth"]
    published({**LINKS[link], "sha256": hashlib.sha256(content).hexdigest()}, beside=False)
    assert bench("weights", "pull", "mine").code == 0
    assert is_stored(server, folder, "official")


@pytest.mark.parametrize(
    ("other", "told"),
    [("/other.pth", "it is its other; it was not kept"), ("", "it fits no method; ")],
)
@pytest.mark.parametrize("link", ["hub", "drive"])
def test_a_file_of_other_networks_is_not_kept(
    bench, link: str, other: str, told: str, published, folder: Path, request: pytest.FixtureRequest
) -> None:
    server, strange = request.getfixturevalue(link), io.BytesIO()
    torch.save({"weight": torch.zeros(5)}, strange)
    server.files[ON_HUB] = server.files[ON_DRIVE] = server.files.get(other, strange.getvalue())
    published(LINKS[link])
    line = complaint(bench("weights", "pull", "mine"))
    assert f"is not the published mine-main.pth: {told}" in line
    assert not folder.joinpath("nets", "main.pth").exists()


def test_an_interrupted_download_from_drive_goes_on(bench, drive: FileServer, published, folder: Path) -> None:
    published(LINKS["drive"], beside=False)
    drive.cut = 300
    line = complaint(bench("weights", "pull", "mine"))
    assert line.startswith("cannot fetch mine-main.pth from https://drive.google.com/uc?id=the-id (")
    assert "The same command goes on from" in line
    assert bench("weights", "pull", "mine").code == 0
    assert drive.requests[-1] == (ON_DRIVE, "bytes=300-")
    assert is_stored(drive, folder, "as added")


def test_a_connection_to_the_hub_that_breaks_is_taken_up_again(bench, hub: FileServer, published, folder: Path) -> None:
    published(LINKS["hub"], beside=False)
    real, hub.cut = hub.files[ON_HUB], 300
    result = bench("weights", "pull", "mine")
    assert (result.code, result.err) == (0, "")
    assert hub.requests[-1] == (ON_HUB, "bytes=300-")
    assert folder.joinpath("nets", "main.pth").read_bytes() == real


@pytest.mark.parametrize("link", ["hub", "drive"])
def test_what_hub_and_drive_do_not_have_is_one_line(bench, link, published, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(link)
    published(LINKS[link], beside=False)
    server.files.clear()
    line = complaint(bench("weights", "pull", "mine"))
    assert line.startswith("cannot fetch mine-main.pth from https://")
    assert line.endswith("fetch it by hand (their page), then: bench weights add FILE --as mine")


@pytest.mark.parametrize(("link", "library"), [("hub", "huggingface_hub"), ("drive", "gdown")])
def test_a_missing_library_is_named(bench, link, library, published, monkeypatch: pytest.MonkeyPatch) -> None:
    published(LINKS[link], beside=False)
    monkeypatch.setitem(sys.modules, library, None)
    assert complaint(bench("weights", "pull", "mine")) == (
        f"the download needs {library}: pip install 'talkbench[pull]'"
    )


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ({"url": "https://x/y"}, "nets/main.pth has a url and no sha256; state what is to come from there"),
        ({"hub": "a/b", "revision": "main"}, "has a hub and no commit; give its 40 hexadecimal digits as revision"),
        ({"path": "x"}, "has a path or revision and no hub; name the repository"),
        ({**LINKS["hub"], **LINKS["drive"]}, "has several of url, hub and drive; keep one"),
    ],
)
def test_a_card_that_does_not_say_what_is_to_come_is_refused(bench, file, told: str, published) -> None:
    published(file, beside=False)
    assert told in bench("show", "mine").complaint()
