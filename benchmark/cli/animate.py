"""`bench animate`."""

from __future__ import annotations

from typing import Any

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH
from talkbench.core.images import FITS


@click.command()
@OPTIONS["method"]
@click.option("--source", type=PATH, required=True, help="Image of the face to animate, cropped to the head.")
@click.option("--driving", type=PATH, required=True, help="Video of the driver, or a folder of frames.")
@click.option("--out", type=PATH, required=True, help="The video to write (.mp4, H.264).")
@OPTIONS["checkpoint"]
@click.option(
    "--motion",
    help="How the driver moves the face. absolute: it takes the driver's pose; relative-first: it moves as the driver "
    "has moved since the first frame; relative-best: since the frame posed most like the source; avd: as absolute, "
    "without the driver's face shape.  [default: relative-first, or absolute if the method has no relative motion]",
)  # fmt: skip
@click.option("--frames", type=PATH, help="Also write every frame as PNG into this folder.")
@click.option("--sound/--no-sound", default=True, show_default=True, help="Whether the video gets the driver's sound.")
@click.option(
    "--keep-damaged", is_flag=True, help="Leave frames of the driver out that cannot be read, instead of giving up."
)
@click.option(
    "--fit",
    type=click.Choice(FITS),
    default="crop",
    show_default=True,
    help="How an image or video that is not square is made so: by its middle, with black on both sides, or squeezed.",
)
@OPTIONS["batch_size"]
@OPTIONS["device"]
@OPTIONS["set"]
def command(**options: Any) -> None:
    """Animate a face image with a driving video.

    The video lasts as long as the driving one, frame by frame, and has its sound. What is not square is made so
    as --fit says.

    \b
    bench animate --method mcnet --source face.png --driving clip.mp4 --out result.mp4
    """
    from talkbench.benchmark.animate import AnimateOptions, animate
    from talkbench.benchmark.cli.progress import RunDisplay

    with RunDisplay("frames") as display:
        count, size = animate(AnimateOptions(**options), display)
    click.echo(f"video   {options['out']}   ({count} frames, {size}x{size})")
