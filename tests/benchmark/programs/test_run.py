"""`bench run --program`: programs in an environment of their own are run over the pairs and scored."""

import errno
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from talkbench.benchmark.programs import calling, process
from talkbench.benchmark.programs.process import Processes
from talkbench.core.locks import locked


def calls(state: Path) -> int:
    return len(state.read_text().splitlines())


def complaint(result) -> str:
    """The last line of a command that was refused."""
    assert result.code == 2, result.err
    assert "Traceback" not in result.err
    return result.err.splitlines()[-1]


def alive(number: str) -> bool:
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_clip_program_is_scored_as_a_method(card, drive, bench, clips, state, interpreter, place):
    """In its own environment, past blanks and characters of the shell, with the numbers that its frames have."""
    path = card(licence={"code": "MIT"})
    result = drive(path)
    assert result.values("l1") == dict.fromkeys(range(16), 0.0), result.err
    method = result.record.method
    assert method.name == "mine"
    assert (method.settings["program_motion"], method.settings["seed"]) == ("absolute", 0)
    assert method.frames.kinds == {"PNG": 16}
    assert "2 calls of mine: 2 made, 0 kept from before, 0 failed" in result.err
    logs = "".join(log.read_text() for log in Path(os.environ["TALKBENCH_HOME"]).rglob("log.txt"))
    assert f"options $HOME * prefix {interpreter.parents[1]}" in logs
    assert not (place / "owned").exists()
    assert (result.store.folder / "program.yaml").read_bytes() == path.read_bytes()
    again = drive(path)
    assert calls(state) == 2
    assert "0 made, 2 kept from before" in again.err
    assert again.record.fingerprint() == result.record.fingerprint()


def test_a_pair_program(card, drive, state):
    command = ["{python}", "animate.py", "pair", "{source}", "{driving}", "{out}"]
    path = card(granularity="pair", command=command, motions={"absolute": []}, input={"driving": "image"},
                output={"form": "frames", "files": "frame.png"})  # fmt: skip
    result = drive(path, "--limit", 3, "--jobs", 2)
    assert result.values("l1") == dict.fromkeys(range(3), 0.0), result.err
    assert calls(state) == 3


def test_a_list_program(card, drive, state):
    """A pair of which it writes no frame is counted; the other frames are scored."""
    command = ["{python}", "animate.py", "list", "{pairs}", "{images}", "{out}"]
    path = card(granularity="list", command=command, motions={"absolute": []},
                output={"form": "frames", "files": "result {number}.png"})  # fmt: skip
    result = drive(path)
    assert result.values("l1").pop(5) == 0.0
    assert calls(state) == 1
    assert list(result.rows[result.rows["reason"] != ""]["pair"]) == [3]
    assert "1 of 16 pairs have no frame (1 missing-frame)" in result.err


def test_relative_motion_begins_with_the_reference(card, drive):
    """Each source is driven from its reference on, whatever frames the pairs are of."""
    (card().parent / "pairs.csv").write_text(
        "source_clip,source_index,driving_clip,driving_index\na,0,b,4\na,0,b,5\na,0,b,6\n"
    )
    result = drive(card(), "--motion", "relative-first", "--pairs", "pairs.csv", "--image-size", 24)
    assert set(result.values("l1").values()) == {0.0}
    assert result.record.method.settings["program_motion"] == "relative"


def test_a_montage_of_another_rate_and_size(card, drive, interpreter):
    """Pairs to which no frame belongs by the frame map are counted, and the others compared at the run's size."""
    cut = {"columns": 3, "column": 1}
    path = card("montage", input={"driving": "video"}, frames={"rate": 12.5},
                output={"form": "video", "files": "*.mkv", "size": 96, "cut": cut})  # fmt: skip
    result = drive(path, "--image-size", 48)
    values = result.values("l1")
    assert {number for number, value in values.items() if value == 0.0} == {0, 2, 4, 6, 8, 10, 12, 14}, result.err
    lost = result.rows[result.rows["reason"] == "lost-in-frame-map"]
    assert len(lost) == 8
    assert "resamples from 25 to 12.5 frames per second" in lost["message"].iloc[0]
    assert "the frames of 96x96 are compared at 48x48, by the mean of 2x2 pixels" in result.err
    assert result.record.method.frames.kinds == {"ffv1 bgr0": 8}


