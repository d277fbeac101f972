"""The `bench` command. Everything heavy is imported inside the commands, so that ``--help`` is quick."""

from __future__ import annotations

import os
import signal
import sys

import click

from talkbench.benchmark import cli
from talkbench.benchmark.cli.groups import CONTEXT, FolderGroup
from talkbench.core.errors import TalkbenchError, Terminated, is_out_of_memory
from talkbench.core.text import visible, visible_output

HELPERS = {"groups", "main", "options", "print", "progress", "train_progress"}
"""The modules of the folder that are not commands."""


def main() -> None:
    """Entry point. An error that the user can put right ends with one line and exit code 2. No text that is printed can
    steer the terminal, and any encoding of the output will do."""
    with visible_output():
        _main()


def _main() -> None:
    try:
        bench.main(prog_name="bench", standalone_mode=False)
    except TalkbenchError as error:
        _stop("" if error.told else str(error), 2)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "bench"
        _stop(f"{error.format_message().rstrip('.')}; see {where} --help", 2)
    except OSError as error:  # of reading, mostly; what was computed before is kept
        _stop(str(error), 2)
    except (MemoryError, ImportError) as error:
        if isinstance(error, ImportError) and not is_out_of_memory(error):
            raise
        reason = str(error).strip() or "no more is to be had"
        _stop(f"out of memory ({reason}); end other programs, or allow this one more than {_allowed()}", 2)
    except (click.Abort, KeyboardInterrupt) as stop:
        end = stop.__cause__  # click makes its own exception of every KeyboardInterrupt
        by, number = (f" by {end}", end.number) if isinstance(end, Terminated) else ("", signal.SIGINT)
        again = " (a single bench run with --resume)" if "train" not in sys.argv[1:2] else ""
        line = f"stopped{by}; to go on, repeat the command{again}"
        _stop("" if os.environ.get("RANK", "0") != "0" else line, 128 + number)  # of many processes one tells it


def _allowed() -> str:
    """The memory that the system lets this process have, in words."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return "it has" if limit == resource.RLIM_INFINITY else f"{limit / 2**30:.1f} GiB (ulimit -v)"


def _stop(message: str, code: int) -> None:
    if message:
        click.echo(f"bench: {visible(' '.join(message.splitlines()))}", err=True)
    sys.exit(code)


@click.group(
    cls=FolderGroup, package=cli.__name__, helpers=HELPERS, context_settings=CONTEXT, invoke_without_command=True
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
