"""What a command says: how much (``-q``, ``-v``, ``--log-level``), and the one document of ``--json``."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from talkbench.benchmark.cli.completion import completing

LOG = logging.getLogger("talkbench")
LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}
USUAL = logging.NOTSET
"""The level of a command that is not told otherwise: everything but what ``debug`` adds."""


def says(level: int) -> bool:
    """Whether messages of a level of `logging` are said."""
    return level >= (LOG.level or logging.INFO)


def _sets(level: str) -> Callable[[click.Context, click.Parameter, bool], bool]:
    """The callback of a flag that chooses a level."""

    def choose(_ctx: click.Context, _param: click.Parameter, flag: bool) -> bool:
        if flag:
            LOG.setLevel(LEVELS[level])
        return flag

    return choose


def _choose(_ctx: click.Context, _param: click.Parameter, level: str | None) -> None:
    if level:
        LOG.setLevel(LEVELS[level])


def verbose(help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option ``-v`` of a command that has more to show."""
    return click.option("-v", "--verbose", is_flag=True, callback=_sets("debug"), help=help)


def json_option(shape: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option ``--json`` of a command that calls `answer`; `shape` says in words what its document holds."""
    about = f"Print one JSON document: {shape}. All else, messages for example, goes to standard error."
    return click.option("--json", "as_json", is_flag=True, help=about)


def _common() -> Sequence[click.Option]:
    """The options of every command. Of several the last on the command line holds."""
    return (
        click.Option(
            ["-q", "--quiet"], is_flag=True, expose_value=False, callback=_sets("warning"),
            help="Say warnings and errors alone, beside the results; show no progress.",
        ),
        click.Option(
            ["-v", "--verbose"], is_flag=True, expose_value=False, callback=_sets("debug"),
            help="Say more: how long it took, and of an error where it comes from.",
        ),
        click.Option(
            ["--log-level"], type=click.Choice(list(LEVELS)), expose_value=False, callback=_choose,
            help="What to say: error; warning, as -q; info, as usual; debug, as -v.",
        ),
    )  # fmt: skip


def equipped(command: click.Command) -> click.Command:
    """A command with the options of every command, whose names the shell completes; a group as it is."""
    if not isinstance(command, click.Group):
        flags = {flag for parameter in command.params for flag in parameter.opts}
        command.params += [option for option in _common() if flags.isdisjoint(option.opts)]
        completing(command.params)
    return command


def answer(**parts: object) -> None:
    """Add to the document of ``--json``, which `main` prints when the command has ended, however it ends."""
    click.get_current_context().find_root().obj.update(parts)


@contextmanager
def document(arguments: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The document of a command, which is printed after the block if the `arguments` ask for ``--json``; whatever else
    is written to standard output meanwhile, by other programs too, goes to standard error.

    If the command fails, the document has an ``exit_code`` too, and the ``error`` in one line.
    """
    content: dict[str, Any] = {}
    if "--json" not in arguments or not {"--help", "-h", "--version"}.isdisjoint(arguments):
        yield content
        return
    output = sys.stdout
    try:
        with _diverted(output):
            yield content
    except SystemExit as end:
        if end.code:
            content["exit_code"] = end.code
        raise
    except BaseException as error:
        content.update(error=" ".join(f"{type(error).__name__}: {error}".split()), exit_code=1)
        raise
    finally:
        if os.environ.get("RANK", "0") == "0":  # of many processes one answers
            _print(content, output)


def _print(content: Mapping[str, object], output: Any) -> None:
    try:
        output.write(json.dumps(plain(content), indent=2, allow_nan=False) + "\n")
        output.flush()
    except BrokenPipeError:  # nobody reads on, and Python is not to say so once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())


@contextmanager
def _diverted(output: Any) -> Iterator[None]:
    """In the block all that goes to the stream `output`, or past it to the system's standard output, goes to standard
    error."""
    try:
        kept = os.dup(1) if output.fileno() == 1 else -1
    except (AttributeError, OSError):  # no stream of the system's
        kept = -1
    sys.stdout = sys.stderr
    if kept >= 0:
        output.flush()
        os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout = output
        if kept >= 0:
            os.dup2(kept, 1)
            os.close(kept)


def plain(value: object) -> Any:
    """A value as JSON has it: models and dataclasses are objects, what is no number is null, all else is text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json"))
    if hasattr(value, "tolist"):  # numpy's
        return plain(value.tolist())
    return str(value)