@pytest.mark.parametrize(
    ("mode", "changes", "reason", "said"),
    [
        ("crash-second", {}, "program-failed", r"ended with exit code 3; its last words: .*no memory \x1b[31mleft"),
        ("slow-second", {"timeout": 1}, "program-timeout", "was ended after 1 s, its limit"),
        (
            "few",
            {"frames": {"cap": 8}},
            None,
            "it wrote 7 frames, and by the frame map of its card 8 driving frames give 8",
        ),
        ("nothing", {}, None, "it wrote nothing, and no *.png"),
        (
            "frames",
            {"output": {"form": "frames", "files": "*.jpg"}},
            None,
            "it wrote 0.png, 1.png, 2.png, …, and no *.jpg",
        ),
        (
            "frames",
            {"output": {"form": "frames", "files": "*.png", "size": 50}},
            None,
            "frames of 48x48 instead of 50x50",
        ),
        ("broken", {}, None, "1.png"),
        ("broken", {"output": {"form": "video", "files": "1.png"}}, None, "what it wrote is broken: cannot read"),
        ("frames", {"output": {"form": "video", "files": "*"}}, None, "several files are called *"),
    ],
)
def test_a_call_that_fails(card, drive, state, mode, changes, reason, said):
    """It costs its own pairs, in every way in which it may fail, and leaves no process behind."""
    result = drive(card(mode, **changes), "--image-size", 48)
    if reason is None:  # in both calls
        assert said in complaint(result)
        assert ".partial" not in result.err
        return
    failed = result.rows[result.rows["reason"] == reason]
    assert len(failed) == 8, result.err
    assert all(part in failed["message"].iloc[0] for part in said.split(".*"))
    assert len(result.values("l1")) == 16
    children = state.with_name("children").read_text() if mode.startswith("slow") else ""
    assert not any(map(alive, f"{state.read_text()} {children}".split()))


def test_what_a_program_leaves_running_is_ended(card, drive, state):
    result = drive(card("leave-second"))
    assert set(result.values("l1").values()) == {0.0}, result.err
    assert not alive(state.with_name("children").read_text())


def test_a_failed_call_is_tried_again(card, drive, state):
    result = drive(card("crash-second", retries=1))
    assert calls(state) == 3
    assert "2 made, 0 kept from before, 0 failed" in result.err


def test_an_interrupted_command_goes_on(card, drive, state, monkeypatch):
    """It loses the call that was under way, whose processes end with it."""
    path = card("stop-second", seed=3)
    stopped = drive(path, "--resume")
    assert stopped.code == 128 + 15
    assert "stopped by SIGTERM; to go on: " in stopped.err
    assert not any(map(alive, state.read_text().split()))
    result = drive(path, "--resume")
    assert "1 made, 1 kept from before, 0 failed" in result.err
    assert calls(state) == 3
    assert len(result.values("l1")) == 16


def test_the_fingerprint_changes_with_what_decides_the_frames(card, drive, place):
    """The card, its settings, the commit and the code; not with what only describes the program."""
    card()
    checkout = next(folder for folder in place.iterdir() if (folder / "animate.py").is_file())
    (checkout / "weights.bin").write_bytes(b"1")
    weights = ["{checkout}/*.bin"]

    def fingerprint(*options: object, **changes: object) -> str:
        result = drive(card(**{"weights": weights, **changes}), "--limit", 1, *options)
        assert result.code == 0, result.err
        return result.record.fingerprint()

    def commit() -> None:
        git = ["git", "-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@b"]
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
            subprocess.run([*git, *words], check=True)

    first = fingerprint()
    assert fingerprint(short="other words", timeout=5, retries=1) == first
    prints = [first, fingerprint(frames={"cap": 9}), fingerprint("--set", "seed=5")]
    (checkout / "weights.bin").write_bytes(b"2")
    prints.append(fingerprint())
    commit()
    prints.append(fingerprint())
    (checkout / "settings.yaml").write_text("a: 1")
    (checkout / "library.py").write_text("a = 1")
    prints.append(fingerprint())
    assert len(set(prints)) == len(prints)
    assert json.loads((place / "runs").rglob("run.json").__next__().read_text())["method"]["settings"]["card"]


