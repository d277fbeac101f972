"""Published files are told from others, and come whole or not at all."""

import hashlib
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from file_server import FileServer, serving

from talkbench.core import model_files
from talkbench.core.errors import TalkbenchError
from talkbench.core.locks import locked
from talkbench.core.model_files import RemoteFile, copy, digest, fetch, git_blob, note, noted

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as server:
        server.files["/net.pth"] = CONTENT
        yield server


@pytest.fixture
def file(server: FileServer) -> RemoteFile:
    return RemoteFile("net", "lab/net.pth", f"{server.url}/net.pth", "a page", "MIT")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def target(home: Path) -> Path:
    return home / "weights" / "lab" / "net.pth"


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited between tries, which the tests do not take."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


class Bar:
    """Counts the bytes."""

    total = 0
    seen = 0
    closed = False

    def update(self, count: int) -> None:
        self.seen += count

    def close(self) -> None:
        self.closed = True


def everything(folder: Path) -> list[str]:
    """But the lock, which stays."""
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(file for file in files if file != "downloads/.lock")


@pytest.mark.parametrize(
    ("known", "complaint"),
    [
        ({}, None),
        ({"size": len(CONTENT)}, None),
        ({"sha256": SHA256}, None),
        ({"sha256": SHA256[:8]}, None),
        ({"size": 7}, "has 1048576 bytes instead of 7"),
        ({"sha256": "0" * 64}, f"has the sha256 {SHA256[:12]}… instead of 000000000000…"),
        ({"sha256": "00ff00ff"}, f"has the sha256 {SHA256[:12]}… instead of 00ff00ff…"),
        ({"git_blob": "0" * 40}, "instead of 000000000000…"),
    ],
)
def test_what_is_known_of_a_file_is_held_against_it(tmp_path: Path, known: dict, complaint: str | None) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(CONTENT)
    fault = RemoteFile("net", "lab/net.pth", "", "a page", "MIT", **known).fault(path)
    if complaint is None:
        assert fault is None
    else:
        assert fault is not None
        assert fault.startswith(f"{path} has ")
        assert complaint in fault


def test_the_git_id_is_git_s(tmp_path: Path) -> None:
    """``printf 'hello\\n' | git hash-object --stdin`` and that of the empty file."""
    for content, known in (
        (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
        (b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
    ):
        (tmp_path / "file").write_bytes(content)
        assert git_blob(tmp_path / "file") == known


def test_an_empty_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "net.pth").touch()
    file = RemoteFile("net", "lab/net.pth", "", "a page", "MIT")
    assert file.fault(tmp_path / "net.pth") == f"{tmp_path / 'net.pth'} is empty"


def test_the_noted_hash_holds_where_none_is_published(tmp_path: Path) -> None:
    path, file = tmp_path / "net.pth", RemoteFile("net", "lab/net.pth", "", "a page", "MIT")
    path.write_bytes(CONTENT)
    assert noted(path) == ""
    assert note(path) == noted(path) == digest(path) == SHA256
    assert file.fault(path) is None
    path.write_bytes(b"x" + CONTENT[1:])
    fault = file.fault(path)
    assert fault is not None
    assert f"instead of {SHA256[:12]}…, which it came with" in fault
    published = replace(file, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert published.fault(path) is None, "the published hash counts more than an old note"


def test_a_copy_over_itself_leaves_the_file(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(CONTENT)
    copy(tmp_path / "net.pth", tmp_path / "net.pth")
    copy(tmp_path / "net.pth", tmp_path / "folder" / "other.pth")
    assert (tmp_path / "folder" / "other.pth").read_bytes() == (tmp_path / "net.pth").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"sha256": SHA256},
        {"sha256": SHA256[:8]},
        {"git_blob": hashlib.sha1(b"blob 1048576\0" + CONTENT, usedforsecurity=False).hexdigest()},
    ],
    ids=["nothing", "hash", "first digits", "git"],
)
def test_a_file_is_fetched_and_its_hash_is_noted(file: RemoteFile, target: Path, home: Path, known: dict) -> None:
    bar = Bar()
    assert fetch(replace(file, **known), target, bar) == SHA256
    assert target.read_bytes() == CONTENT
    assert everything(home) == ["weights/lab/net.pth", "weights/lab/net.pth.sha256"]
    assert noted(target) == SHA256
    assert (bar.total, bar.seen, bar.closed) == (len(CONTENT), len(CONTENT), True)


