"""What the shell offers for the names of methods, data sets, metrics and others. No model is imported for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import click
from click.shell_completion import CompletionItem

Names = Callable[[click.Context], Iterable[str]]


class NameType(click.ParamType):
    """Text that is a name, or several with commas between, which the shell completes.

    Args:
        names: all names, for what is typed already.
    """

    name = "text"

    def __init__(self, names: Names) -> None:
        self._names = names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        fitting = [name for name in self._names(ctx) if name.startswith(last)]
        if not fitting:
            return [CompletionItem(incomplete, type="file")]  # many of these may also be a file
        return [CompletionItem(f"{before}{comma}{name}") for name in fitting]


def completing(parameters: Sequence[click.Parameter]) -> None:
    """Let the shell complete the `parameters` that are names, which they are by their own names."""
    for parameter in parameters:
        names = OF_ALL.get(str(parameter.name))
        if isinstance(parameter, click.Argument):
            names = OF_ARGUMENTS.get(str(parameter.name), names)
        if names and isinstance(parameter.type, click.types.StringParamType):
            parameter.type = NameType(names)


def _of(*kinds: str) -> Names:
    """All names of some kinds."""

    def names(_ctx: click.Context) -> Iterable[str]:
        from talkbench.benchmark.names import NAMES

        return dict.fromkeys(name for kind in kinds for name in NAMES[kind]())

    return names


def _tasks(ctx: click.Context) -> Iterable[str]:
    """The tasks of the data set that is named, else of all."""
    from talkbench import datasets

    cards, named = datasets.cards(), ctx.params.get("dataset")
    chosen = [cards[named]] if named in cards else cards.values()
    return sorted({task for card in chosen for task in card.tasks})


def _ablations(_ctx: click.Context) -> Iterable[str]:
    from talkbench.benchmark.names import ABLATIONS

    return ABLATIONS


def _engines(_ctx: click.Context) -> Iterable[str]:
    from talkbench.benchmark.engines.choice import NAMES

    return NAMES


def _motions(_ctx: click.Context) -> Iterable[str]:
    from talkbench.benchmark.evaluation.motions import MOTIONS

    return MOTIONS


def _kinds(_ctx: click.Context) -> Iterable[str]:
    from talkbench.benchmark.names import KINDS

    return [f"{kind}s" for kind in KINDS]


def _what(ctx: click.Context) -> Iterable[str]:
    """The kinds for ``bench list``, the names of all kinds for ``bench show``."""
    from talkbench.benchmark.names import NAMES

    return _kinds(ctx) if ctx.info_name == "list" else _of(*NAMES)(ctx)


OF_ALL: dict[str, Names] = {
    "method": _of("method"),
    "program": _of("program"),
    "methods": _of("method"),
    "dataset": _of("dataset"),
    "metric": _of("metric"),
    "metrics": _of("metric"),
    "protocol": _of("protocol"),
    "extractor": _of("extractor"),
    "config": _of("recipe"),
    "tables": _of("table"),
    "task": _tasks,
    "engine": _engines,
    "motion": _motions,
    "ablation": _ablations,
}
"""What completes a parameter of that name."""

OF_ARGUMENTS: dict[str, Names] = {
    "card": _of("program"),
    "name": _of("method", "metric", "extractor", "protocol", "dataset"),
    "names": _of("method", "metric", "extractor", "protocol", "dataset"),
    "what": _what,
}
"""What completes an argument of that name; an option of that name is something else."""
