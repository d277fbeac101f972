"""The commands that the manual, README.md and CONTRIBUTING.md print exist, with the options that they print."""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest
from tree import ROOT

from talkbench.benchmark.cli.main import bench

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), ROOT / "docs" / "llms.txt"]
LINE = re.compile(r"^(?:    )*((?:torchrun .*--no-python |)bench .+(?:\\\n.+)*)$|`(bench [^`]+)`", re.MULTILINE)


def commands(text: str) -> Iterator[list[str]]:
    """The words after ``bench`` of each command, up to a comment or the first word that is the shell's."""
    for block, inline in LINE.findall(text.replace("\\\n", " ")):
        words = shlex.split((block or inline).partition("bench ")[2], comments=True)
        yield list(takewhile(lambda word: word not in ("|", "||", "&&", ">"), words))


def fault(words: list[str]) -> str | None:
    """What is wrong with a command: a name that is no command, or an option that it does not have."""
    command, context = bench, click.Context(bench)
    for position, word in enumerate(words):
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        below = command.get_command(context, word)
        if below is None:
            return f"{' '.join(words[: position + 1])} is no command"
        command = below
    options = {name for parameter in command.get_params(click.Context(command)) for name in parameter.opts}
    options |= {name for parameter in command.params for name in parameter.secondary_opts}
    unknown = [word for word in words if re.match(r"-[-a-z]", word) and word.partition("=")[0] not in options]
    return f"bench {' '.join(words)}: {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_one(page: Path) -> None:
    wrong = [fault(words) for words in commands(page.read_text(encoding="utf-8")) if re.match(r"[a-z]", words[0])]
    assert [line for line in wrong if line] == []


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("run --method mcnet --dataset demo", None),
        ("data export-pair --out x", "data export-pair is no command"),
        ("run --methd mcnet", "bench run --methd mcnet: --methd"),
    ],
)
def test_what_is_wrong_with_a_command_is_told(command: str, wrong: str | None) -> None:
    assert fault(command.split()) == wrong


def test_commands_are_found() -> None:
    """Not those of a dialogue, which may be wrong on purpose."""
    text = "run `bench list metrics`:\n\n```\nbench run --method a \\\n    --out b   # c\n$ bench rn\n```\n"
    assert list(commands(text)) == [["list", "metrics"], ["run", "--method", "a", "--out", "b"]]
