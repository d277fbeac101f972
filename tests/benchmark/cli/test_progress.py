"""Messages and the bar on standard error."""

import io
import re

from rich.console import Console

from talkbench.benchmark.cli import progress


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
