"""The `bench` command. Everything heavy is imported inside the commands, so that ``--help`` is quick."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from typing import Any

import click

from talkbench.benchmark import cli
from talkbench.benchmark.cli.groups import CONTEXT, FolderGroup
from talkbench.benchmark.cli.options import command_line
from talkbench.benchmark.cli.output import LOG, USUAL, document, says
from talkbench.core.errors import TalkbenchError, Terminated, is_out_of_memory
from talkbench.core.text import visible, visible_output
from talkbench.training.state.interrupts import terminable

HELPERS = {"completion", "groups", "main", "options", "output", "print", "progress", "run_file", "train_progress"}
"""The modules of the folder that are not commands."""

GOES_ON = {"run": "--resume", "train": "", "data prepare": "", "data fetch": "", "weights pull": ""}
"""The commands that go on where they were stopped, each with the option which that takes."""


def main() -> None:
    """Entry point. An error that the user can put right ends with one line and exit code 2. No text that is printed can
    steer the terminal, and any encoding of the output will do."""
    if "_BENCH_COMPLETE" in os.environ:  # the shell asks, by bytes
        bench.main(prog_name="bench")
    LOG.setLevel(USUAL)
    with visible_output(), document(sys.argv[1:]) as content:
        began = time.monotonic()
        error, code = _run(content)
        if says(logging.DEBUG):
            click.echo(f"bench: {time.monotonic() - began:.1f} s", err=True)
        if error:
            content["error"] = error
            click.echo(f"bench: {visible(error)}", err=True)
        if code:
            sys.exit(code)


def _run(content: dict[str, Any]) -> tuple[str, int]:
    """Run the command, which adds to the `content` of its document; returns what is to be said of its end, and the exit
    code."""
    try:
        with terminable():
            bench.main(prog_name="bench", standalone_mode=False, obj=content)
    except (TalkbenchError, click.UsageError, OSError, MemoryError, ImportError) as error:
        if isinstance(error, ImportError) and not is_out_of_memory(error):
            raise
        if says(logging.DEBUG):
            click.echo(traceback.format_exc(), err=True)
        return " ".join(_complaint(error).splitlines()), 2
    except (click.Abort, KeyboardInterrupt) as stop:
        end = stop.__cause__  # click makes its own exception of every KeyboardInterrupt
        by, number = (f" by {end}", end.number) if isinstance(end, Terminated) else ("", signal.SIGINT)
        of_many = os.environ.get("RANK", "0") != "0"  # of many processes one tells it
        return "" if of_many else f"stopped{by}; {_again()}", 128 + number
    return "", 0


def _complaint(error: Exception) -> str:
    if isinstance(error, TalkbenchError):
        return "" if error.told else str(error)
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "bench"
        return f"{error.format_message().rstrip('.')}; see {where} --help"
    if isinstance(error, OSError):  # of reading, mostly; what was computed before is kept
        return str(error)
    reason = str(error).strip() or "no more is to be had"
    return f"out of memory ({reason}); end other programs, or allow this one more than {_allowed()}"


def _again() -> str:
    """How the command goes on, or begins again."""
    words = sys.argv[1:]
    with suppress(KeyboardInterrupt):  # a second one, while what writes the command is imported
        for name, option in GOES_ON.items():
            if words[: len(name.split())] == name.split():
                return f"to go on: {command_line(*([] if not option or option in words else [option]))}"
        return f"to begin again: {command_line()}"
    return "give the command again"


def _allowed() -> str:
    """The memory that the system lets this process have, in words."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return "it has" if limit == resource.RLIM_INFINITY else f"{limit / 2**30:.1f} GiB (ulimit -v)"


@click.group(
    cls=FolderGroup,
    package=cli.__name__,
    helpers=HELPERS,
    context_settings=CONTEXT,
    invoke_without_command=True,
    epilog="Exit codes: 0 done; 1 done, and a check has failed; 2 an error; 130 stopped by Ctrl-C, 143 by SIGTERM, "
    "138 by SIGUSR1.",
)
@click.version_option(package_name="talkbench", prog_name="bench")
@click.pass_context
def bench(context: click.Context) -> None:
    """Benchmark and evaluate talking-head video generation.

    \b
    bench run --method mcnet --dataset demo      score a method on a data set
    bench list methods                           what there is
    bench tables                                 your numbers beside the published ones
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
