"""`bench inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH, POSITIVE, typed


def parts(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(","))


def numbers(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    texts = [text.strip() for text in value.split(",")]
    if not all(text.isascii() and text.isdigit() for text in texts):
        raise click.BadParameter(f"{value!r} is not numbers with commas between")
    return tuple(map(int, texts))


def channels(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | str | None:
    return "all" if value == "all" else numbers(ctx, param, value)


def places(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[float, float], ...] | None:
    found = []
    for value in values:
        try:
            x, y = map(float, value.split(","))
        except ValueError as error:
            raise click.BadParameter(f"{value!r} is not of the form X,Y") from error
        if not (0 <= x < 1 and 0 <= y < 1):
            raise click.BadParameter(f"{value!r} is outside of the picture, whose X and Y are from 0 to 1")
        found.append((x, y))
    return tuple(found) or None


@click.command()
@click.argument("method")
@click.option(
    "--what", default="all", show_default=True, callback=parts, metavar="NAMES",
    help="memory, conditioned-memory, attention, keypoints, flow, occlusion, several with commas between, or all that "
    "the method has.",
)  # fmt: skip
@click.option(
    "--checkpoint", type=PATH, multiple=True,
    help="Weights: the authors' .pth.tar or a .safetensors. Repeatable: the pictures show one beside the other.",
)  # fmt: skip
@click.option("--source", type=PATH, multiple=True, help="Image of a face, cropped to the head. Repeatable.")
@click.option(
    "--driving", type=PATH, help="Image or video of the driver, or a folder of frames.  [default: the source]"
)
@click.option("--dataset", help="In place of --source: faces of this data set.  [default: demo]")
@click.option(
    "--pairs", callback=numbers, metavar="NUMBERS",
    help="Which pairs of its list, from 0, with commas between.  [default: --count of them, from all over the list]",
)  # fmt: skip
@click.option(
    "--count", type=POSITIVE, default=4, show_default=True, help="How many pairs, or frames of the driving video."
)
@OPTIONS["task"]
@OPTIONS["motion"]
@OPTIONS["root"]
@click.option(
    "--channels", callback=channels, metavar="NUMBERS",
    help="Of the memory, from 0, with commas between, or all.  [default: all; of the conditioned memory those of the "
    "paper's figures, or the most varied]",
)  # fmt: skip
@click.option(
    "--scaling", type=click.Choice(["each", "shared"]), default="each", show_default=True,
    help="Whether each tile is scaled to its own smallest and largest value, or all alike.",
)  # fmt: skip
@click.option(
    "--level", type=POSITIVE, help="Side of the map that the conditioned memory is for.  [default: the smallest]"
)
@click.option(
    "--at", callback=places, multiple=True, metavar="X,Y",
    help="A place whose attention is shown, in shares of width and height. Repeatable.  [default: eyes, mouth, "
    "forehead, corner]",
)  # fmt: skip
@OPTIONS["device"]
@click.option("--out", type=PATH, help="Folder to write to.  [default: inspect/<method>]")
@OPTIONS["set"]
def command(**options: Any) -> None:
    """Look inside a method.

    Draws what it has learned to remember of faces (memory), what becomes of that for given faces (conditioned-memory),
    what is looked up there (attention), and how the source is moved (keypoints, flow, occlusion), as PNG files and as a
    page that explains them.

    \b
    bench inspect mcnet
    bench inspect mcnet --what memory --checkpoint with.safetensors --checkpoint without.safetensors
    bench inspect mcnet --what conditioned-memory --source ann.png --source bob.png
    bench inspect fomm --what keypoints,flow --source ann.png --driving clip.mp4 --motion relative-first
    """
    from talkbench.benchmark.cli.progress import RunDisplay
    from talkbench.benchmark.inspection.look import InspectOptions, inspect

    given = {name: value for name, value in options.items() if value is not None}
    with RunDisplay() as display:
        folder, files = inspect(InspectOptions(**given, command=typed()), display)
    *pictures, page = (Path(folder) / file for file in files)
    for picture in pictures:
        click.echo(f"picture {picture}")
    click.echo(f"page    {page}   (open it in a browser)")
