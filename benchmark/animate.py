"""`bench animate`: moves one face image by one driving video and writes a playable video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from talkbench.benchmark.environment import choose_device, memory_advice
from talkbench.benchmark.evaluation.motions import check_motion, implied_settings, motions
from talkbench.benchmark.evaluation.plan import create_method
from talkbench.benchmark.poses import choose_landmarks, closest
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path
from talkbench.core.images import read_image, resize, to_tensor, to_uint8, write_png
from talkbench.datasets.clips import Clip, open_clip
from talkbench.methods.cards import Weights, find_weights

if TYPE_CHECKING:
    from talkbench.methods.interface import Method

DEFAULT_SIZE = 256  # for methods that work at any size: the field's resolution
PREFERRED_MOTION = "relative-first"
FRAME_FOLDER_RATE = Fraction(25)  # frames per second of the field's data sets


@dataclass(frozen=True)
class AnimateOptions:
    """What the user asks for; see ``bench animate --help`` for each."""

    method: str | Method
    source: Path | np.ndarray
    driving: Path | Clip
    out: Path
    checkpoint: Path | None = None
    motion: str | None = None
    frames: Path | None = None
    batch_size: int = 8
    device: str = "auto"
    settings: dict[str, object] = field(default_factory=dict)


def animate(options: AnimateOptions, progress: Progress | None = None) -> tuple[int, int]:
    """Write the video, and the frames if the options name a folder; returns their number and their side in pixels.

    Source and driving frames are resized to the method's resolution, as the authors' demos do
    (docs/specs/fomm.md 4.1); the video keeps the rate of the driving one.

    Raises:
        TalkbenchError: an input cannot be read, or the output cannot be written; no half video is left.
    """
    progress = progress or Progress()
    if options.out.suffix.lower() != ".mp4":
        raise TalkbenchError(f"--out {options.out} is not a .mp4 file; the video is H.264 in MP4")
    inputs = [path.resolve() for path in (options.driving, options.source) if isinstance(path, Path)]
    if options.out.resolve() in inputs:
        raise TalkbenchError(f"--out {options.out} would overwrite an input; choose another name")
    device = choose_device(options.device)
    choices = motions(options.method)
    motion = options.motion or (PREFERRED_MOTION if PREFERRED_MOTION in choices else choices[0])
    check_motion(options.method, motion)
    weights = find_weights(options.method, options.checkpoint) if isinstance(options.method, str) else None
    driving = open_clip(options.driving) if isinstance(options.driving, Path) else options.driving
    source = read_image(options.source) if isinstance(options.source, Path) else options.source
    with memory_advice(options.batch_size):
        method = _method(options, weights, motion).to(device)
        if weights and weights.note:
            progress.say(weights.note)
        size = method.resolution or DEFAULT_SIZE
        face = to_tensor(resize(source, size)[None], device)
        reference = {"relative-first": 0}.get(motion)
        if motion == "relative-best":
            reference = best_frame(face, driving, options.batch_size, progress)
        progress.start(0, len(driving))
        frames = _generate(method, face, driving, reference, options, progress)
        with atomic_path(options.out) as temporary:
            _write_video(temporary, frames, size, driving.rate or FRAME_FOLDER_RATE)
    return len(driving), size


def _method(options: AnimateOptions, weights: Weights | None, motion: str) -> Method:
    """The method with its weights and with the settings that the motion needs; a method object of the caller's as it
    is."""
    if not isinstance(options.method, str):
        return options.method
    assert weights is not None
    implied = implied_settings(weights.method, motion, same_clip=False)
    return create_method(weights, {**implied, **options.settings})


def best_frame(face: torch.Tensor, driving: Clip, batch_size: int, progress: Progress) -> int:
    """The number of the driving frame whose pose is most like that of `face` (1, 3, H, W), the first of equal ones.

    Poses are compared by the landmarks of `choose_landmarks`; frames without a face do not count.

    Raises:
        TalkbenchError: no extractor of landmarks can run here, or the source or every driving frame shows no face.
    """
    extractor, remark = choose_landmarks(str(face.device))
    target = extractor.extract(face)[0]
    if target is None:
        raise TalkbenchError("--motion relative-best: no face is found in the source; use relative-first")
    if remark:
        progress.warn(remark)
    progress.start(0, len(driving))
    candidates: dict[int, np.ndarray] = {}
    for numbers, images in _batches(driving, face, batch_size):
        landmarks = zip(numbers, extractor.extract(images), strict=True)
        candidates |= {number: points for number, points in landmarks if points is not None}
        progress.advance(len(numbers))
    if not candidates:
        raise TalkbenchError("--motion relative-best: no face is found in any driving frame; use relative-first")
    best = closest(extractor, target, candidates)
    progress.say(f"best frame {best} of {len(driving)}, by the landmarks {extractor.name}")
    return best


@torch.inference_mode()
def _generate(
    method: Method, face: torch.Tensor, driving: Clip, first: int | None, options: AnimateOptions, progress: Progress
) -> Iterator[np.ndarray]:
    """The frames in order; motion is relative to the driving frame `first`, or absolute if that is None."""
    source, size = method.encode_source(face), face.shape[-1]
    reference = None
    if first is not None:
        reference = method.encode_motion(to_tensor(resize(driving.read(first), size)[None], face.device))
    for numbers, images in _batches(driving, face, options.batch_size):
        sources = source.expand(len(numbers))
        against = None if reference is None else reference.expand(len(numbers))
        moved = method.transfer(sources, method.encode_motion(images), against)
        for number, frame in zip(numbers, to_uint8(method.render(sources, moved)), strict=True):
            if options.frames:
                write_png(options.frames / f"{number:07d}.png", frame)
            yield frame
        progress.advance(len(numbers))


def _batches(driving: Clip, face: torch.Tensor, size: int) -> Iterator[tuple[range, torch.Tensor]]:
    """The driving frames in batches: their numbers, and images (B, 3, H, W) of the face's size and on its device."""
    for start in range(0, len(driving), size):
        numbers = range(start, min(start + size, len(driving)))
        frames = np.stack([resize(driving.read(number), face.shape[-1]) for number in numbers])
        yield numbers, to_tensor(frames, face.device)


def _write_video(path: Path, frames: Iterator[np.ndarray], size: int, rate: Fraction) -> None:
    """Write H.264 in yuv420p, which every player plays, at a quality where loss is hard to see."""
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "17"})
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
