"""`bench figure`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from talkbench.benchmark.cli.options import OPTIONS, PATH, POSITIVE, method_names
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import FITS

OF_RUNS = ("pairs", "count", "metric", "errors", "html")
OF_SOURCES = ("driving", "method", "frames", "checkpoint", "motion", "fit", "batch_size", "device", "settings")


@click.command()
@click.argument("runs", nargs=-1, type=PATH)
@click.option(
    "--pairs", default="most-different", show_default=True,
    help="Numbers of pairs in their list, from 0, with commas between; or most-different: the pairs whose values of "
    "the metric differ most between the runs.",
)  # fmt: skip
@click.option(
    "--count", type=POSITIVE, default=6, show_default=True, help="How many of the most different pairs to draw."
)
@click.option("--metric", help="Metric that most-different goes by.  [default: l1, else the first that all runs have]")
@click.option(
    "--errors/--no-errors",
    default=None,
    help="Draw error maps beside the frames.  [default: if the driving frame is the truth]",
)
@click.option("--sources", type=PATH, help="In place of RUNS: folder of images to be driven, paintings for example.")
@click.option("--driving", help="With --sources: video of the driver, a folder of frames, or DATASET:CLIP.")
@click.option("--method", callback=method_names, help="With --sources: methods with commas between, or all.")
@click.option(
    "--frames", type=POSITIVE, default=2, show_default=True,
    help="With --sources: how many frames of the driver to draw, spread over it.",
)  # fmt: skip
@OPTIONS["checkpoint"]
@click.option("--motion", help="With --sources: as in bench animate.  [default: relative-first, else absolute]")
@click.option(
    "--fit", type=click.Choice(FITS), default="crop", show_default=True,
    help="With --sources: how an image that is not square is made so: by its middle, with black, or squeezed.",
)  # fmt: skip
@OPTIONS["root"]
@click.option("--dpi", type=POSITIVE, default=300, show_default=True, help="Resolution for printing the picture.")
@click.option("--out", type=PATH, required=True, help="The picture to write (PNG).")
@click.option("--html", type=PATH, help="Also write a page with the picture and the numbers of its pairs.")
@OPTIONS["batch_size"]
@OPTIONS["device"]
@OPTIONS["set"]
def command(runs: tuple[Path, ...], sources: Path | None, **options: Any) -> None:
    """Draw what methods make of the same faces.

    RUNS are folders of runs of the same pairs, made with bench run --save-frames. Each pair has a row: the source, the
    driving frame, then the generated frame of each run, with its error map.

    With --sources, methods are run on the images of a folder, whatever they show, and one clip drives them all. Each
    image has a row: the image, then for each frame of the driver that frame and what each method makes of it.

    \b
    bench figure runs/fomm-demo runs/mcnet-demo --out figure.png
    bench figure runs/* --pairs 3,17,42 --no-errors --out figure.png --html figure.html
    bench figure --sources paintings --driving clip.mp4 --method fomm,mcnet --out figure.png
    """
    _check(click.get_current_context(), runs, sources, options)
    if sources is None:
        _draw_runs(runs, options)
        return
    from talkbench.benchmark.cli.progress import RunDisplay
    from talkbench.benchmark.sharing.driven_figure import DrivenFigureOptions, write_driven_figure

    own = {name: options[name] for name in (*OF_SOURCES, "root", "dpi", "out")}
    with RunDisplay("faces") as display:
        names, numbers = write_driven_figure(DrivenFigureOptions(sources, **own), display)
    click.echo(f"figure  {options['out']}   ({len(names)} sources, driving frames {', '.join(map(str, numbers))})")


def _draw_runs(runs: tuple[Path, ...], options: dict[str, Any]) -> None:
    from talkbench.benchmark.sharing.figure import write_figure
    from talkbench.benchmark.sharing.shown_runs import MOST_DIFFERENT, FigureOptions, hidden_clips

    own = {name: options[name] for name in (*OF_RUNS, "root", "dpi", "out")}
    numbers = write_figure(FigureOptions(runs, **own))
    automatic = options["pairs"] == MOST_DIFFERENT
    if hidden := hidden_clips(runs[0], options["root"], None if automatic else numbers):
        what = "is left out" if automatic else "is in the figure, so keep it to yourself"
        click.echo(f"no picture of {', '.join(hidden)} is published; what shows one {what}", err=True)
    click.echo(f"figure  {options['out']}   (pairs {', '.join(map(str, numbers))})")
    if options["html"]:
        click.echo(f"page    {options['html']}   (open it in a browser)")


def _check(ctx: click.Context, runs: tuple[Path, ...], sources: Path | None, options: dict[str, Any]) -> None:
    """Refuse options of figures of runs with --sources, and the other way round."""
    if sources is not None and runs:
        raise TalkbenchError("--sources runs methods on images, and RUNS have their frames already; leave out either")
    if sources is None and not runs:
        raise click.UsageError("name folders of runs, or --sources with --driving and --method")
    given = [name for name in options if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    for name in given:
        flag = "--set" if name == "settings" else f"--{name.replace('_', '-')}"
        if name in (OF_SOURCES if sources is None else OF_RUNS):
            other = "--sources" if sources is None else "runs"
            raise TalkbenchError(f"{flag} is for figures of {other}; leave it out")
    if sources is not None and not (options["driving"] and options["method"]):
        raise TalkbenchError("--sources needs --driving, what drives the faces, and --method, which methods to draw")
