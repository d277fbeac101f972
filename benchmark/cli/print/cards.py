"""Cards: of a method with its published numbers, of a data set, of a protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.table import Table
from rich.text import Text

from talkbench.benchmark.cli.print.console import console
from talkbench.benchmark.cli.print.lists import print_pair_lists


def print_card(name: str) -> None:
    """Everything that is known of a method, as the table of `facts` and that of its published numbers.

    Raises:
        TalkbenchError: an unknown method.
    """
    output = console()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in facts(name):
        table.add_row(label, Text(value))
    output.print(table)
    published = _published(name)
    if published.row_count:
        output.print()
        output.print(published)


def print_dataset(name: str) -> None:
    """What the card of a data set says, and its published lists.

    Raises:
        TalkbenchError: an unknown data set.
    """
    from talkbench import datasets
    from talkbench.datasets.external import ExternalDataset

    data = datasets.create(name)
    output = console()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    wanted = ("title", "short", "source", "licence", "obtain", "layout", "resolution", "identities", "pairs")
    table.add_row("name", Text(data.name))
    for label, value in ((label, getattr(data.card, label)) for label in wanted):
        if value:
            table.add_row("what it is" if label == "short" else label, Text(value))
    table.add_row("tasks", Text(", ".join(data.tasks)))
    for label, value in _labelled("notes", data.card.quirks):
        table.add_row(label, Text(value))
    output.print(table)
    if isinstance(data, ExternalDataset):
        output.print()
        print_pair_lists([data])


def print_protocol(name: str) -> None:
    """Every choice of a protocol with its reason, and how its metrics are computed.

    Raises:
        TalkbenchError: an unknown protocol.
    """
    from talkbench.benchmark.evaluation.protocol import load

    known = load(name)
    output = console()
    output.print(Text(f"{known.name}  {known.sha256[:12]}", style="bold"))
    output.print(Text(known.about))
    output.print()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, value, why in known.choices():
        table.add_row(label, Text(value), Text(why))
    output.print(table)


def facts(name: str) -> Iterator[tuple[str, str]]:
    """Label and value, line by line; a label is empty where it is that of the line before."""
    from talkbench.methods import cards

    card = cards.card(name)
    lines = {
        "name": card.name,
        "title": card.title,
        "what it is": card.short,
        "authors": card.authors,
        "venue": card.venue,
        "year": str(card.year or ""),
        "paper": card.paper,
        "code": card.code if card.official else f"{card.code} (not by the authors)",
        "licence, code": card.licence.code,
        "licence, weights": card.licence.weights,
        "trained on": card.training_data,
    }
    yield from ((label, text) for label, text in lines.items() if text)
    if card.name not in cards.published_only():
        yield from _model(card.name)
    yield from _labelled("notes", card.notes)


def _model(full: str) -> Iterator[tuple[str, str]]:
    """What is known of a method by its code."""
    from talkbench.benchmark.evaluation.motions import motions
    from talkbench.methods.cards import family
    from talkbench.methods.checkpoint_store import listed
    from talkbench.methods.recognition import skeleton

    common, (method, _) = family(full), skeleton(full)
    variants = common.described if common.default else {}
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

    key = card(name).published
    mine = [cell for cell in cells() if cell.system_key == key and not cell.variant and cell.value] if key else []
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
