"""What commands say: with --json one document whatever happens, more or less with -q, -v and --log-level."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest

from talkbench.benchmark.cli import main
from talkbench.benchmark.cli.output import document, plain
from talkbench.core.images import write_png
from talkbench.results import Summary


@pytest.fixture
def answered(bench):
    """The document of a command that ends with the exit code given."""

    def run(code, *arguments):
        result = bench(*arguments, "--json")
        assert result.code == code, result.err
        answer = json.loads(result.out)
        assert answer.get("exit_code", 0) == code
        assert ("error" in answer) == (code == 2)
        return answer

    return run


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def runs(score, kept, place):
    """Two methods on the same pairs, as folders."""
    for method in ("copy-source", "blend"):
        if not (kept / method).exists():
            assert score("--method", method, "--out", kept / method).code == 0
        shutil.copytree(kept / method, place / method)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("run --method mcnett --dataset demo", "did you mean mcnet?"),
        ("run --method mcnet", "Missing option '--dataset'"),
        ("run --nosuch 1", "No such option '--nosuch'"),
        ("animate --method blend --source nowhere.png --driving b.mp4 --out c.mp4", "there is no clip b.mp4"),
        ("train", "give either --method or --ablation"),
        ("tables nowhere", "nowhere"),
        ("compare nowhere here", "nowhere"),
        ("perf", "give either --method or --metrics"),
        ("list mthods", "there is no kind 'mthods' of things"),
        ("show mcnett", "did you mean mcnet?"),
        ("verify nowhere", "nowhere"),
        ("results validate nowhere", "nowhere"),
        ("doctor now", "unexpected extra argument"),
        ("weights list mcnett", "mcnet"),
        ("data verify hdft", "did you mean hdtf?"),
        ("lst", "did you mean list?"),
    ],
)
def test_a_failure_is_a_document(answered, command, error):
    assert error in answered(2, *command.split())["error"]


def test_a_run(answered, clips):
    answer = answered(0, "run", "--method", "blend", "--dataset", "tiny", "--root", clips, "--metrics", "l1")
    (run,) = answer["runs"]
    assert (run["method"], run["dataset"], run["task"], run["state"]) == ("blend", "tiny", "same-identity", "run")
    assert run["record"]["run_id"] in run["folder"]
    assert Summary.model_validate(run["summary"]).metric("l1").pairs == 16
    assert answer["mlflow"] is None


def test_of_many_runs_those_that_fail_are_in_the_document_too(answered, clips, monkeypatch):
    from talkbench.results import RunStore

    def fail(store, *_):
        raise OSError("the disk is full")

    monkeypatch.setattr(RunStore, "append", fail)
    answer = answered(
        2, "run", "--method", "blend,copy-source", "--dataset", "tiny", "--root", clips, "--metrics", "l1"
    )
    assert [run["state"] for run in answer["runs"]] == ["failed", "failed"]
    assert answer["error"].startswith("2 of the runs failed")


def test_results(answered, runs, clips):
    compared = answered(0, "compare", "blend", "copy-source")
    assert (compared["a"]["method"], compared["b"]["method"]) == ("blend", "copy-source")
    first = compared["metrics"][0]
    assert first["metric"] == "l1"
    assert first["difference"] == pytest.approx(first["mean_a"] - first["mean_b"])
    (table,) = answered(0, "tables", "--measured", "blend", "copy-source")["tables"]
    labels = [line["label"] for block in table["blocks"] for line in block["lines"]]
    assert sorted(label.split()[0] for label in labels) == ["blend", "copy-source"]
    shown = answered(0, "show", "blend")
    assert shown["record"]["method"]["name"] == "blend"
    (verified,) = answered(0, "verify", "blend", "--root", clips)["results"]
    assert verified["counts"]["different"] == 0


def test_entries(answered, bench, runs, place):
    assert bench("results", "export", "blend", "--out", "entries").code == 0
    (entry,) = answered(0, "results", "validate", "entries")["sound"]
    assert entry["remarks"]
    (place / entry["entry"] / "more.txt").touch()
    result = bench("results", "validate", "entries", "--json")
    answer = json.loads(result.out)
    assert (result.code, answer["exit_code"], answer["sound"]) == (2, 2, [])
    assert "more.txt" in answer["faults"][0]
    assert answer["error"] == answer["faults"][0]


def test_frames_and_faces(answered, clips, place):
    (checked,) = (task for task in answered(0, "data", "verify", "tiny", "--root", clips)["tasks"][:1])
    assert (checked["usable"], checked["faults"]) == (checked["pairs"], [])
    write_png(place / "face.png", np.full((64, 64, 3), 90, np.uint8))
    command = ("animate", "--method", "copy-source", "--source", "face.png", "--driving", "face.png", "--no-crop")
    animated = answered(0, *command, "--out", "out.png")
    assert (animated["out"], animated["kind"], animated["frames"]) == ("out.png", "image", 1)


def test_lists_and_cards(answered):
    assert set(answered(0, "list")["kinds"]) >= {"method", "metric", "dataset"}
    methods = {entry["name"]: entry for entry in answered(0, "list", "methods")["entries"]}
    assert methods["mcnet@demo"]["weights_here"] is True
    assert methods["mcnet"]["weights_here"] is False
    assert {"name", "here", "better", "unit", "what_it_is"} == set(answered(0, "list", "metrics")["entries"][0])
    shown = answered(0, "show", "mcnet")
    assert shown["card"]["name"] == "mcnet"
    assert shown["published"]
    for name in ("psnr", "fan68", "hdtf", "talkbench-1", "1a", "mcnet/demo"):
        assert answered(0, "show", name)["card"]
    files = answered(0, "weights", "list", "fomm")["files"]
    assert {file["status"] for file in files} >= {"missing"}


def test_what_anyone_prints_meanwhile_is_not_in_the_document():
    program = (
        "import os\n"
        "from talkbench.benchmark.cli.output import document\n"
        "with document(['list', '--json']) as content:\n"
        "    print('a plugin', flush=True)\n"
        "    os.system('echo a program')\n"
        "    content['value'] = float('nan')\n"
    )
    ended = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == {"value": None}
    assert ended.stderr == "a plugin\na program\n"


def test_a_mistake_of_ours_is_a_document_too(capfd):
    with pytest.raises(ZeroDivisionError), document(["--json"]):
        print(1 / 0)
    assert json.loads(capfd.readouterr().out) == {"error": "ZeroDivisionError: division by zero", "exit_code": 1}


def test_one_of_several_processes_answers(capfd, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with document(["--json"]) as content:
        content["rank"] = 1
    assert capfd.readouterr().out == ""


def test_plain_values():
    assert plain({1: (np.float64(1.5), np.arange(2), float("inf"), {"a"})}) == {"1": [1.5, [0, 1], None, ["a"]]}


def test_help_is_no_document(bench):
    result = bench("run", "--json", "--help")
    assert result.code == 0
    assert result.out.startswith("Usage: bench run")


def test_quiet_is_results_warnings_and_errors(score):
    usual, quiet = score(), score("-q")
    assert "16/16" in usual.err
    assert quiet.err == ""
    assert "record  " in quiet.out
    warned = score("-q", "--tracking-uri", "sqlite:////dev/null/mlflow.db")
    assert [line.partition(":")[0] for line in warned.err.splitlines()] == ["warning"]
    assert score("--log-level", "error", "--tracking-uri", "sqlite:////dev/null/mlflow.db").err == ""
    assert score("-q", "--out", "x", "--limit", 1, "--device", "warp").complaint()


def test_an_error_says_where_it_comes_from_when_asked(score):
    refused = score("--device", "warp", "-v")
    assert refused.code == 2
    assert "Traceback" in refused.err
    assert refused.err.splitlines()[-1].startswith("bench: device 'warp' cannot be used here")
    assert "Traceback" not in score("--device", "warp").err, "what one command is told is not for the next"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("run --method mcnet --root 'my data'", "to go on: bench run --method mcnet --root 'my data' --resume"),
        ("run --method mcnet --resume", "to go on: bench run --method mcnet --resume"),
        ("train --method mcnet", "to go on: bench train --method mcnet"),
        ("data prepare folder --raw in", "to go on: bench data prepare folder --raw in"),
        ("animate --out 'a b.mp4'", "to begin again: bench animate --out 'a b.mp4'"),
        ("run --tracking-uri http://me:secret@host", "to go on: bench run --tracking-uri http://host --resume"),
    ],
)
def test_ctrl_c_says_how_to_go_on(bench, monkeypatch, typed, words):
    def interrupt(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(main.bench, "main", interrupt)
    stopped = bench(*shlex.split(typed))
    assert (stopped.code, stopped.err) == (130, f"bench: stopped; {words}\n")


def test_a_second_ctrl_c_ends_in_one_line_too(bench, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(main.bench, "main", interrupt)
    monkeypatch.setattr(main, "command_line", interrupt)
    stopped = bench("run", "--method", "mcnet")
    assert (stopped.code, stopped.err) == (130, "bench: stopped; give the command again\n")


def test_the_command_that_goes_on_has_the_program_as_it_was_called(bench, monkeypatch, place):
    def interrupt(**_):
        sys.argv[0] = str(place / "talkbench" / "__main__.py")
        raise KeyboardInterrupt

    monkeypatch.setattr(main.bench, "main", interrupt)
    assert "python" in bench("run").err
    assert bench("run").err.endswith(" -m talkbench run --resume\n")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setattr(main.bench, "main", lambda **_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert bench("train").err.endswith("to go on: torchrun --nproc-per-node 4 --no-python bench train\n")


def test_the_documents_are_described():
    """Of each command that has one, in its help and in the manual."""
    manual = (Path(__file__).parents[3] / "docs" / "command-line.md").read_text()

    def check(group, path):
        for name in group.list_commands(click.Context(group)):
            command = group.get_command(click.Context(group), name)
            words = [*path, name]
            if isinstance(command, click.Group):
                check(command, words)
            for option in command.params:
                if "--json" in option.opts:
                    assert f"\n| `{' '.join(words)}` | " in manual
                    assert option.help.startswith("Print one JSON document: ")

    check(main.bench, [])