def test_a_full_disk_stops_the_command(card, drive, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(calling, "write_png", full)
    assert "No space left on device; free some space" in complaint(drive(card()))
    monkeypatch.setattr(process, "ENOUGH", 10**18)
    assert "is full" in complaint(drive(card("crash")))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"places": {"checkout": ".", "python": "nowhere/python"}}, "places: python: there is no "),
        ({"places": {"checkout": ".", "python": "mine.yaml"}}, "mine.yaml cannot be executed; give an interpreter"),
        ({"places": {"checkout": "mine.yaml", "python": "python3"}}, "is no folder; give that of the program's code"),
        ({"places": {"checkout": "", "python": "python3"}}, "needs paths of this machine: give --set checkout=PATH"),
        ({"command": ["./no program", "{source}", "{driving}", "{out}"], "motions": {"absolute": []}},
         "cannot run ./no program in "),
        ({"weights": ["{checkout}/*.pth"]}, "weights: there is no "),
        ({"folder": "{checkout}/sub"}, "folder: there is no folder"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_at_once(card, drive, changes, said):
    result = drive(card(**changes))
    assert said in complaint(result)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--program", "mine.yaml", "--method", "blend"), "leave out either --method or --program"),
        (
            ("--program", "mine.yaml", "--motion", "avd"),
            "mine has no motion avd; give --motion absolute or relative-first",
        ),
        (("--program", "mine.yaml", "--set", "chekout=."), "mine has no setting 'chekout': did you mean checkout?"),
        (("--program", "mine.yaml", "--set", "seed=1.5"), "--set seed=1.5: give a whole number"),
        (("--program", "Mine-2.yaml"), "Mine-2.yaml: 'Mine-2': use a-z and 0-9"),
        (("--program", "nowhere.yaml"), "there is no card nowhere.yaml"),
        (("--program", "liveportrait-orignal"), "did you mean liveportrait-original;"),
        (("--program", "mine.yaml", "--task", "all"), "--program is for a single run"),
        (("--method", "blend", "--jobs", "2"), "--jobs is for a --program"),
    ],
)
def test_a_wrong_command_is_told(card, bench, clips, place, options, said):
    card()
    shutil.copy(place / "mine.yaml", place / "Mine-2.yaml")
    assert said in complaint(bench("run", *options, "--dataset", "tiny", "--root", clips))


def test_kept_frames_that_are_damaged(card, drive, tmp_path):
    path = card()
    assert drive(path, "--out", "first").code == 0
    frame = next(tmp_path.glob("home*/programs/mine/*/result/000001.png"))
    frame.unlink()  # its inode is that of the first run's
    frame.write_bytes(b"cut off")
    assert f"{frame.parent} is damaged; delete this folder" in complaint(drive(path, "--out", "second"))


def test_the_middle_of_a_long_log_is_left_out(tmp_path):
    log = tmp_path / "log.txt"
    Processes().run(["head", "-c", "5000000", "/dev/zero"], tmp_path, {}, 60, log)
    assert log.stat().st_size < 2_001_000
    assert log.read_bytes().startswith(b"$ cd ")
    assert "bytes are left out" in log.read_bytes()[900_000:1_100_000].decode()


def test_what_killed_commands_have_left_is_deleted(card, drive, tmp_path):
    path = card()
    assert drive(path, "--out", "first").code == 0
    cache = next(tmp_path.glob("home*/programs"))
    old, new, held = (cache / f".partial-{name}" for name in ("old", "new", "held"))
    for folder in (old, new, held):
        (folder / "work").mkdir(parents=True)
    with locked(held, "is working in"):
        for folder in (old, held):
            os.utime(folder, (0, 0))
        assert drive(path, "--out", "second").code == 0
    assert [folder.exists() for folder in (old, new, held)] == [False, True, True]
