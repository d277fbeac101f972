"""Lists: of what there is, of pair lists, of model files, of runs, of kept features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from rich.filesize import decimal
from rich.text import Text

from talkbench.benchmark.cli.print.console import console, list_table

if TYPE_CHECKING:
    from talkbench.benchmark.evaluation.grid import GridCell
    from talkbench.benchmark.model_files import Entry
    from talkbench.datasets.external import ExternalDataset
    from talkbench.metrics.cache import CacheInfo

STYLES = {
    **dict.fromkeys(("missing", "other content"), "yellow"),
    **dict.fromkeys(("official", "as added", "there"), "green"),
    "damaged": "red",
}


def print_list(what: str) -> None:
    """The entries of a registry with a line on each, and the methods of which there are published numbers only; or the
    protocols."""
    from talkbench import datasets, methods, metrics
    from talkbench.benchmark.evaluation import protocol
    from talkbench.methods.cards import published_only

    kinds: dict[str, tuple[Callable[[], Iterable[tuple[str, ...]]], tuple[str, ...]]] = {
        "methods": (
            lambda: [*methods.registry.each(_method).values(), *map(_method, published_only())],
            ("name", "year", "what it is"),
        ),
        "metrics": (lambda: metrics.registry.each(_metric).values(), ("name", "better", "unit", "what it is")),
        "datasets": (lambda: datasets.registry.each(_dataset).values(), ("name", "tasks", "what it is")),
        "protocols": (lambda: map(_protocol, protocol.names()), ("name", "metrics", "what it is")),
    }
    rows, headings = kinds[what]
    table = list_table(*headings)
    for row in sorted(rows(), key=itemgetter(0)):
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)


def _method(name: str) -> tuple[str, ...]:
    from talkbench.methods.cards import card, describe, published_only

    about = f"{describe(name)} (published numbers only)" if name in published_only() else describe(name)
    return name, str(card(name).year or ""), about


def _metric(name: str) -> tuple[str, ...]:
    from talkbench import metrics

    known = metrics.create(name).card()
    if not known.problem:
        return known.name, known.direction, known.unit, known.about
    lacking, address, _ = known.problem.partition(" (")  # the addresses and folders of its files fill several lines
    problem = f"{lacking}, see bench weights" if address else lacking
    return known.name, known.direction, known.unit, f"{known.about} (not available here: {problem})"


def _dataset(name: str) -> tuple[str, ...]:
    from talkbench import datasets

    data = datasets.create(name)
    return name, ", ".join(data.tasks), data.card.short


def _protocol(name: str) -> tuple[str, ...]:
    from talkbench.benchmark.evaluation.protocol import load

    known = load(name)
    return name, str(len(known.metrics)), known.about


def print_pair_lists(known: Sequence[ExternalDataset]) -> None:
    """The lists of data sets, one line each, those that a task takes without being told marked with a star; of a single
    data set also what should be known of them."""
    output = console()
    note = ["note"] if len(known) == 1 else []
    table = list_table("data set", "list", "task", "rows", "status", *note, "url", right=["rows"])
    for data in known:
        defaults = {task.list for task in data.card.tasks.values()}
        for entry in data.files.values():
            status = entry.status(data.root)
            name = f"{entry.slug} *" if entry.slug in defaults else entry.slug
            cells = [Text(data.name), Text(name), Text(entry.task), Text(str(entry.rows or ""))]
            notes = [Text(entry.note)] if note else []
            url = Text(entry.url or "drawn here")
            table.add_row(*cells, Text(status, style=STYLES[status]), *notes, url)
    output.print(table)
    for data in known:
        output.print(Text(f"{data.name}: kept in {data.root / 'lists'}"), soft_wrap=True)


def print_weights(entries: Sequence[Entry]) -> None:
    """The methods' files, then those of the metrics, one line each: what it is for, where it is and comes from."""
    output = console()
    for metric, headings in ((False, ("method", "part")), (True, ("name", "metrics that need it"))):
        table = list_table(*headings, "file", "status", "MB", "licence", "where it is published", right=["MB"])
        for entry in (entry for entry in entries if entry.metric == metric):
            status = Text(entry.status, style=STYLES.get(entry.status, ""))
            size = "" if entry.size is None else f"{entry.size / 1e6:.1f}"
            cells = [Text(entry.name), Text(entry.purpose), Text(str(entry.path)), status]
            table.add_row(*cells, size, Text(entry.licence), Text(entry.source))
        if table.row_count:
            output.print(table)


def print_grid(cells: Sequence[GridCell]) -> None:
    """What became of each run of a grid: its folder, or why there is none."""
    table = list_table("method", "data set", "task", "", "folder or reason")
    for cell in cells:
        names = (name or "any" for name in (cell.method, cell.dataset, cell.task))
        table.add_row(*(Text(text) for text in (*names, cell.state, cell.reason or str(cell.folder))))
    console().print(table)


def print_cache(info: CacheInfo) -> None:
    """What is kept of each extractor, in all, and where."""
    table = list_table("extractor", "frames", "size", right=["frames", "size"])
    for usage in info.extractors:
        table.add_row(Text(usage.extractor), f"{usage.frames:,}", decimal(usage.bytes))
    output = console()
    if info.extractors:
        output.print(table)
    total = f"total   {decimal(info.bytes)} of at most {decimal(info.bound)}"
    output.print(Text(f"{total}\nfile    {info.path}"), soft_wrap=True)
