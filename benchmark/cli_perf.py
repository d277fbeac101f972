"""`bench perf`: the cost of methods."""

from __future__ import annotations

from typing import Any

import click

from talkbench.benchmark.cli_options import OPTIONS, PATH, POSITIVE


def _listed(_ctx: click.Context, param: click.Parameter, given: str | tuple[str, ...]) -> tuple[str, ...]:
    """The members of comma-separated lists, each once."""
    texts = (given,) if isinstance(given, str) else given
    found = tuple(dict.fromkeys(part.strip() for text in texts for part in text.split(",") if part.strip()))
    if not found:
        raise click.BadParameter("the list is empty")
    return found


def _sizes(ctx: click.Context, param: click.Parameter, given: str) -> tuple[int, ...]:
    return tuple(POSITIVE(part, param, ctx) for part in _listed(ctx, param, given))


@click.command()
@click.option("--method", "methods", required=True, multiple=True, callback=_listed,
              help="Methods to measure, comma-separated or repeated.")  # fmt: skip
@click.option("--modes", default="float32", show_default=True, callback=_listed,
              help="Of float32, bf16 (autocast), channels_last and compiled (torch.compile), comma-separated; "
              "bf16+compiled is both at once.")  # fmt: skip
@click.option("--batch-size", "batch_sizes", default="1", show_default=True, callback=_sizes,
              help="Driving frames at once, comma-separated.")  # fmt: skip
@OPTIONS["device"]
@click.option("--repeat", type=POSITIVE, default=10, show_default=True, help="Turns to take the median over.")
@click.option("--size", type=POSITIVE, default=256, show_default=True, help="For methods that work at any size.")
@click.option("--out", type=PATH, help="CSV file.  [default: perf/<device>-<modes>-<version>.csv]")
def perf(**options: Any) -> None:
    """Measure what methods cost.

    GFLOP, parameters, milliseconds, frames per second and peak memory: per driving frame with the source encoded
    before, and per cold pair; the CSV also has each stage. Weights are fresh ones from a fixed seed, since what
    they are does not change what they cost, so no checkpoint is needed.

    \b
    bench perf --method mcnet
    bench perf --method mcnet,fomm --modes float32,bf16,bf16+compiled --batch-size 1,8 --device cuda
    """
    from talkbench.benchmark.console import RunDisplay
    from talkbench.benchmark.perf import PerfOptions
    from talkbench.benchmark.perf import perf as measure
    from talkbench.benchmark.sheets import print_costs

    with RunDisplay("rows") as display:
        rows, path = measure(PerfOptions(**options), display)
    print_costs(rows)
    click.echo(f"table   {path}")
