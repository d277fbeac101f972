"""`bench animate`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH
from talkbench.benchmark.cli.output import answer, json_option
from talkbench.core.images import FITS

WHICH = "largest; first, the one that is seen first; or a number, 1 for the first from the left"


@click.command()
@OPTIONS["method"]
@click.option(
    "--source", type=PATH, required=True, help="Image of the face to animate; or a video, of which one frame is taken."
)
@click.option("--driving", type=PATH, required=True, help="Video of the driver, a folder of frames, or one image.")
@click.option(
    "--out", type=PATH, required=True, help="The file to write: .mp4 (H.264), .webp, .gif, or .png for a single frame."
)
@OPTIONS["checkpoint"]
@click.option(
    "--motion",
    help="How the driver moves the face. absolute: it takes the driver's pose; relative-first: it moves as the driver "
    "has moved since the first frame; relative-best: since the frame posed most like the source; avd: as absolute, "
    "without the driver's face shape.  [default: relative-first; absolute if the method has no relative motion, or the "
    "driver one frame]",
)  # fmt: skip
@click.option("--side-by-side", is_flag=True, help="Show source, driver and result beside one another.")
@click.option(
    "--paste-back",
    is_flag=True,
    help="Put the moving face back into the whole source picture, of up to 1920 pixels, 960 in .webp, 640 in .gif.",
)
@click.option(
    "--crop/--no-crop",
    default=None,
    help="Whether source and driver are cropped to the face.  [default: where they are not cropped to a head already]",
)
@click.option(
    "--source-face", metavar="FACE", help=f"Which of several faces in the source: {WHICH}.  [default: largest]"
)
@click.option("--driving-face", metavar="FACE", help="Which of several faces in the driver, held through the video.")
@click.option(
    "--source-frame",
    type=click.IntRange(min=0),
    help="Which frame of a video is the source, from 0.  [default: the first in which a face is found]",
)
@click.option(
    "--fit",
    type=click.Choice(FITS),
    default="crop",
    show_default=True,
    help="How what is not cropped and not square is made so: by its middle, with black on both sides, or squeezed.",
)
@click.option(
    "--background",
    metavar="COLOUR",
    default="white",
    show_default=True,
    help="Colour behind a transparent image: a name, or digits such as '#808080'.",
)
@click.option("--sound/--no-sound", default=True, show_default=True, help="Whether the video gets the driver's sound.")
@click.option("--strict", is_flag=True, help="Stop at a frame of the driver that cannot be read, instead of going on.")
@click.option("--frames", type=PATH, help="Also write every generated frame as PNG into this folder.")
@OPTIONS["batch_size"]
@OPTIONS["device"]
@OPTIONS["precision"]
@OPTIONS["compile"]
@OPTIONS["set"]
@json_option("out, kind, frames, size, width, height, lost")
def command(as_json: bool, **options: Any) -> None:
    """Animate a face image with a driving video.

    The result lasts as long as the driver, frame by frame, and a video has its sound. Source and driver are cropped to
    the face, as the training data of the methods is, unless they are head crops already; the driver by one square that
    stays where it is. Of several faces the largest is taken. What is done is said; nothing is written by halves.

    \b
    bench animate --method mcnet --source face.png --driving clip.mp4 --out result.mp4
    bench animate --method mcnet --source face.png --driving clip.mp4 --out result.webp --side-by-side
    bench animate --method mcnet --source family.jpg --source-face 2 --driving clip.mp4 --out result.mp4 --paste-back
    bench animate --method mcnet --source film.mp4 --source-frame 40 --driving clip.mp4 --out result.gif
    bench animate --method mcnet --source face.png --driving other.png --out result.png
    """
    from talkbench.benchmark.cli.progress import RunDisplay

    with RunDisplay("frames") as display:  # which moves while the libraries are loaded
        from talkbench.benchmark.animation.animate import animate
        from talkbench.benchmark.animation.options import AnimateOptions

        result = animate(AnimateOptions(**options), display)
    kind = "video" if options["out"].suffix.lower() == ".mp4" else "image"
    if as_json:
        answer(out=options["out"], kind=kind, **asdict(result))
        return
    lost = f"; {result.lost} of the driver's cannot be read" if result.lost else ""
    frames = "1 frame" if result.frames == 1 else f"{result.frames} frames"
    click.echo(f"{kind}   {options['out']}   ({frames}, {result.width}x{result.height}{lost})")
