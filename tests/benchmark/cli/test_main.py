"""The `bench` command itself: help, how commands are found, and what ends it."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest

from talkbench.benchmark import cli
from talkbench.benchmark.cli import results
from talkbench.benchmark.cli.main import bench as group
from talkbench.benchmark.cli.options import each
from talkbench.core.errors import TalkbenchError

COMMANDS = group.list_commands(click.Context(group))


def test_help_is_quick():
    """Half a second of processor time, so that other programs do not spoil the measurement."""
    command = [str(Path(sys.executable).parent / "bench"), "--help"]
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < 0.5


def test_help_names_every_command_with_a_whole_sentence(bench):
    result = bench("--help")
    assert result.code == 0
    assert COMMANDS == [
        "animate",
        "cache",
        "check",
        "compare",
        "data",
        "doctor",
        "figure",
        "inspect",
        "leaderboard",
        "list",
        "merge",
        "perf",
        "results",
        "run",
        "show",
        "tables",
        "train",
        "verify",
        "weights",
    ]
    for command in COMMANDS:
        assert re.search(rf"^  {command} +[A-Z].*[^.]\.$", result.out, re.MULTILINE)
    assert bench().out == bench("-h").out == result.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(bench, command):
    result = bench(command, "--help")
    assert result.code == 0
    if command != "list":
        assert f"bench {command}" in result.out.partition("\n")[2], "an example"
    for parameter in group.get_command(click.Context(group), command).params:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.name
            assert parameter.opts[0] in result.out


def test_version(bench):
    result = bench("--version")
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(r"bench, version \d+\.\d+\.\d+\S*\n", result.out)


def test_a_command_is_one_module(bench, place, monkeypatch):
    """Dropped into the folder of the commands, or into that of a group; nothing else names it."""
    for folder in (cli, results):
        new = place / folder.__name__
        new.mkdir()
        (new / "count_words_.py").write_text(
            "import click\n"
            "@click.command()\n"
            "@click.argument('text')\n"
            "def command(text):\n"
            '    """Count words."""\n'
            "    click.echo(len(text.split()))\n"
        )
        monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(new)])
    for path in ((), ("results",)):
        assert re.search(r"^  count-words +Count words\.$", bench(*path, "--help").out, re.MULTILINE)
        assert bench(*path, "count-words", "one two three").out == "3\n"
    assert "did you mean count-words" in bench("count-word").complaint()


def test_several_items_with_one_fault_tell_it_once(capsys):
    def fail(item):
        raise TalkbenchError("the folder is in use" if item else "the first")

    with pytest.raises(SystemExit) as ended:
        each(range(4), fail)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "bench: the first\nbench: the folder is in use\n"


def test_a_pipe_that_closes_early_is_no_traceback(shell, place):
    bench = Path(sys.executable).parent / "bench"
    command = f"{bench} tables | head -n 1"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=os.environ)
    assert ended.stderr == ""
    assert len(ended.stdout.splitlines()) == 1


def test_run_in_a_process_of_its_own(shell, clips):
    """The script that is installed, from the command line to the exit code."""
    result = shell("run", "--method", "blend", "--dataset", "tiny", "--root", clips, "--metrics", "l1,ssim")
    assert result.code == 0, result.err
    assert result.summary.metric("l1").pairs == 16
    assert "Traceback" not in result.err
