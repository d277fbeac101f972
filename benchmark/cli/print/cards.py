"""What is known of a method, with its published numbers, or of a thing of any other kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from talkbench.benchmark.cli.print.console import console, facts_table
from talkbench.benchmark.cli.print.lists import print_pair_lists
from talkbench.core.errors import TalkbenchError
from talkbench.core.model_files import NO_PROOF
from talkbench.core.registry import own_case

if TYPE_CHECKING:
    from talkbench.core.dataset_cards import ClipCard
    from talkbench.methods.checkpoint_store import WeightFile


def print_card(name: str) -> None:
    """Everything that is known of a method, as the table of `facts` and that of its published numbers.

    Raises:
        TalkbenchError: an unknown method.
    """
    output = console()
    _print_facts(facts(name))
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
    labels = ("title", "short", "source", "licence", "obtain", "layout", "resolution", "identities", "pairs")
    lines = [("what it is" if label == "short" else label, getattr(data.card, label)) for label in labels]
    lines = [("name", data.name), *lines, *_labelled("clips", [_clip(*item) for item in data.card.clips.items()])]
    lines.append(("tasks", ", ".join(data.tasks)))
    older = [f"--pairs {slug}: {entry.older}" for slug, entry in data.card.lists.items() if entry.older]
    _print_facts([*lines, *_labelled("older lists", older), *_labelled("notes", data.card.quirks)])
    if isinstance(data, ExternalDataset):
        console().print()
        print_pair_lists([data])


def _clip(name: str, card: ClipCard) -> str:
    facts = [card.about, f"face of {card.face} pixels" if card.face else "", f"licence: {card.licence}"]
    facts = [*(facts if card.licence else facts[:-1]), "" if card.shown else "no picture of it is published"]
    return f"{name}: {'; '.join(filter(None, facts))}"


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


def print_metric(name: str) -> None:
    """What the card of a metric says.

    Raises:
        TalkbenchError: an unknown metric.
    """
    from talkbench import metrics

    metric = metrics.create(name)
    card = metric.card()
    least, greatest = card.printed_range
    lines = {
        "name": card.name,
        "short name": card.short if card.short != card.name else "",
        "what it is": card.about,
        "better": card.direction,
        "unit": card.unit,
        "range": f"{least:g} to {greatest:g}",
        "compared with": {"driving": "the driving frame", "source": "the source"}.get(
            card.target, "the driving frame where it is the truth, else the source"
        ),
        "extractor": card.extractor or "none, the images themselves are compared",
        "of pairs": {"set": "all frames at once", "root-mean": "root of the mean"}.get(card.aggregation, "mean"),
        "files": ", ".join(metric.files()),
        "computed by": card.backend,
        "not here": card.problem,
    }
    definition = _labelled("definition", card.definition)
    _print_facts([*((label, text) for label, text in lines.items()), *definition])


def print_extractor(name: str) -> None:
    """What the card of an extractor says, and which metrics compare its features.

    Raises:
        TalkbenchError: an unknown extractor.
    """
    from talkbench import metrics

    card = metrics.create_extractor(name).card()
    extractor_of = metrics.registry.each(lambda metric: metrics.create(metric).extractor)
    lines = {
        "name": card.name,
        "what it is": card.about,
        "libraries": ", ".join(card.libraries),
        "files": ", ".join(card.weights),
        "starts from": card.uses or "",
        "looks for": card.subject,
        "metrics": ", ".join(metric for metric, extractor in extractor_of.items() if extractor == card.name),
        "id": card.id,
        "not here": card.problem,
    }
    _print_facts(lines.items())


def print_layout(name: str) -> None:
    """What a table of the papers shows.

    Raises:
        TalkbenchError: an unknown table.
    """
    from talkbench.reports.tables.layout import load_layout, names

    layout = load_layout(name)
    name = own_case(name, names())
    groups = [f"{group.dataset}, {' or '.join(group.tasks)}" for group in layout.groups]
    columns = [f"{column.metric}: {' or '.join(column.variants)}" for _, column in layout.columns]
    rows = [", ".join(row.methods) or row.label or row.published for row in layout.rows]
    lines = [("name", name), ("title", layout.title), *_labelled("data sets", groups)]
    lines += [*_labelled("metrics", list(dict.fromkeys(columns))), ("rows", "; ".join(rows))]
    lines += [*_labelled("remarks", layout.remarks), ("printed by", f"bench tables --table {name}")]
    _print_facts(lines)


def print_recipe(name: str) -> None:
    """Every entry of a recipe.

    Raises:
        TalkbenchError: an unknown recipe.
    """
    from talkbench.methods.registration import declared_families
    from talkbench.training.config import load_config
    from talkbench.training.recipe_files import find_recipe

    name, config = find_recipe(name)[0], load_config(name)
    if config.method not in declared_families():  # its objective may have terms of its own
        from talkbench.training.objectives import completed

        config = completed(config, name)
    entries = config.model_dump()
    weights = entries.pop("weights")
    lines = [("name", name), *((label, str(value)) for label, value in entries.items())]
    _print_facts([*lines, *_labelled("weights", [f"{term}: {factor:g}" for term, factor in weights.items()])])


def _print_facts(lines: Iterable[tuple[str, str]]) -> None:
    """Label and value, line by line; those without a value are left out."""
    table = facts_table()
    for label, value in lines:
        if value:
            table.add_row(label, Text(value))
    console().print(table)


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
    yield from _labelled("ours, not the paper's", card.ours)
    yield from _labelled("notes", card.notes)


def _model(full: str) -> Iterator[tuple[str, str]]:
    """What is known of a method by its code; what its card does not say, its networks do."""
    from talkbench.benchmark.evaluation.motions import motions
    from talkbench.methods.cards import card, family
    from talkbench.methods.checkpoint_store import listed

    common, own = family(full), card(full)
    variants = common.described if common.default else {}
    resolution, networks = own.resolution, own.networks
    if networks is None:
        resolution, networks = _measured(full)
    if resolution:
        yield "resolution", f"{resolution} pixels"
    yield from ((f"parameters, {part}", f"{count:,}") for part, count in networks.items())
    yield "motions", ", ".join(motions(full))
    yield from _labelled("variants", [f"{variant}: {text}" for variant, text in variants.items()])
    yield from _labelled("demo size", [*_demo_size(full)])
    yield from _labelled("weights", [_weights(file) for file in listed(full) if file.method == full])


def _demo_size(full: str) -> Iterator[str]:
    """The name of a method at demo size, if there is one, and how it is trained."""
    from talkbench.methods.cards import demo_name, family, full_name, is_demo

    if not is_demo(full):
        with suppress(TalkbenchError):
            yield f"{demo_name(full)}: bench train --method {full} --config demo"
    if family(full).ablations and full == full_name(full.partition("@")[0]):
        yield "rows of the ablation tables have it under their names and -demo: bench list methods --all"


def _weights(file: WeightFile) -> str:
    proof = "" if file.sha256 or file.status == "ships with talkbench" else f" (published hash: {NO_PROOF})"
    return f"{file.status}: {file.path}{proof}"


def _measured(full: str) -> tuple[int | None, dict[str, int]]:
    """Resolution and parameters of each network of a method that is built for it."""
    from talkbench.methods.recognition import skeleton

    method, _ = skeleton(full)
    counts = {
        part: sum(parameter.numel() for parameter in network.parameters()) for part, network in method.networks.items()
    }
    return method.resolution, counts


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


def print_program(name: str) -> None:
    """The card of a program as it is written, after its path, to be copied.

    Raises:
        TalkbenchError: an unknown program.
    """
    from talkbench.benchmark.programs.names import card_path

    path = card_path(name)
    console().print(Text(f"# {path}", style="dim"), soft_wrap=True)
    console().print(Text(path.read_text(encoding="utf-8").rstrip()), soft_wrap=True)


PRINTERS: dict[str, Callable[[str], None]] = {
    "method": print_card,
    "metric": print_metric,
    "extractor": print_extractor,
    "dataset": print_dataset,
    "protocol": print_protocol,
    "table": print_layout,
    "recipe": print_recipe,
    "program": print_program,
}
"""What shows a thing of each kind by its name."""
