"""Lists: of what there is, of pair lists, of model files, of runs, of kept features."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from rich.filesize import decimal
from rich.text import Text

from talkbench.benchmark.cli.print.console import SIGNS, console, list_table, print_entries
from talkbench.benchmark.names import KINDS
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.benchmark.evaluation.grid import GridCell
    from talkbench.benchmark.model_files import ModelFile
    from talkbench.datasets.external import ExternalDataset
    from talkbench.metrics.cache import CacheInfo

LOG = logging.getLogger("talkbench")
Listing = tuple[Sequence[str], Sequence[Sequence[str | Text]], str]

STYLES = {
    **dict.fromkeys(("missing", "other content"), "yellow"),
    **dict.fromkeys(("official", "as added", "there"), "green"),
    "damaged": "red",
}


def print_kinds() -> None:
    """What can be listed."""
    rows = [(f"bench list {kind}s", about) for kind, about in KINDS.items()]
    print_entries(("command", "what it lists"), rows)


def print_list(kind: str, everything: bool = False) -> None:
    """All that there is of a kind, with a line on each.

    Args:
        everything: of methods the rows of ablation tables too.
    """
    headings, rows, footer = LISTS[kind](everything)
    print_entries(headings, rows)
    if footer:
        console().print(Text(footer, style="dim"), soft_wrap=not console().is_terminal)


def listing(kind: str, everything: bool = False) -> list[dict[str, object]]:
    """The same as data: of each entry what stands in its line, by the headings; signs are true, false and null."""
    headings, rows, _ = LISTS[kind](everything)
    keys = [re.sub("[^a-z]+", "_", heading).strip("_") for heading in headings]
    return [dict(zip(keys, map(_cell, row), strict=True)) for row in rows]


def _cell(cell: str | Text) -> object:
    signs = [fact for fact, sign in SIGNS.items() if cell is sign]
    return signs[0] if signs else str(cell)


def _methods(everything: bool) -> Listing:
    """Models first, then yardsticks and what is only published, then the ablations, last these at demo size."""
    from talkbench.methods.cards import card, describe, family, has_weights, is_ablation, is_demo, published_only
    from talkbench.methods.registration import registry

    def row(name: str) -> tuple[tuple[int, str], tuple[str | Text, ...]]:
        own = card(name)
        place = 3 if is_ablation(name) else 2 if name in published_only() else 1 if own.yardstick else 0
        place = 4 if is_demo(name) and name not in family(name).variants else place
        about = f"{describe(name)} (published numbers only)" if place == 2 else describe(name)
        here = None if place == 2 else has_weights(name)
        return (place, name), (name, str(own.year or ""), SIGNS[here], about)

    rows = sorted([*registry.each(row, unlisted=True).values(), *map(row, published_only())], key=itemgetter(0))
    shown = [cells for (place, _), cells in rows if everything or place < 3]
    ablations, small = (sum(place == number for (place, _), _ in rows) for number in (3, 4))
    hidden = f"{ablations} rows of ablation tables, and {small} at demo size, are not shown"
    more = "" if everything else f"{hidden}: bench list methods --all\n"
    footer = f"{more}✗: bench weights list NAME says where its weights are"
    return ("name", "year", "weights here?", "what it is"), shown, footer


def _metrics(_everything: bool) -> Listing:
    from talkbench import metrics

    def row(name: str) -> tuple[str | Text, ...]:
        metric = metrics.create(name).card()
        return metric.name, SIGNS[not metric.problem], metric.direction, metric.unit, metric.about

    rows = sorted(metrics.registry.each(row).values(), key=lambda cells: str(cells[0]))
    return ("name", "here?", "better", "unit", "what it is"), rows, _unavailable(rows)


def _extractors(_everything: bool) -> Listing:
    from talkbench.metrics import create_extractor, extractors

    def row(name: str) -> tuple[str | Text, ...]:
        extractor = create_extractor(name).card()
        return name, SIGNS[not extractor.problem], extractor.about

    rows = list(extractors.registry.each(row).values())
    return ("name", "here?", "what it is"), rows, _unavailable(rows)


def _unavailable(rows: Sequence[Sequence[str | Text]]) -> str:
    lacking = sum(row[1] is SIGNS[False] for row in rows)
    return f"✗: {lacking} cannot be computed here; bench show NAME says what is missing" if lacking else ""


def _datasets(_everything: bool) -> Listing:
    from talkbench import datasets

    def row(name: str) -> tuple[str, ...]:
        data = datasets.create(name)
        return name, ", ".join(data.tasks), data.card.short

    return ("name", "tasks", "what it is"), list(datasets.registry.each(row).values()), ""


def _protocols(_everything: bool) -> Listing:
    from talkbench.benchmark.evaluation.protocol import load, names

    protocols = map(load, names())
    rows = [(protocol.name, str(len(protocol.metrics)), protocol.about) for protocol in protocols]
    return ("name", "metrics", "what it is"), rows, ""


def _tables(_everything: bool) -> Listing:
    from talkbench.reports.tables.layout import load_layout, names

    return ("name", "what it is"), [(name, load_layout(name).title) for name in names()], ""


def _recipes(_everything: bool) -> Listing:
    from talkbench.training.config import load_config
    from talkbench.training.recipe_files import recipe_names

    rows = []
    for name in recipe_names():
        try:
            recipe = load_config(name)
        except TalkbenchError as error:  # another package's
            LOG.warning("recipe %r is left out: %s", name, error)
        else:
            rows.append((name, recipe.method, recipe.dataset, str(recipe.epochs)))
    return ("name", "method", "data set", "epochs"), rows, ""


def _programs(_everything: bool) -> Listing:
    from talkbench.benchmark.programs.card import ProgramCard
    from talkbench.benchmark.programs.names import card_path, names
    from talkbench.core.cards import read_card

    cards = {name: read_card(ProgramCard, card_path(name)) for name in names()}
    rows = [(name, str(card.year or ""), ", ".join(card.motions), card.short) for name, card in cards.items()]
    return ("name", "year", "motions", "what it is"), rows, "bench show NAME shows a card, to be copied for your own"


LISTS: dict[str, Callable[[bool], Listing]] = {
    "method": _methods,
    "metric": _metrics,
    "extractor": _extractors,
    "dataset": _datasets,
    "protocol": _protocols,
    "table": _tables,
    "recipe": _recipes,
    "program": _programs,
}
"""Headings, rows and footer of the list of each kind."""


def print_pair_lists(known: Sequence[ExternalDataset]) -> None:
    """The lists of data sets, one line each, those that a task takes without being told marked with a star; of a single
    data set also what should be known of them."""
    output = console()
    note = ["note"] if len(known) == 1 else []
    rows: list[list[str | Text]] = []
    for data in known:
        defaults = {task.list for task in data.card.tasks.values()}
        for entry in data.files.values():
            status = entry.status(data.root)
            name = f"{entry.slug} *" if entry.slug in defaults else entry.slug
            notes = [entry.note] if note else []
            cells: list[str | Text] = [
                data.name,
                name,
                entry.task,
                str(entry.rows or ""),
                Text(status, style=STYLES[status]),
            ]
            rows.append([*cells, *notes, entry.url or "drawn here"])
    print_entries(("data set", "list", "task", "rows", "status", *note, "url"), rows, right=["rows"], whole=2)
    for data in known:
        output.print(Text(f"{data.name}: kept in {data.root / 'lists'}"), soft_wrap=True)


def print_weights(entries: Sequence[ModelFile]) -> None:
    """The files of methods, of metrics and of data sets, one line each: what it is for, where it is and comes from."""
    firsts = {"method": ("method", "part"), "metric": ("name", "metrics that need it"), "data": ("name", "data set")}
    for kind, first in firsts.items():
        rows: list[tuple[str | Text, ...]] = []
        for entry in (entry for entry in entries if entry.kind == kind):
            status = Text(entry.status, style=STYLES.get(entry.status, ""))
            size = "" if entry.size is None else f"{entry.size / 1e6:.1f}"
            rows.append(
                (entry.name, entry.purpose, str(entry.path), status, size, entry.licence, entry.proof, entry.source)
            )
        headings = (*first, "file", "status", "MB", "licence", "published hash", "where it is published")
        print_entries(headings, rows, right=["MB"])


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
