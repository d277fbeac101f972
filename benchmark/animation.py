"""`bench animate`: one face image moved by one driving video, as a playable video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from talkbench.benchmark.environment import choose_device, memory_advice
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.setup import create_method
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path
from talkbench.core.images import read_image, resize, to_tensor, to_uint8, write_png
from talkbench.datasets.clips import Clip, open_clip
from talkbench.methods.cards import find_weights

if TYPE_CHECKING:
    from talkbench.methods.interface import Method

DEFAULT_SIZE = 256  # for methods that work at any size: the field's resolution
FRAME_FOLDER_RATE = Fraction(25)  # frames per second of the field's data sets


@dataclass(frozen=True)
class AnimateOptions:
    """What the user asks for; see ``bench animate --help`` for each."""

    method: str
    source: Path
    driving: Path
    out: Path
    checkpoint: Path | None = None
    motion: str = "relative-first"
    frames: Path | None = None
    batch_size: int = 8
    device: str = "auto"
    settings: dict[str, object] = field(default_factory=dict)


def animate(options: AnimateOptions, progress: Progress | None = None) -> tuple[int, int]:
    """Write the video, and the frames if asked; returns the number of frames and their side in pixels.

    Source and driving frames are resized to the method's resolution, as the authors' demos do (specs
    fomm 4.1); the video keeps the rate of the driving one.

    Raises:
        TalkbenchError: an input cannot be read or the output not written; no half video is left.
    """
    progress = progress or Progress()
    if options.out.suffix.lower() != ".mp4":
        raise TalkbenchError(f"--out {options.out} is not a .mp4 file; the video is H.264 in MP4")
    if options.out.resolve() in (options.driving.resolve(), options.source.resolve()):
        raise TalkbenchError(f"--out {options.out} would overwrite an input; choose another name")
    device = choose_device(options.device)
    weights = find_weights(options.method, options.checkpoint)
    driving, source = open_clip(options.driving), read_image(options.source)
    with memory_advice(options.batch_size):
        method = create_method(weights, options.settings).to(device)
        if weights.note:
            progress.say(weights.note)
        size = method.resolution or DEFAULT_SIZE
        progress.start(0, len(driving))
        frames = _generate(method, to_tensor(resize(source, size)[None], device), driving, options, progress)
        with atomic_path(options.out) as temporary:
            _write_video(temporary, frames, size, driving.rate or FRAME_FOLDER_RATE)
    return len(driving), size


@torch.inference_mode()
def _generate(
    method: Method, face: torch.Tensor, driving: Clip, options: AnimateOptions, progress: Progress
) -> Iterator[np.ndarray]:
    source, size = method.encode_source(face), face.shape[-1]
    reference = None
    for start in range(0, len(driving), options.batch_size):
        numbers = range(start, min(start + options.batch_size, len(driving)))
        images = to_tensor(np.stack([resize(driving.read(number), size) for number in numbers]), face.device)
        motion = method.encode_motion(images)
        if reference is None and options.motion == "relative-first":
            reference = motion.select(torch.zeros(1, dtype=torch.long))
        sources = source.expand(len(numbers))
        moved = method.transfer(sources, motion, None if reference is None else reference.expand(len(numbers)))
        for number, frame in zip(numbers, to_uint8(method.render(sources, moved)), strict=True):
            if options.frames:
                write_png(options.frames / f"{number:07d}.png", frame)
            yield frame
        progress.advance(len(numbers))


def _write_video(path: Path, frames: Iterator[np.ndarray], size: int, rate: Fraction) -> None:
    """H.264 in yuv420p, which every player takes, at a quality where loss is hard to see."""
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "17"})
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
