"""What `bench show`, `bench weights` and `bench data lists` print: cards, published numbers, which files are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from talkbench.benchmark.model_files import Entry
    from talkbench.datasets.external import Published

STYLES = {
    **dict.fromkeys(("missing", "other content"), "yellow"),
    **dict.fromkeys(("official", "as added", "there"), "green"),
    "damaged": "red",
}


def print_card(name: str) -> None:
    """Everything that is known of a method, as the table of `facts` and that of its published numbers.

    Raises:
        TalkbenchError: an unknown method.
    """
    console = _console()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in facts(name):
        table.add_row(label, Text(value))
    console.print(table)
    published = _published(name)
    if published.row_count:
        console.print()
        console.print(published)


def print_dataset(name: str) -> None:
    """What the card of a data set says, and its published lists.

    Raises:
        TalkbenchError: an unknown data set.
    """
    from talkbench import datasets
    from talkbench.datasets.external import Published

    data = datasets.create(name)
    console = _console()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    wanted = ("title", "short", "source", "licence", "obtain", "layout", "resolution", "identities", "pairs")
    table.add_row("name", Text(data.name))
    for label in (label for label in wanted if label in data.card):
        table.add_row("what it is" if label == "short" else label, Text(" ".join(str(data.card[label]).split())))
    table.add_row("tasks", Text(", ".join(data.tasks)))
    for label, value in _labelled("notes", [" ".join(str(quirk).split()) for quirk in data.card.get("quirks", [])]):
        table.add_row(label, Text(value))
    console.print(table)
    if isinstance(data, Published):
        console.print()
        print_lists([data])


def print_protocol(name: str) -> None:
    """Every choice of a protocol with its reason, and how its metrics are computed.

    Raises:
        TalkbenchError: an unknown protocol.
    """
    from talkbench.benchmark.evaluation.protocol import load

    known = load(name)
    console = _console()
    console.print(Text(f"{known.name}  {known.sha256[:12]}", style="bold"))
    console.print(Text(known.about))
    console.print()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, value, why in known.choices():
        table.add_row(label, Text(value), Text(why))
    console.print(table)


def facts(name: str) -> Iterator[tuple[str, str]]:
    """Label and value, line by line; a label is empty where it is that of the line before."""
    from talkbench.methods.cards import card, full_name, published_only, training_data

    known, full = card(name), full_name(name)
    yield "name", full
    for label in ("title", "short", "authors", "venue", "year", "paper", "code"):
        if label in known and known[label] != full:
            yield "what it is" if label == "short" else label, str(known[label])
    if "repository" in known:
        yield "repository", known["repository"] + ("" if known.get("official", True) else " (not by the authors)")
    for label, licence in known.get("licence", {}).items():
        yield f"licence, {label}", str(licence)
    if training_data(full):
        yield "trained on", training_data(full)
    if full not in published_only():
        yield from _model(full)
    yield from _labelled("notes", [str(note) for note in known.get("notes", [])])


def _model(full: str) -> Iterator[tuple[str, str]]:
    """What is known of a method by its code."""
    from talkbench.benchmark.evaluation.motions import motions
    from talkbench.methods.cards import card
    from talkbench.methods.checkpoint_store import listed
    from talkbench.methods.recognition import skeleton

    variants = card(full).get("variants", {})
    method, _ = skeleton(full)
    if method.resolution:
        yield "resolution", f"{method.resolution} pixels"
    for part, network in method.networks.items():
        yield f"parameters, {part}", f"{sum(parameter.numel() for parameter in network.parameters()):,}"
    yield "motions", ", ".join(motions(full))
    yield from _labelled("variants", [f"{variant}: {text}" for variant, text in variants.items()])
    yield from _labelled("weights", [f"{file.status}: {file.path}" for file in listed(full) if file.method == full])


def _labelled(label: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield "" if number else label, line


def _published(name: str) -> Table:
    """The printed numbers of a method, one line per data set and task."""
    from talkbench.methods.cards import card
    from talkbench.results.published import PublishedCell, cells

    key = card(name).get("published")
    mine = [cell for cell in cells() if cell.system_key == key and not cell.variant and cell.value]
    metrics = list(dict.fromkeys(cell.metric for cell in mine))
    table = Table(box=None, pad_edge=False, header_style="bold", title="published numbers", title_justify="left")
    for heading in ("table", "data set", "task", *metrics):
        table.add_column(heading, overflow="fold")

    def line(cell: PublishedCell) -> tuple[str, str, str]:
        return f"{cell.document} {cell.table}", cell.dataset, cell.task

    for where, row in groupby(sorted(mine, key=line), key=line):
        values = {cell.metric: cell.value for cell in row}
        table.add_row(*where, *(values.get(metric, "") for metric in metrics))
    return table


def print_weights(entries: Sequence[Entry]) -> None:
    """The methods' files, then those of the metrics, one line each: what it is for, where it is and comes from."""
    console = _console()
    for metric, headings in ((False, ("method", "part")), (True, ("name", "metrics that need it"))):
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in (*headings, "file", "status", "MB", "licence", "where it is published"):
            table.add_column(heading, overflow="fold", justify="right" if heading == "MB" else "left")
        for entry in (entry for entry in entries if entry.metric == metric):
            status = Text(entry.status, style=STYLES.get(entry.status, ""))
            size = "" if entry.size is None else f"{entry.size / 1e6:.1f}"
            cells = [Text(entry.name), Text(entry.purpose), Text(str(entry.path)), status]
            table.add_row(*cells, size, Text(entry.licence), Text(entry.source))
        if table.row_count:
            console.print(table)


def print_lists(known: Sequence[Published]) -> None:
    """The lists of data sets, one line each, those that a task takes without being told marked with a star; of a single
    data set also what should be known of them."""
    console = _console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("data set", "list", "task", "rows", "status", *(["note"] if len(known) == 1 else []), "url"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "rows" else "left")
    for data in known:
        defaults = {data.default_list(task) for task in data.tasks}
        for entry in data.files.values():
            status = entry.status(data.root)
            name = f"{entry.slug} *" if entry.slug in defaults else entry.slug
            cells = [Text(data.name), Text(name), Text(entry.task), Text(str(entry.rows))]
            notes = [Text(entry.note)] if len(known) == 1 else []
            url = Text(entry.url or "drawn here")
            table.add_row(*cells, Text(status, style=STYLES[status]), *notes, url)
    console.print(table)
    for data in known:
        console.print(Text(f"{data.name}: kept in {data.root / 'lists'}"), soft_wrap=True)


class DownloadBar:
    """Bytes of a download on standard error as they come (`core.model_files.Bar`); a context manager."""

    total = 0

    def __init__(self, name: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._progress.disable = not self._progress.console.is_terminal
        self._task = self._progress.add_task(name, total=None)

    def __enter__(self) -> DownloadBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, count: int) -> None:
        self._progress.update(self._task, total=self.total, advance=count)

    def close(self) -> None:
        self._progress.stop()


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = 10_000  # other programs get one line per entry
    return console
