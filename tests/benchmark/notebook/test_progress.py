"""What shows progress in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from talkbench.benchmark.cli.progress import RunDisplay
from talkbench.benchmark.notebook.progress import NotebookDisplay, progress_display


@pytest.fixture
def cell() -> Iterator[list[dict[str, Any]]]:
    """What a cell of a notebook is sent, in the order of sending."""
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.kernel = object()  # as that of a notebook has one
    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()
    yield shell.display_pub.outputs
    shell.display_pub = before
    InteractiveShell.clear_instance()


def test_a_bar_below_the_cell_moves(cell: list[dict[str, Any]]) -> None:
    with progress_display() as display:
        assert isinstance(display, NotebookDisplay)
        display.start(2, 8)
        display.advance(3)
    texts = [output["data"]["text/html"] for output in cell]
    assert [text.split("</progress> ")[1] for text in texts] == ["2 / 8 pairs", "5 / 8 pairs"]
    assert len({output["transient"]["display_id"] for output in cell}) == 1, "one bar, which is updated"


def test_messages_are_printed(cell: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    with progress_display() as display:
        display.say("a line")
        display.warn("another")
    assert capsys.readouterr().out == "a line\nwarning: another\n"


def test_elsewhere_the_bar_is_on_standard_error() -> None:
    assert isinstance(progress_display(), RunDisplay)