@pytest.mark.parametrize("known", [{"sha256": "0" * 64}, {"sha256": "00ff00ff"}, {"git_blob": "0" * 40}, {"size": 7}])
def test_another_file_is_not_kept(file: RemoteFile, target: Path, home: Path, known: dict) -> None:
    with pytest.raises(TalkbenchError, match=r"/net.pth is not the published net: it has .* instead of .*--as net"):
        fetch(replace(file, **known), target)
    assert everything(home) == []


def test_a_failed_fetch_leaves_what_was_there(file: RemoteFile, target: Path, home: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(b"old")
    with pytest.raises(TalkbenchError):
        fetch(replace(file, sha256="0" * 64), target)
    assert everything(home) == ["weights/lab/net.pth"]
    assert target.read_bytes() == b"old"


def broken(server: FileServer, file: RemoteFile, target: Path, after: int) -> None:
    server.cut = after
    with pytest.raises(TalkbenchError, match=r"the connection broke; the same command goes on from there") as caught:
        fetch(file, target)
    assert "\n" not in str(caught.value)
    assert not target.exists()


@pytest.mark.parametrize("after", [300_000, len(CONTENT) - 1])
def test_a_broken_download_goes_on_where_it_stopped(
    server: FileServer, file: RemoteFile, target: Path, home: Path, after: int
) -> None:
    broken(server, file, target, after)
    got = (home / "downloads" / "net").stat().st_size
    assert 0 < got <= after
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert server.requests[1] == ("/net.pth", f"bytes={got - 1}-")
    assert everything(home) == ["weights/lab/net.pth", "weights/lab/net.pth.sha256"]


def test_it_goes_on_after_a_redirection(server: FileServer, file: RemoteFile, target: Path) -> None:
    file = replace(file, url=f"{server.url}/moved/net.pth")
    broken(server, file, target, 300_000)
    sent = server.sent
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert server.sent - sent < len(CONTENT)


def test_a_download_that_was_complete_but_not_moved_is_taken(
    server: FileServer, file: RemoteFile, target: Path, home: Path
) -> None:
    broken(server, file, target, 300_000)
    (home / "downloads" / "net").write_bytes(CONTENT)
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert server.requests[1] == ("/net.pth", f"bytes={len(CONTENT) - 1}-")


@pytest.mark.parametrize("tagged", [True, False], ids=["the file has changed", "the server does not tell versions"])
def test_halves_of_two_versions_are_never_joined(
    server: FileServer, file: RemoteFile, target: Path, tagged: bool
) -> None:
    server.tagged = tagged
    broken(server, file, target, 300_000)
    server.files["/net.pth"] = changed = CONTENT[::-1]
    fetch(file, target)
    assert target.read_bytes() == changed


def test_a_repository_without_published_commit_is_fetched_at_its_present_one(
    server: FileServer, file: RemoteFile, target: Path
) -> None:
    server.files["/api"] = b'{"sha": "' + b"0a" * 20 + b'", "private": false}'
    server.files[f"/at/{'0a' * 20}/net.pth"] = CONTENT
    file = replace(file, url=f"{server.url}/at/{{commit}}/net.pth", revision=f"{server.url}/api")
    assert file.address == "a page"
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == ["/api", f"/at/{'0a' * 20}/net.pth"]


@pytest.mark.parametrize(
    "answer", [b"{}", b"[]", b"no JSON", b'{"sha": "main"}', b'{"sha": "../../x"}', b"[" * 100_000]
)
def test_a_commit_that_is_none(server: FileServer, file: RemoteFile, target: Path, home: Path, answer: bytes) -> None:
    server.files["/api"] = answer
    with pytest.raises(TalkbenchError, match=rf"^cannot fetch net from {server.url}/api \(.*\); "):
        fetch(replace(file, url=f"{server.url}/{{commit}}", revision=f"{server.url}/api"), target)
    assert everything(home) == []


@pytest.mark.parametrize(
    ("known", "proof"),
    [
        ({"sha256": SHA256}, "sha256"),
        ({"sha256": SHA256[:8]}, "first 8 digits of the sha256"),
        ({"git_blob": "0" * 40}, "git id"),
        ({}, "none: the hash is noted when the file comes, and must hold from then on"),
    ],
)
def test_what_is_published_of_the_contents_is_said(file: RemoteFile, known: dict, proof: str) -> None:
    assert replace(file, **known).proof == proof


def test_a_page_in_place_of_the_file_is_refused(server: FileServer, file: RemoteFile, target: Path) -> None:
    server.kind = "text/html; charset=utf-8"
    with pytest.raises(TalkbenchError, match=r"cannot fetch net from http.*\(a web page came in place of the file\)"):
        fetch(file, target)
    assert not target.exists()


def test_a_file_that_is_gone_from_the_server(server: FileServer, file: RemoteFile, target: Path) -> None:
    server.files.clear()
    with pytest.raises(TalkbenchError, match=rf"cannot fetch net from {server.url}/net.pth \(404 Not Found\)"):
        fetch(file, target)


def test_without_a_network_the_way_round_is_named(
    file: RemoteFile, target: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(TalkbenchError) as caught:
        fetch(file, target)
    assert str(caught.value) == (
        f"cannot fetch net from {file.url} (no connection); where there is a network: bench weights pull net, "
        "bench weights export DIR; then here: bench weights add DIR"
    )
    assert not target.exists()


def test_a_store_that_cannot_be_written(file: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "file"))
    with pytest.raises(TalkbenchError, match=r"cannot write .*file/net.pth: .*; choose a folder that can be written$"):
        fetch(file, tmp_path / "file" / "net.pth")
    with pytest.raises(TalkbenchError, match=r"cannot write .*; choose a folder that can be written$"):
        fetch(file, tmp_path / "store" / "net.pth")


def test_one_process_at_a_time(file: RemoteFile, target: Path, home: Path) -> None:
    line = rf"^process \d+ is downloading to {home / 'downloads'}; wait until it has finished"
    with locked(home / "downloads", "is here"), pytest.raises(TalkbenchError, match=line):
        fetch(file, target)
    fetch(file, target)


@pytest.mark.parametrize("refusals", [[429], [502, 503], [504, 0, 503], [0, 0, 0]], ids=str)
def test_a_server_that_is_busy_or_breaks_off_is_asked_again(
    server: FileServer, file: RemoteFile, target: Path, refusals: list[int], waits: list[float]
) -> None:
    server.refusals = [*refusals]
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert len(server.requests) == len(refusals) + 1
    assert waits == [1.0, 2.0][: len(refusals) - 1]  # the second try is made at once


@pytest.mark.parametrize(("said", "waited"), [("7", 7), ("100000", 60)])
def test_it_waits_as_long_as_the_server_asks_but_not_for_ever(
    server: FileServer, file: RemoteFile, target: Path, said: str, waited: float, waits: list[float]
) -> None:
    server.refusals, server.retry_after = [503], said
    fetch(file, target)
    assert waits == [waited]


def test_the_rest_of_a_file_is_asked_for_again_too(server: FileServer, file: RemoteFile, target: Path) -> None:
    broken(server, file, target, 300_000)
    server.refusals = [503]
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert server.requests[1] == server.requests[2] != server.requests[0]


@pytest.mark.parametrize(
    ("status", "reason"),
    [(429, "429 Too Many Requests"), (503, "503 Service Unavailable"), (0, "no connection")],
)
def test_tries_have_an_end(
    server: FileServer, file: RemoteFile, target: Path, home: Path, status: int, reason: str
) -> None:
    server.refusals = [status] * 100
    with pytest.raises(TalkbenchError, match=rf"^cannot fetch net from {file.url} \({reason}\); ") as caught:
        fetch(file, target)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 4
    assert everything(home) == []


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_is_taken_at_once(server: FileServer, file: RemoteFile, target: Path, status: int) -> None:
    server.refusals = [status]
    with pytest.raises(TalkbenchError, match=rf"\({status} "):
        fetch(file, target)
    assert len(server.requests) == 1


def test_a_server_that_says_nothing(
    server: FileServer, file: RemoteFile, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(model_files, "TIMEOUT", (0.2, 0.2))
        silent_file = replace(file, url=f"http://127.0.0.1:{silent.getsockname()[1]}/net.pth")
        with pytest.raises(TalkbenchError, match=r"\(no answer in time\)"):
            fetch(silent_file, target)
