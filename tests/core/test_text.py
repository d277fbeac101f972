"""No text steers a terminal, whoever prints it and whatever the encoding."""

import io
import logging
import sys

import click
import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from talkbench.core.console import VisibleConsole
from talkbench.core.text import visible, visible_output

EVIL = {
    "colour": ("a\x1b[31mb", r"a\x1b[31mb"),
    "title": ("\x1b]0;t\x07", r"\x1b]0;t\x07"),
    "one byte for two": ("\x9b2J", r"\x9b2J"),
    "delete": ("a\x7f", r"a\x7f"),
    "back": ("safe\rbad\b", r"safe\rbad\x08"),
    "right to left": ("gnp\u202e.exe\u2066", r"gnp\u202e.exe\u2066"),
    "line breaks": ("a\nb\u2028c", r"a\nb\u2028c"),
    "half a pair": ("\udcff", r"\udcff"),
    "invisible letters": ("a\U000e0041", r"a\U000e0041"),
}


@pytest.mark.parametrize("kind", EVIL)
def test_each_is_shown(kind: str) -> None:
    text, shown = EVIL[kind]
    assert visible(text) == shown
    assert visible(shown) == shown


def test_what_people_write_stays() -> None:
    text = "Zoë – 顔 ✓ 👩‍🚀 é ا \u00a0 100 % \\x1b"
    assert visible(text) == text
    assert visible("a\nb\tc", keep="\n\t") == "a\nb\tc"


def stream(encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


def written(output: io.TextIOWrapper) -> str:
    assert isinstance(output.buffer, io.BytesIO)
    return output.buffer.getvalue().decode(output.encoding)


def test_whoever_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = stream(), stream()
    monkeypatch.setattr(sys, "stdout", outputs[0])
    monkeypatch.setattr(sys, "stderr", outputs[1])
    with visible_output():
        print("print \x1b[1m")
        sys.stdout.writelines(["line \x1b[2m\n"])
        click.echo("echo \x1b[3m", color=True)
        VisibleConsole(force_terminal=True, color_system="standard").print(Text("rich \x1b[4m", style="bold"))
        VisibleConsole(stderr=True).print("error \x1b[5m")
        logging.StreamHandler(sys.stderr).emit(logging.makeLogRecord({"msg": "log \x1b[6m"}))
    assert sys.stdout is outputs[0]
    out, error = map(written, outputs)
    for number, who in enumerate(("print", "line", "echo", "rich"), 1):
        assert rf"{who} \x1b[{number}m" in out
    assert r"error \x1b[5m" in error
    assert r"log \x1b[6m" in error
    assert out.count("\x1b") == 2  # our own bold, on and off
    assert "\x1b" not in error


def test_a_table_keeps_its_style_and_shows_what_others_wrote() -> None:
    file = io.StringIO()
    table = Table("name", "what")
    table.add_row(Text(visible("clip\x1b[31m.mp4")), "a\nb")
    VisibleConsole(file=file, width=60, force_terminal=True, color_system="standard").print(table)
    assert r"clip\x1b[31m.mp4" in file.getvalue()
    assert "\x1b[1m" in file.getvalue()  # the heading is bold


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_encoding_will_do(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    output = stream(encoding)
    monkeypatch.setattr(sys, "stdout", output)
    with visible_output():
        print("PSNR ↑ – 顔 … \udcff")
        click.echo("L1 ↓")
        Console().print("∞")
    text = written(output)
    assert text.startswith("PSNR ↑ – 顔" if encoding == "utf-8" else "PSNR ^ ")
    assert (r"\u9854" in text) == (encoding != "utf-8")
    assert r"\udcff" in text
    assert ("↓" if encoding == "utf-8" else "L1 v") in text
