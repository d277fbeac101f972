"""`bench inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH, POSITIVE, dataset_names, method_names, typed


def parts(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    from talkbench.benchmark.inspection.parts import chosen_parts

    names = tuple(name.strip() for name in value.split(","))
    chosen_parts(names)  # refuses what is unknown
    return names


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
) -> tuple[str | tuple[float, float], ...] | None:
    from talkbench.benchmark.inspection.places import parse_place

    return tuple(map(parse_place, values)) or None


@click.command()
@click.argument("method", callback=method_names)
@click.option(
    "--what", default="all", show_default=True, callback=parts, metavar="NAMES",
    help="What to draw: memory, conditioned-memory, attention, keypoints, flow, occlusion, several with commas "
    "between, or all that the method can show.",
)  # fmt: skip
@click.option(
    "--checkpoint", type=PATH, multiple=True,
    help="Weights: the authors' .pth.tar, or what bench train writes: weights.safetensors, best.safetensors, a state. "
    "Repeatable: the pictures show several side by side, each named by its training and step.  [default: those of "
    "bench weights list]",
)  # fmt: skip
@click.option(
    "--source", type=PATH, multiple=True,
    help="Image of a face, cropped to the head; of one that is not square the middle is used. Repeatable.",
)  # fmt: skip
@click.option(
    "--driving", type=PATH, help="Image or video of the driver, or a folder of frames.  [default: the source]"
)
@click.option(
    "--dataset", callback=dataset_names, help="In place of --source: faces of this data set.  [default: demo]"
)
@click.option(
    "--pairs", callback=numbers, metavar="NUMBERS",
    help="Numbers of pairs in its list, from 0, with commas between.  [default: --count pairs, spread over the list]",
)  # fmt: skip
@click.option(
    "--count",
    type=POSITIVE,
    default=4,
    show_default=True,
    help="How many pairs, or frames of the driving video, to draw.",
)
@OPTIONS["task"]
@OPTIONS["motion"]
@OPTIONS["root"]
@click.option(
    "--channels", callback=channels, metavar="NUMBERS",
    help="Numbers of the channels of the memory, from 0, with commas between, or all.  [default: all; of the "
    "conditioned memory those of the paper's figures, or those that vary most]",
)  # fmt: skip
@click.option(
    "--scaling", type=click.Choice(["each", "shared"]),
    help="each: every tile goes from its own smallest value to its own largest; shared: all tiles have one scale.  "
    "[default: each for channels of the memory; attention shares a scale where values are alike]",
)  # fmt: skip
@click.option(
    "--level", type=POSITIVE, help="Side of the map whose conditioned memory is drawn.  [default: the smallest]"
)
@click.option(
    "--at", callback=places, multiple=True, metavar="PLACE",
    help="Place whose attention is drawn: right-eye, left-eye (the person's), nose, mouth, cheek, forehead, chin or "
    "corner, by the landmarks of the face; or X,Y in shares of width and height. Repeatable.  [default: right-eye, "
    "left-eye, nose, mouth, cheek, corner]",
)  # fmt: skip
@OPTIONS["device"]
@click.option(
    "--out", type=PATH,
    help="Folder to write to. With --checkpoint the names of its files end with training and step.  "
    "[default: inspect/<method>]",
)  # fmt: skip
@OPTIONS["set"]
def command(**options: Any) -> None:
    """Draw what happens inside a method.

    It draws the memory of faces that the method has learned (memory), what the memory becomes for certain faces
    (conditioned-memory), where the method looks in it (attention), and how the source is moved (keypoints, flow,
    occlusion). The pictures are PNG files with a title; a page explains them. A method without a memory shows how the
    source is moved.

    The weights of mcnet@demo come with talkbench, and the faces of the data set demo are fetched the first time. The
    places whose attention is drawn follow the landmarks of the face once bench weights pull face-landmarker has fetched
    their model.

    \b
    bench inspect mcnet@demo
    bench inspect mcnet --what memory --checkpoint with/weights.safetensors --checkpoint without/weights.safetensors
    bench inspect mcnet --what conditioned-memory --source ann.png --source bob.png
    bench inspect mcnet --what attention --at nose --at mouth --at 0.1,0.9
    bench inspect fomm --what keypoints,flow --source ann.png --driving clip.mp4 --motion relative-first
    """
    from talkbench.benchmark.cli.progress import RunDisplay

    chosen = {name: value for name, value in options.items() if value is not None}
    with RunDisplay() as display:  # which moves while the libraries are loaded
        from talkbench.benchmark.inspection.faces import InspectOptions
        from talkbench.benchmark.inspection.look import inspect

        folder, files = inspect(InspectOptions(**chosen, command=typed()), display)
    *pictures, page = (Path(folder) / file for file in files)
    for picture in pictures:
        click.echo(f"picture {picture}")
    click.echo(f"page    {page}   (open it in a browser)")
