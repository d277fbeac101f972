"""Tables in the terminal."""

import io
from collections.abc import Callable

from rich.console import Console

from talkbench.reports.runs import Run
from talkbench.reports.tables.composition import published_table
from talkbench.reports.tables.terminal import print_table, print_terminal
from talkbench.results import RunStore, published

MakeStore = Callable[..., RunStore]


def test_the_terminal_shows_means_counts_and_reasons(make_store: MakeStore) -> None:
    values = {"l1": [0.1, 0.2], "psnr": [20.0, float("inf")], "akd@mtcnn5": ["no-face-generated", 2.0]}
    unavailable = [{"name": "lpips@vgg", "reason": "[red]vgg16.pth[/red] is missing"}]
    run = Run.load(make_store("[bold]m", values, unavailable=unavailable))
    console = Console(width=120, record=True, file=io.StringIO())
    print_terminal(run.record, run.summary, console)
    print_table(published_table([run]), console)
    text = console.export_text()
    for expected in ("[bold]m on demo", "0.1500", "1 no-face-generated", "1 infinite", "2 not evaluated yet", "px ↓"):
        assert expected in text
    assert "4 pairs, 3 of 4 metrics" in text
    assert "vgg16.pth" not in text  # the page has the reasons
    assert "82.5" in text


def test_a_narrow_terminal_cuts_no_digits() -> None:
    out = io.StringIO()
    print_table(published_table([]), Console(file=out, width=60))
    printed = out.getvalue()
    assert all(cell.value in printed for cell in published.table("paper", "1a") if cell.value)
