"""Terminals that lack UTF-8 or colours: every command is readable there."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest

from talkbench.benchmark.cli import main


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, those of groups too."""
    yield path
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield from commands(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)]


@pytest.fixture
def printed(monkeypatch, place):
    """What a command prints to a terminal of ASCII."""

    def run(*arguments):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["bench", *map(str, arguments)])
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            with suppress(SystemExit):  # of an error, which has been printed
                main.main()
        texts = []
        for stream in streams:
            stream.flush()
            texts.append(stream.buffer.getvalue().decode("ascii"))
        return "".join(texts)

    return run


def test_every_help(printed):
    for words in commands(main.bench):
        text = printed(*words, "--help")
        assert text.startswith(f"Usage: bench{''.join(f' {word}' for word in words)} [OPTIONS]")
        assert "\\u" not in text, words


@pytest.mark.parametrize(
    "command",
    [
        *("list methods --all", "list metrics", "list datasets", "list protocols", "list recipes", "list tables"),
        *("show mcnet", "show psnr", "show hdtf", "show 1a", "show talkbench-1", "tables --published"),
        *("tables --published --format terminal", "weights list mcnet", "data lists hdtf", "cache info", "lst"),
        *("run --method mcnett --dataset demo", "perf", "leaderboard build --entries nowhere"),
    ],
)
def test_lists_cards_and_errors(printed, command):
    text = printed(*command.split())
    assert text
    assert "\\u20" not in text, "our own signs have a form in ASCII"
    assert "\\u25" not in text, "so have frames of tables"


def test_a_run(printed, clips):
    text = printed("run", "--method", "blend", "--dataset", "tiny", "--root", clips, "--metrics", "l1,psnr")
    assert "16/16" in text
    assert "\\u" not in text


def screen(environment: dict[str, str], *arguments: str) -> str:
    """What a program leaves on a terminal."""
    ours, theirs = pty.openpty()
    bench = str(Path(sys.executable).parent / "bench")
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    with subprocess.Popen(
        [bench, *arguments], stdout=theirs, stderr=theirs, env={**settings, **environment}
    ) as process:
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 65536):
                text += part
        except OSError:  # so Linux says that nobody writes to it any more
            pass
    os.close(ours)
    assert process.returncode == 0
    return text.decode()


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"NO_COLOR": "1", "TERM": "xterm"}])
def test_terminals_without_colours(environment):
    text = screen(environment, "list", "metrics")
    assert "\x1b[3" not in text
    assert "psnr" in text


def test_the_locale_c():
    text = screen({"TERM": "xterm", "LC_ALL": "C"}, "list", "metrics")
    assert text.isascii()
    assert "psnr" in text
