"""Writing the result: a video, an animated picture, or one picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from talkbench.benchmark.animation.driver import Driver, heard
from talkbench.benchmark.animation.options import AnimateOptions
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.videos.animation import durations, write_animation
from talkbench.benchmark.videos.mp4 import write_video
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path
from talkbench.core.images import write_png
from talkbench.datasets.interface import Timeline
from talkbench.datasets.videos import VideoClip, has_sound

LARGE = 10_000_000
"""Bytes of an animated picture from which on its size is worth a word."""

HASTY = 20
"""Milliseconds; browsers show a GIF's frames of less than that five times as long."""


def check_output(options: AnimateOptions, driver: Driver, progress: Progress) -> None:
    """Say what the kind of file cannot hold.

    Raises:
        TalkbenchError: it cannot hold so many frames.
    """
    count = len(driver.numbers)
    if options.kind == ".png" and count > 1:
        raise TalkbenchError(
            f"--out {options.out} holds one frame and the driver has {count}; give .mp4, .webp or .gif"
        )
    if options.kind == ".mp4":
        return
    if options.sound and isinstance(driver.clip, VideoClip) and has_sound(driver.clip.path):
        progress.say(f"{options.kind} files have no sound; that of the driver is left out")
    if options.kind == ".gif" and count > 1 and _typical(driver.timeline) < HASTY:
        progress.warn("browsers slow GIFs of more than 50 frames a second down; .webp and .mp4 play at the right speed")


def _typical(timeline: Timeline) -> float:
    return float(np.median(durations(timeline, 1)))


def write(options: AnimateOptions, frames: Iterator[np.ndarray], driver: Driver, progress: Progress) -> None:
    """Write the frames, uint8 RGB (H, W, 3) of one size; all or nothing.

    Raises:
        TalkbenchError: the file cannot be written.
    """
    with atomic_path(options.out) as temporary:
        if options.kind == ".mp4":
            sound = heard(driver.clip, driver.timeline, progress) if options.sound else None
            write_video(temporary, frames, driver.timeline, sound)
        elif options.kind == ".png":
            write_png(temporary, *frames)
        else:
            write_animation(temporary, options.kind, frames, driver.timeline)
    _say_large(options.out, options.kind, progress)


def _say_large(path: Path, kind: str, progress: Progress) -> None:
    size = path.stat().st_size
    if kind != ".mp4" and size > LARGE:
        progress.warn(f"{path} has {size / 1e6:.0f} MB; as .mp4 it would be far smaller")
