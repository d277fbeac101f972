"""`bench weights` on the models of metrics and methods, with a web server on this machine in place of the network."""

import hashlib
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from file_server import FileServer, serving

from talkbench import methods
from talkbench.benchmark.cli.weights import command as group
from talkbench.core.model_files import note
from talkbench.methods import cards, recognition
from talkbench.metrics import weights

COMMANDS = group.list_commands(click.Context(group))
CONTENT = {
    "vgg16": b"vgg" * 99,
    "openface-nn4": b"openface" * 50,
    "arcface-r50": b"arcface" * 70,
    "body-pose": b"body" * 9,
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "home"


@pytest.fixture
def server(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Publishes the `CONTENT` of files of which the first digits are known, the git id, nothing, not even a URL."""
    git = hashlib.sha1(b"blob 400\0" + CONTENT["openface-nn4"], usedforsecurity=False).hexdigest()
    with serving() as server:
        real = weights.cards()
        known = {
            "vgg16": {"url": f"{server.url}/vgg16.pth", "sha256": sha256("vgg16")[:8]},
            "openface-nn4": {"url": f"{server.url}/openface.pth", "git_blob": git},
            "arcface-r50": {"url": f"{server.url}/arcface.safetensors"},
            "body-pose": {},
        }
        here = {"hub": "", "elsewhere": ()}
        table = {name: real[name].model_copy(update=here | facts) for name, facts in known.items()}
        for name, card in table.items():
            if card.url:
                server.files[card.url.removeprefix(server.url)] = CONTENT[name]
        monkeypatch.setattr(weights, "cards", lambda: table)
        yield server


def sha256(name: str) -> str:
    return hashlib.sha256(CONTENT[name]).hexdigest()


def stored(name: str) -> Path:
    return weights.store() / weights.files()[name].path


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def everything(folder: Path) -> list[str]:
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(path for path in found if not path.endswith((".sha256", ".lock")))


def rows(result) -> dict[str, str]:
    """By name, the rest of the line."""
    assert result.code == 0, result.err
    return {line.split()[0]: line.partition(" ")[2].strip() for line in result.out.splitlines()}


def complaints(result) -> list[str]:
    assert result.code == 2, result.err
    lines = result.err.splitlines()
    assert all(line.startswith("bench: ") for line in lines)
    return [line.removeprefix("bench: ") for line in lines]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_explained_with_an_example(bench, command):
    assert COMMANDS == ["add", "average", "convert", "export", "list", "pull", "verify"]
    result = bench("weights", command, "--help")
    assert result.code == 0
    assert f"bench weights {command}" in result.out.partition("\n")[2]
    for parameter in group.get_command(click.Context(group), command).params:
        assert parameter.param_type_name == "argument" or parameter.help


def test_the_list_says_what_a_file_is_for_where_it_is_and_under_which_licence(bench, server):
    put(stored("vgg16"), CONTENT["vgg16"])
    put(stored("openface-nn4"), b"something else")
    note(put(stored("arcface-r50"), CONTENT["arcface-r50"]))
    found = rows(bench("weights", "list"))
    assert {"mcnet", "fomm@vox-256", *CONTENT} <= set(found)
    assert re.match(
        rf"lpips@vgg +{stored('vgg16')} +official +0\.0 +BSD 3-Clause .*first 8 digits .*/vgg16\.pth$", found["vgg16"]
    )
    assert "damaged" in found["openface-nn4"]
    assert re.search(r"csim.* as added .*non-commercial", found["arcface-r50"])
    assert re.search(
        r"mkr, .* missing +209\.0 +OpenPose terms, non-commercial +none: the hash is noted .* the download link in",
        found["body-pose"],
    )
    assert {"openface-nn4", "body-pose"} == set(rows(bench("weights", "list", "--missing"))) & set(CONTENT)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("lpips@vgg", {"vgg16"}),
        ("aed@openface-nn4", {"openface-nn4"}),
        ("csim", {"arcface-r50"}),
        ("body-pose", {"body-pose"}),
        ("ssim", set()),
        ("fomm", {"fomm@vox-256", "fomm@vox-adv", "fomm@taichi", "fomm@taichi-adv", "fomm@demo", "fomm@demo-memory"}),
    ],
)
def test_the_list_of_one_name(bench, server, name, files):
    assert set(rows(bench("weights", "list", name))) - {"name", "method"} == files


@pytest.mark.parametrize("command", ["list", "pull", "verify"])
def test_an_unknown_name_is_answered_with_the_nearest(bench, server, command):
    assert bench("weights", command, "lpips@vg").complaint() == (
        "bench: unknown name 'lpips@vg': did you mean lpips@vgg?"
    )
    assert "marionette cannot be run" in bench("weights", command, "marionette").complaint()


def test_files_are_fetched_by_metric_extractor_or_name(bench, server, home):
    result = bench("weights", "pull", "lpips@vgg", "openface-nn4", "csim", "lpips@vgg")
    assert (result.code, result.err) == (0, "")
    assert "arcface-r50 is fetched; licence: InsightFace terms, non-commercial" in result.out
    assert len(server.requests) == 3
    for name in ("vgg16", "openface-nn4", "arcface-r50"):
        assert stored(name).read_bytes() == CONTENT[name]
        assert f"  stored as {stored(name)}\n" in result.out
    assert weights.status("arcface-r50") == "as added"
    again = bench("weights", "pull", "vgg16")
    assert again.out == f"vgg16 is there already: {stored('vgg16')}\n"
    assert len(server.requests) == 3


def test_without_names_all_that_can_be_fetched_are(bench, server):
    put(stored("vgg16"), CONTENT["vgg16"])
    put(stored("openface-nn4"), b"damaged")
    assert bench("weights", "pull").code == 0
    assert {path for path, _ in server.requests} == {"/openface.pth", "/arcface.safetensors"}
    assert stored("openface-nn4").read_bytes() == CONTENT["openface-nn4"]


def test_files_that_fail_do_not_stop_the_others(bench, server, home):
    del server.files["/vgg16.pth"]
    server.files["/openface.pth"] = CONTENT["openface-nn4"][:-1]
    result = bench("weights", "pull", "vgg16", "openface-nn4", "akd@body", "fomm@vox-256", "csim")
    gone, truncated, by_hand, *methods = complaints(result)
    assert gone.startswith(f"cannot fetch vgg16 from {server.url}/vgg16.pth (404 Not Found); where there is a network")
    assert truncated.startswith(f"{server.url}/openface.pth is not the published openface-nn4: it has the git blob")
    assert by_hand.startswith("body-pose is to be fetched by hand: the download link in the README of tensorboy/")
    assert by_hand.endswith("; then: bench weights add FILE --as body-pose")
    assert methods[0].startswith("vox-cpk.pth.tar of fomm@vox-256 is to be fetched by hand: the links")
    assert methods[0].endswith("; then: bench weights add FILE --as fomm@vox-256")
    assert everything(home) == [f"weights/metrics/{weights.files()['arcface-r50'].path}"]


def test_without_a_network(bench, server, home, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("talkbench.core.model_files.BACKOFF", 0)
    line = bench("weights", "pull", "vgg16").complaint()
    assert f"{server.url}/vgg16.pth (no connection); where there is a network: bench weights pull vgg16" in line
    assert everything(home) == []


def test_a_store_that_cannot_be_written(bench, server, place, monkeypatch):
    put(place / "vgg16-397923af.pth", CONTENT["vgg16"])
    (place / "file").touch()
    monkeypatch.setenv("TALKBENCH_HOME", str(place / "file"))
    for arguments in (("pull", "vgg16"), ("add", "vgg16-397923af.pth")):
        line = bench("weights", *arguments).complaint()
        assert re.fullmatch(rf"bench: cannot write {place}/file/.*; choose a folder that can be written", line)


def test_a_way_to_a_machine_without_network(bench, server, home, place, monkeypatch):
    """Export here, add there: files of metrics from the store and from a library's own place, and a method's."""
    bench("weights", "pull", "openface-nn4", "csim")
    library = put(place / "torch" / "hub" / "checkpoints" / "vgg.pth", CONTENT["vgg16"])
    table = weights.cards()
    monkeypatch.setitem(table, "vgg16", table["vgg16"].model_copy(update={"elsewhere": (str(library),)}))
    demo = methods.create("mcnet@demo"), None
    monkeypatch.setattr(cards, "known_names", lambda: ["mcnet@demo"])  # to build all methods takes seconds
    monkeypatch.setattr(recognition, "skeleton", lambda name: demo)
    assert bench("weights", "add", cards.find_weights("mcnet@demo").path).code == 0

    result = bench("weights", "export", "stick")
    assert (result.code, result.err) == (0, "")
    assert "licence: InsightFace terms, non-commercial" in result.out
    files = ["mcnet/demo.safetensors", *(f"metrics/{weights.files()[name].path}" for name in ARRIVING)]
    assert everything(place / "stick") == sorted(["SHA256SUMS", *files])
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=place / "stick", check=True)

    monkeypatch.setattr(socket.socket, "connect", None)
    monkeypatch.setitem(table, "vgg16", table["vgg16"].model_copy(update={"elsewhere": ()}))
    monkeypatch.setenv("TALKBENCH_HOME", str(place / "offline"))
    assert bench("weights", "add", "stick").code == 0
    assert everything(place / "offline" / "weights") == sorted(files)
    verified = bench("weights", "verify")
    assert verified.code == 0
    assert {line.split("  ")[0].strip() for line in verified.out.splitlines()} >= {"official", "as added"}
    assert bench("weights", "add", "offline/weights").code == 0, "the store itself has the same layout"


ARRIVING = ("vgg16", "openface-nn4", "arcface-r50")


def test_export_takes_names_and_keeps_what_was_exported_before(bench, server, place):
    bench("weights", "pull", "vgg16", "csim")
    put(stored("openface-nn4"), b"damaged")
    assert bench("weights", "export", "stick", "lpips@vgg").code == 0
    result = bench("weights", "export", "stick", "csim", "aed", "akd@body")
    assert complaints(result) == [
        "openface.pth of openface-nn4 is damaged, so it was not exported",
        "pose_model.pth of body-pose is missing, so it was not exported",
    ]
    sums = (place / "stick" / "SHA256SUMS").read_text().split()
    assert sums[::2] == [sha256("vgg16"), sha256("arcface-r50")]


def test_nothing_to_export(bench, server, place):
    assert bench("weights", "export", "stick").complaint() == (
        "bench: there is nothing to export; see: bench weights list"
    )
    put(place / "file", b"")
    put(stored("vgg16"), CONTENT["vgg16"])
    assert "cannot write file/" in bench("weights", "export", "file").complaint()


def test_a_folder_with_wrong_files(bench, server, home, place):
    """Each is named, and the others are taken."""
    bench("weights", "pull", "vgg16", "openface-nn4", "csim")
    bench("weights", "export", "stick")
    (home / "weights").rename(place / "moved")
    stick = place / "stick"
    arcface, openface, vgg = (
        stick / "metrics" / weights.files()[name].path for name in ("arcface-r50", "openface-nn4", "vgg16")
    )
    put(arcface, CONTENT["arcface-r50"][:-1])
    openface.unlink()
    put(stick / "notes.txt", b"no model")
    put(stick / ".hidden", b"nothing")
    absent, changed, stranger = complaints(result := bench("weights", "add", "stick"))
    assert absent == "stick/metrics/openface/openface.pth is listed in SHA256SUMS but missing; copy it again"
    assert changed.endswith("arcface_r50.safetensors does not have the sha256 that SHA256SUMS states; copy it again")
    assert stranger.startswith("stick/notes.txt is ")
    assert f"{vgg.name} is vgg16 (BSD 3-Clause" in result.out
    assert everything(home / "weights") == [f"metrics/{weights.files()['vgg16'].path}"]


def test_sums_that_are_none(bench, server, place):
    put(place / "stick" / "SHA256SUMS", b"hello\n")
    assert (
        bench("weights", "add", "stick").complaint().startswith("bench: stick/SHA256SUMS has the line 'hello', which")
    )


def test_sums_lead_nowhere_else(bench, server, home, place):
    put(place / "openface.pth", CONTENT["openface-nn4"])
    digest = sha256("openface-nn4")
    put(place / "stick" / "SHA256SUMS", f"{digest}  ../openface.pth\n".encode())
    assert bench("weights", "add", "stick").out == ""
    assert everything(home) == []


def test_a_file_is_recognised_or_said(bench, server, place):
    result = bench("weights", "add", put(place / "download (1)", CONTENT["vgg16"]))
    assert (result.code, result.out.splitlines()[2]) == (0, f"  sha256 {sha256('vgg16')}")
    assert stored("vgg16").read_bytes() == CONTENT["vgg16"]
    assert bench("weights", "add", put(place / "pose_model.pth", CONTENT["body-pose"])).code == 0
    assert weights.status("body-pose") == "as added"
    put(place / "mine.bin", CONTENT["arcface-r50"])
    assert bench("weights", "add", "mine.bin", "--as", "aed@arcface-r50").code == 0
    assert weights.status("arcface-r50") == "as added"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--as", "vgg16"), "x.pth is not the published vgg16: it has the sha256"),
        (("--as", "vgg61"), "unknown name 'vgg61': did you mean vgg16?"),
        (("--as", "ssim"), "ssim needs no files; name one file with --as"),
        (("--as", "fomm"), "x.pth is damaged or no checkpoint"),
        ((), "x.pth is damaged or no checkpoint"),
    ],
)
def test_a_file_that_is_not_what_is_said(bench, server, home, place, options, message):
    put(place / "x.pth", b"no model")
    assert message in bench("weights", "add", "x.pth", *options).complaint()
    assert everything(home) == []


def test_a_truncated_file_and_another_model_under_a_published_name(bench, server, home, place):
    for content in (CONTENT["vgg16"][:-1], CONTENT["arcface-r50"]):
        put(place / "vgg16-397923af.pth", content)
        line = bench("weights", "add", "vgg16-397923af.pth").complaint()
        assert "vgg16-397923af.pth is not the published vgg16: it has the sha256" in line
    assert everything(home) == []


def test_names_that_several_models_share_must_be_said(bench, home, place):
    put(place / "model.safetensors", b"no model")
    put(place / "config.json", json.dumps({"a": 1}).encode())
    assert bench("weights", "add", "model.safetensors").complaint() == (
        "bench: model.safetensors may be img2pose or retinaface-r34; say which with --as"
    )
    assert (
        "config.json may be img2pose-config; say which with --as" in bench("weights", "add", "config.json").complaint()
    )
    line = bench("weights", "add", "config.json", "--as", "prmse").complaint()
    assert line.startswith("bench: prmse needs img2pose and img2pose-config and ")
    assert bench("weights", "add", "config.json", "--as", "img2pose-config").code == 0


def test_several_files_cannot_be_one(bench, place):
    put(place / "stick" / "a.pth", b"a")
    put(place / "stick" / "b.pth", b"b")
    assert "--as says what one file is" in bench("weights", "add", "stick", "--as", "vgg16").complaint()


def test_verify_names_what_is_damaged(bench, server):
    bench("weights", "pull", "vgg16", "openface-nn4", "csim")
    sound = bench("weights", "verify", "lpips@vgg", "aed", "csim", "mkr")
    assert sound.code == 0
    assert sound.out.splitlines() == [
        f"official  vgg16  {stored('vgg16')}",
        f"official  openface-nn4  {stored('openface-nn4')}",
        f"as added  arcface-r50  {stored('arcface-r50')}",
    ]
    put(stored("vgg16"), CONTENT["vgg16"][::-1])
    put(stored("arcface-r50"), CONTENT["arcface-r50"][:-1])
    result = bench("weights", "verify")
    assert f"official  openface-nn4  {stored('openface-nn4')}\n" in result.out
    first, second = complaints(result)
    assert re.fullmatch(
        rf"{stored('vgg16')} has the sha256 .*; delete it and fetch it anew: bench weights pull vgg16", first
    )
    assert "arcface_r50.safetensors has the sha256 " in second
    assert "which it came with; delete it and fetch it anew: bench weights pull arcface-r50" in second


def test_verify_watches_the_methods_checkpoints(bench, server, home, place):
    path = put(home / "weights" / "fomm" / "vox-cpk.pth.tar", b"checkpoint")
    note(path)
    first, *shipped = bench("weights", "verify", "fomm").out.splitlines()
    assert first.split() == ["as", "added", "fomm@vox-256", str(path)]
    assert [line.split()[3] for line in shipped] == ["fomm@demo", "fomm@demo-memory"]
    assert all(line.startswith("ships with talkbench") for line in shipped)
    put(path, b"damaged")
    result = bench("weights", "verify", "fomm")
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith(
        f"bench: {path} has neither the published sha256 nor the one it was added with; delete it and"
    )
