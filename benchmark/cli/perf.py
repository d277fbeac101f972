"""`bench perf`: the cost of methods and of metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from talkbench.benchmark.cli.options import OPTIONS, PATH, POSITIVE
from talkbench.benchmark.cli.output import answer, json_option

ALL = "all"


def _listed(_ctx: click.Context, param: click.Parameter, value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The members of comma-separated lists, each once; () without the option."""
    if value is None or value == ():
        return ()
    texts = (value,) if isinstance(value, str) else value
    members = tuple(dict.fromkeys(part.strip() for text in texts for part in text.split(",") if part.strip()))
    if not members:
        raise click.BadParameter("the list is empty")
    return members


def _methods(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Unknown ones are refused before anything heavy is imported."""
    from talkbench.methods.registration import registry

    members = _listed(ctx, param, value)
    for name in members:
        if name != ALL:
            registry.check(name)
    return members


def _sizes(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...]:
    return tuple(POSITIVE(part, param, ctx) for part in _listed(ctx, param, value))


@click.command()
@click.option("--method", "methods", multiple=True, callback=_methods,
              help="Methods to measure, comma-separated or repeated; all: each in its default configuration, with "
              "--train each that has a recipe.")  # fmt: skip
@click.option("--metrics", callback=_listed,
              help="In place of --method: metrics and extractors to measure, comma-separated, or all.")  # fmt: skip
@click.option("--train", is_flag=True, help="Measure the training step of the methods.")
@click.option("--modes", default="float32", show_default=True, callback=_listed,
              help="Modes of the methods, comma-separated: float32, tf32, bf16 (autocast), channels_last, compiled "
              "(torch.compile); bf16+compiled is both at once.")  # fmt: skip
@click.option("--batch-size", "batch_sizes", callback=_sizes,
              help="Driving frames at once, comma-separated.  [default: 1; with --metrics or --train 8]")  # fmt: skip
@click.option("--workers", type=click.IntRange(0, 64),
              help="With --train: number of processes that read frames.  [default: 2 on a CPU, else 8]")  # fmt: skip
@OPTIONS["device"]
@click.option("--repeat", type=POSITIVE, default=10, show_default=True, help="How often to measure; the median counts.")
@click.option("--size", type=POSITIVE, default=256, show_default=True,
              help="Side of the frames in pixels, for metrics and for methods of any size.")  # fmt: skip
@click.option(
    "--out", type=PATH, help="CSV file.  [default: perf/<device>-<modes, metrics or train-modes>-<version>.csv]"
)
@click.option(
    "--against",
    type=PATH,
    help="Folder with tables of earlier measurements: the times of equal settings are printed as ratios.",
)
@json_option("table, the CSV file; rows, of each setting, cost and reason; against, the ratios, with --against")
@click.pass_context
def command(
    context: click.Context,
    /,
    methods: tuple[str, ...],
    metrics: tuple[str, ...],
    train: bool,
    against: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure what methods, their training, or metrics cost.

    Methods: parameters, GFLOP, milliseconds, frames per second and peak memory, per driving frame whose source is
    encoded already, and per cold pair, whose source is encoded too. The CSV also has each stage. The weights are fresh
    ones from a fixed seed: no checkpoint is needed, since other weights take the same time.

    Training: images per second, GFLOP per sample, milliseconds of a step and of its parts, and peak memory; and by what
    factor reading frames is faster than training on them. The column modules has the GFLOP of the modules when each
    is run by itself: if it equals the column GFLOP, the step computes nothing twice.

    Metrics: frames per second, milliseconds for 64 frames and peak memory of each extractor and of each metric on
    images (there of pairs), and of all of them together, on frames of the demo data set.

    \b
    bench perf --method mcnet
    bench perf --method mcnet,fomm --modes float32,bf16,bf16+compiled --batch-size 1,8 --device cuda
    bench perf --train --method mcnet --modes float32,bf16,bf16+compiled --batch-size 8,16,32 --device cuda
    bench perf --train --method all --batch-size 2
    bench perf --metrics all
    bench perf --method all --against perf/before
    bench perf --metrics akd,csim,lpips@vgg --batch-size 8,64 --device cuda
    """
    if bool(methods) == bool(metrics):
        raise click.UsageError("give either --method or --metrics")
    if metrics and context.get_parameter_source("modes") is not ParameterSource.DEFAULT:
        raise click.UsageError("--modes is for methods; leave it out with --metrics")
    if train and (metrics or context.get_parameter_source("size") is not ParameterSource.DEFAULT):
        raise click.UsageError("--train is for methods, which are trained at sizes of their own")
    if not train and options["workers"] is not None:
        raise click.UsageError("--workers is for --train")
    options["batch_sizes"] = options["batch_sizes"] or ((8,) if metrics or train else (1,))
    if not train:
        del options["workers"]
    if ALL in methods:
        from talkbench.methods.cards import defaults

        methods = tuple(dict.fromkeys([*(name for name in methods if name != ALL), *defaults(train)]))
    measure = _of_training if train else _of_metrics if metrics else _of_methods
    stored = _stored(against)  # before the measurement, which may be written into the same folder
    rows, path, show = measure(metrics or methods, options)
    compared = _against(rows, stored)
    if as_json:
        answer(table=path, rows=rows, **({"against": compared} if against else {}))
        return
    show(rows)
    if against:
        _print_against(compared, against)
    click.echo(f"table   {path}")


def _stored(against: Path | None) -> list[Any]:
    from talkbench.benchmark.perf.against import stored_rows

    return stored_rows(against) if against else []


def _against(rows: list[Any], stored: list[Any]) -> list[Any]:
    from talkbench.benchmark.perf.against import ratios

    return ratios(rows, stored)


def _print_against(compared: list[Any], against: Path) -> None:
    from talkbench.benchmark.cli.print.costs import print_ratios

    if compared:
        print_ratios(compared)
    else:
        click.echo(f"nothing to compare: no table in {against} has these settings on this device, threads included")


Measured = tuple[list[Any], Path, Callable[[Any], None]]
"""Rows, their table, and what prints them."""


def _of_methods(methods: tuple[str, ...], options: dict[str, Any]) -> Measured:
    from talkbench.benchmark.cli.print.costs import print_costs
    from talkbench.benchmark.cli.progress import RunDisplay

    with RunDisplay("rows") as display:  # which moves while the libraries are loaded
        from talkbench.benchmark.perf.methods import PerfOptions, perf

        rows, path = perf(PerfOptions(methods, **options), display)
    return rows, path, print_costs


def _of_training(methods: tuple[str, ...], options: dict[str, Any]) -> Measured:
    from talkbench.benchmark.cli.print.costs import print_training_costs
    from talkbench.benchmark.cli.progress import RunDisplay

    del options["size"]
    with RunDisplay("rows") as display:  # which moves while the libraries are loaded
        from talkbench.benchmark.perf.training import TrainPerfOptions, perf_train

        rows, path = perf_train(TrainPerfOptions(methods, **options), display)
    return rows, path, print_training_costs


def _of_metrics(names: tuple[str, ...], options: dict[str, Any]) -> Measured:
    from talkbench.benchmark.cli.print.costs import print_metric_costs
    from talkbench.benchmark.cli.progress import RunDisplay

    del options["modes"]
    with RunDisplay("rows") as display:  # which moves while the libraries are loaded
        from talkbench.benchmark.perf.metrics import MetricPerfOptions, perf_metrics

        rows, path = perf_metrics(MetricPerfOptions(names, **options), display)
    return rows, path, print_metric_costs
