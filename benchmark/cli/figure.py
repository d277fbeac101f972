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
OF_BOTH = ("root", "dpi", "out", "seconds", "width")
OF_VIDEOS, OF_PRINT = ("seconds", "width"), ("frames", "dpi", "html")


@click.command()
@click.argument("runs", nargs=-1, type=PATH)
@click.option(
    "--pairs", default="most-different", show_default=True,
    help="Numbers of pairs in their list, from 0, with commas between; or most-different: the pairs whose values of "
    "the metric differ most between the runs. In a video the clips with these pairs, or those whose means differ most.",
)  # fmt: skip
@click.option(
    "--count",
    type=POSITIVE,
    default=6,
    show_default=True,
    help="How many of the most different pairs or clips to draw.",
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
@click.option("--out", type=PATH, required=True, help="The picture to write (PNG), or the video (.mp4, .webp or .gif).")
@click.option("--video", is_flag=True, help="Draw all frames as a video; so does an --out that is named like one.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=20,
    show_default=True,
    help="How long a video lasts at most; what comes later is left out.",
)
@click.option(
    "--width", type=click.IntRange(min=128, max=1920),
    help="How wide a video is at most, in pixels.  [default: 1920; of .webp and .gif 960]",
)  # fmt: skip
@click.option("--html", type=PATH, help="Also write a page with the picture and the numbers of its pairs.")
@OPTIONS["frames_at_once"]
@OPTIONS["device"]
@OPTIONS["set"]
def command(runs: tuple[Path, ...], sources: Path | None, **options: Any) -> None:
    """Draw what methods make of the same faces.

    RUNS are folders of runs of the same pairs, made with bench run --save-frames. Each pair has a row: the source, the
    driving frame, then the generated frame of each run, with its error map.

    With --sources, methods are run on the images of a folder, whatever they show, and one clip drives them all. Each
    image has a row: the image, then for each frame of the driver that frame and what each method makes of it.

    With --video all of it moves. The rows are the clips of the runs (frames of one driver that follow one another, of
    one source, as in --task reconstruction), or the images of the folder; the driver's time stamps are kept, and with
    --sources its sound. It is at most 1920 pixels wide and high. Animated .webp and .gif play where no player is,
    without sound.

    \b
    bench figure runs/fomm-demo runs/mcnet-demo --out figure.png
    bench figure runs/* --pairs 3,17,42 --no-errors --out figure.png --html figure.html
    bench figure --sources paintings --driving clip.mp4 --method fomm,mcnet --out figure.png
    bench figure runs/fomm-demo runs/mcnet-demo --video --pairs 0,16 --out figure.mp4
    bench figure --sources paintings --driving clip.mp4 --method fomm,mcnet --video --seconds 5 --out figure.webp
    """
    _check(click.get_current_context(), runs, sources, options)
    if sources is None:
        _draw_runs(runs, options)
    else:
        _draw_sources(sources, options)


def _draw_sources(sources: Path, options: dict[str, Any]) -> None:
    from talkbench.benchmark.cli.progress import RunDisplay
    from talkbench.benchmark.sharing.driven_faces import DrivenFigureOptions

    own = DrivenFigureOptions(sources, **{name: options[name] for name in (*OF_SOURCES, *OF_BOTH)})
    with RunDisplay("frames") as display:
        if _is_video(options):
            from talkbench.benchmark.sharing.driven_video import write_driven_video

            names, file = write_driven_video(own, display)
            line = f"video   {own.out}   ({_counted(len(names), 'source')}; {file})"
        else:
            from talkbench.benchmark.sharing.driven_figure import write_driven_figure

            names, numbers = write_driven_figure(own, display)
            frames = ", ".join(map(str, numbers))
            line = f"figure  {own.out}   ({_counted(len(names), 'source')}, driving frames {frames})"
    click.echo(line)


def _draw_runs(runs: tuple[Path, ...], options: dict[str, Any]) -> None:
    from talkbench.benchmark.cli.progress import say
    from talkbench.benchmark.sharing.shown_runs import MOST_DIFFERENT, FigureOptions, hidden_clips

    own = FigureOptions(runs, **{name: options[name] for name in (*OF_RUNS, *OF_BOTH)})
    if _is_video(options):
        from talkbench.benchmark.cli.progress import RunDisplay
        from talkbench.benchmark.sharing.figure_video import write_figure_video

        with RunDisplay("frames") as display:
            clips, file = write_figure_video(own, display)
        numbers = [number for clip in clips for number in clip]
        names = ", ".join(f"{clip[0]}–{clip[-1]}" if len(clip) > 1 else str(clip[0]) for clip in clips)
        line = f"video   {own.out}   (pairs {names}; {file})"
    else:
        from talkbench.benchmark.sharing.figure import write_figure

        numbers = write_figure(own)
        line = f"figure  {own.out}   (pairs {', '.join(map(str, numbers))})"
    automatic = own.pairs == MOST_DIFFERENT
    if hidden := hidden_clips(runs[0], own.root, None if automatic else numbers):
        what = "is left out" if automatic else "is in the figure, so keep it to yourself"
        say(f"no picture of {', '.join(hidden)} is published; what shows one {what}")
    click.echo(line)
    if own.html:
        click.echo(f"page    {own.html}   (open it in a browser)")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _is_video(options: dict[str, Any]) -> bool:
    """Whether the user asks for a video, by the flag or by the name of the file."""
    from talkbench.benchmark.sharing.moving_figure import KINDS

    named = options["out"].suffix.lower() in KINDS
    if options["video"] and not named:
        raise TalkbenchError(f"--out {options['out']} is no video; give a name that ends in {', '.join(KINDS)}")
    return named


def _check(ctx: click.Context, runs: tuple[Path, ...], sources: Path | None, options: dict[str, Any]) -> None:
    """Refuse options of figures of runs with --sources, of print with videos, and the other way round."""
    if sources is not None and runs:
        raise TalkbenchError("--sources runs methods on images, and RUNS have their frames already; leave out either")
    if sources is None and not runs:
        raise click.UsageError("name folders of runs, or --sources with --driving and --method")
    given = [name for name in options if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    video = _is_video(options)
    for name in given:
        flag = "--set" if name == "settings" else f"--{name.replace('_', '-')}"
        if name in (OF_SOURCES if sources is None else OF_RUNS):
            other = "--sources" if sources is None else "runs"
            raise TalkbenchError(f"{flag} is for figures of {other}; leave it out")
        if name in (OF_PRINT if video else OF_VIDEOS):
            raise TalkbenchError(f"{flag} is for {'pictures' if video else 'videos'}; leave it out")
    if sources is not None and not (options["driving"] and options["method"]):
        raise TalkbenchError("--sources needs --driving, what drives the faces, and --method, which methods to draw")
