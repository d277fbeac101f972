"""Writes what a call of a program needs: images, a video or a list, and its config file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from talkbench.benchmark.export_pairs import pairs_table, write_images
from talkbench.benchmark.programs.calls import Call, Images
from talkbench.benchmark.programs.card import Config
from talkbench.benchmark.programs.program import Program
from talkbench.benchmark.programs.templates import fill
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.videos.mp4 import write_video
from talkbench.core.files import write_atomic
from talkbench.core.images import resize, write_png
from talkbench.datasets.interface import Timeline


def write_inputs(call: Call, program: Program, images: Images, size: int, folder: Path) -> dict[str, Any]:
    """Write the input of a call into `folder` and make the empty folder for its output; returns the values of the
    fields of the card's templates."""
    out = folder / "out"
    out.mkdir()
    values: dict[str, Any] = {**program.places, "out": out, "seed": program.seed, "size": size}
    if call.source is None:
        values |= _write_list(images, size, folder)
    else:
        values |= _write_call(call, program, images, size, folder)
    if program.card.config:
        values["config"] = _write_config(program.card.config, values, folder)
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def _write_list(images: Images, size: int, folder: Path) -> dict[str, Path]:
    paths = write_images(images.split, size, folder, Progress())
    write_atomic(folder / "pairs.csv", pairs_table(images.split, paths))
    return {"pairs": folder / "pairs.csv", "images": folder}


def _write_call(call: Call, program: Program, images: Images, size: int, folder: Path) -> dict[str, Any]:
    assert call.source is not None
    source, reference = folder / "source.png", folder / "reference.png"
    write_png(source, resize(images.read(call.source), size))
    if call.reference:
        write_png(reference, resize(images.read(call.reference), size))
    frames = (resize(images.read(frame), size) for frame in call.drivings)
    form, lossless = program.card.input.driving, program.card.input.lossless
    driving = folder / {"video": "driving.mp4", "frames": "driving", "image": "driving.png"}[form]
    if form == "image":
        write_png(driving, next(frames))
    elif form == "frames":
        for index, frame in enumerate(frames):
            write_png(driving / f"{index:06d}.png", frame)
    elif lossless:
        write_lossless(driving, frames, call.rate)
    else:
        write_video(driving, frames, Timeline(range(len(call.drivings) + 1), 1 / call.rate), quality=1)
    return {
        "source": source,
        "driving": driving,
        "reference": reference if call.reference else "",
        "count": len(call.drivings),
        "rate": float(call.rate),
    }


def write_lossless(path: Path, frames: Iterable[np.ndarray], rate: Fraction) -> None:
    """Write an MP4 of H.264 in RGB that decodes to the very frames, uint8 (H, W, 3), each shown for 1 / `rate` s."""
    import av

    remaining: Iterator[np.ndarray] = iter(frames)
    first = next(remaining)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        # Without B-frames the order in the file is that in which frames show, for readers that count.
        stream = container.add_stream("libx264rgb", rate=rate, options={"qp": "0", "preset": "fast", "bf": "0"})
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "rgb24"
        for frame in chain([first], remaining):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _write_config(config: Config, values: dict[str, Any], folder: Path) -> Path:
    path = folder / config.file
    content = fill(config.content, {name: str(v) if isinstance(v, Path) else v for name, v in values.items()})
    if not isinstance(content, str):
        content = json.dumps(content, indent=2) if path.suffix == ".json" else _yaml(content)
    write_atomic(path, content)
    return path


def _yaml(content: object) -> str:
    import yaml

    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
