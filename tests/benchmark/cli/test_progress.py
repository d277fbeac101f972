"""Messages and the bar on standard error."""

import io
import logging
import re

from rich.console import Console

from talkbench.benchmark.cli import progress
from talkbench.benchmark.cli.output import LOG
from talkbench.core.console import VisibleConsole
from talkbench.core.text import visible_output


def test_messages_are_one_line_where_nobody_watches(capsys):
    long = "a message of many words " * 20
    display = progress.RunDisplay()
    display.say(long)
    display.warn(long)
    assert capsys.readouterr().err.splitlines() == [long, f"warning: {long}"]


def test_the_bar_shows_speed_and_time_left(monkeypatch):
    """On a terminal, after two of eight batches that took a second each."""
    screen = io.StringIO()
    monkeypatch.setattr(progress, "STDERR", Console(file=screen, force_terminal=True, width=100, color_system=None))
    clock = iter(range(10_000))
    display = progress.RunDisplay()
    monkeypatch.setattr(display._progress, "get_time", lambda: float(next(clock)) / 2)
    with display:
        display.start(8, 40)
        for _ in range(3):
            display.advance(4)
        display._progress.refresh()
    shown = screen.getvalue()
    assert "20/40" in shown
    assert re.search(r"\d+\.\d pairs/s", shown)
    assert re.search(r"0:00:\d\d", shown)


def test_what_others_print_beside_the_bar_does_not_steer_the_terminal(monkeypatch):
    screen = io.StringIO()
    console = VisibleConsole(file=screen, force_terminal=True, width=100, color_system="standard")
    monkeypatch.setattr(progress, "STDERR", console)
    with visible_output(), progress.RunDisplay() as display:
        display.start(0, 4)
        print("a plugin \x1b[5m says \x1b]0;title\x07")
        display.warn("clip \x1b[5m\nb")
        display.advance(4)
    shown = screen.getvalue()
    assert r"a plugin \x1b[5m says \x1b]0;title\x07" in shown
    assert r"warning: clip \x1b[5m\nb" in shown
    assert "4/4" in shown
    assert "\x1b[5m" not in shown
    assert "\x1b[33m" in shown  # our own colour


def test_something_moves_before_the_work_begins(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(progress, "STDERR", Console(file=screen, force_terminal=True, width=100, color_system=None))
    with progress.RunDisplay() as display:
        assert "preparing" in screen.getvalue()
        display.start(0, 4)
        display.advance(4)
    assert "4/4" in screen.getvalue().rpartition("preparing")[2]


def test_a_log_has_lines_now_and_then_and_one_at_the_end(monkeypatch, capsys):
    seconds = iter((0.0, 2.0, 8.0, 10.0, 40.0, 50.0, 50.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    with progress.RunDisplay() as display:
        display.start(10, 60)
        for _ in range(5):
            display.advance(10)
    assert capsys.readouterr().err.splitlines() == [
        "pairs 30/60, 2.5 pairs/s, 0:00:12 left",
        "pairs 50/60, 1.0 pairs/s, 0:00:10 left",
        "pairs 60/60 in 0:00:50",
    ]


def test_quiet_shows_no_bar_and_no_remark(monkeypatch, capsys):
    monkeypatch.setattr(progress, "STDERR", VisibleConsole(stderr=True, force_terminal=True))
    monkeypatch.setattr(LOG, "level", logging.WARNING)
    with progress.RunDisplay() as display:
        display.start(0, 4)
        display.say("a remark")
        display.warn("a warning")
        display.advance(4)
    (line,) = capsys.readouterr().err.splitlines()
    assert "warning: a warning" in line
