"""Entries of the leaderboard as tests need them: made up numbers, drawn pictures, any texts."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from talkbench.benchmark.videos.mp4 import write_video
from talkbench.core.cards import MetricCard
from talkbench.datasets.interface import Timeline
from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard.board import BARS, BoardCell, BoardColumn, BoardGroup, BoardLine
from talkbench.results import RunRecord, summarise
from talkbench.results.entries import Entry, EntryClip, EntryDetails, clip_path, write_entry

METRICS: dict[str, dict[str, object]] = {
    "l1": {"direction": "lower", "decimals": 4},
    "psnr": {"direction": "higher", "unit": "dB", "decimals": 2},
    "ssim@gauss11-valid": {"direction": "higher", "unit": "percent", "scale": 100.0, "decimals": 1},
    "akd@mtcnn5": {"direction": "lower", "unit": "px", "extractor": "mtcnn5:ab"},
    "psnr@uint8-wrap": {"direction": "higher", "unit": "dB", "decimals": 2, "ranks": False},
}

CARDS = Cards(metrics={"psnr@uint8-wrap": MetricCard(name="psnr@uint8-wrap", ranks=False)})


def spec(name: str, **changes: object) -> dict[str, object]:
    """A metric of a record."""
    return {
        "name": name,
        "version": 1,
        "backend": "talkbench",
        "direction": "lower",
        **METRICS.get(name, {}),
        **changes,
    }


def picture(turn: float, tint: int = 0, side: int = 64, blur: int = 0) -> bytes:
    """A face turned by `turn` in [-1, 1], as WebP."""
    file = io.BytesIO()
    face(turn, tint, side, blur).save(file, format="WEBP", quality=80, method=0)
    return file.getvalue()


def face(turn: float, tint: int = 0, side: int = 64, blur: int = 0) -> Image.Image:
    """A drawing of a face turned by `turn` in [-1, 1]."""
    image = Image.new("RGB", (side, side), (70 + tint, 80, 110))
    pen, middle = ImageDraw.Draw(image), side * (0.5 + 0.12 * turn)
    pen.ellipse((middle - side * 0.28, side * 0.15, middle + side * 0.28, side * 0.9), fill=(226, 180 - tint // 2, 150))
    for eye in (-0.11, 0.11):
        x = middle + side * (eye + 0.05 * turn)
        pen.ellipse((x - side * 0.04, side * 0.4, x + side * 0.04, side * 0.47), fill=(40, 30, 30))
    pen.arc(
        (middle - side * 0.12, side * 0.55, middle + side * 0.12, side * 0.75), 20, 160, fill=(140, 50, 50), width=2
    )
    if blur:
        image = image.resize((side // blur, side // blur)).resize((side, side), Image.Resampling.BILINEAR)
    return image


@cache
def video(frames: int = 12, level: float = 0, side: int = 64, rate: Fraction = Fraction(25), size: float = 3) -> bytes:
    """A video of faces as clips of entries have it: source, driving and generated frame, the latter worse by `level`.

    Args:
        size: how many of the three panels it is wide.
    """
    turns = [np.sin(number / 6) for number in range(frames)]
    rows = [
        [face(0, 0, side), face(turn, 0, side), face(turn * (1 - 0.4 * level), 0, side, 1 + round(3 * level))]
        for turn in turns
    ]
    images = [np.concatenate([np.asarray(image) for image in row], axis=1)[:, : round(size * side)] for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.mp4")
        write_video(path, images, Timeline(range(frames + 1), 1 / rate))
        return path.read_bytes()


def write(
    root: Path,
    name: str,
    *,
    method: str = "mcnet@demo",
    dataset: str = "demo",
    task: str = "same-identity",
    pairs: int = 24,
    clips: int = 6,
    sources: int = 0,
    metrics: Sequence[str | dict[str, object]] = ("l1", "psnr", "ssim@gauss11-valid", "akd@mtcnn5"),
    values: Mapping[str, Sequence[float | str]] | None = None,
    level: float = 0.0,
    seed: int | None = None,
    pictured: Sequence[int] = (0, 1, 5, 9, 14, 20),
    details: Mapping[str, Any] | None = None,
    info: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    clip: str = "clip-{}.mp4",
    moving: int = 0,
    rate: Fraction | None = Fraction(25),
    **record: Any,
) -> Entry:
    """Write an entry below `root`.

    Args:
        sources: how many other clips are the sources, crossed with those that drive; 0: each clip is its own.
        values: by metric, per pair its value or the reason why there is none; what is not given is made up, the worse
            the higher `level`.
        seed: of a noise of its own; None: entries of a level differ by the same in every pair.
        pictured: the pairs with pictures.
        details: fields of `EntryDetails`.
        info, data: fields of the record's method and data set.
        clip: what clips are called, with a place for a number.
        moving: the pairs are so many frames of one clip after the other.
        rate: of the videos of the first two of these clips; None: there are none.
        record: other fields of the record.
    """
    specs = [spec(metric) if isinstance(metric, str) else metric for metric in metrics]
    run = RunRecord.model_validate(
        {
            "run_id": f"run-of-{name}"[:60],
            "created": "2024-01-02T03:04:05Z",
            "talkbench": "0.1.0",
            "command": "bench run",
            "method": {"name": method, **(info or {})},
            "dataset": {
                **{"name": dataset, "task": task, "pairs": pairs, "pairs_sha256": "a" * 64, "image_size": 256},
                **(data or {}),
            },
            "metrics": specs,
            "batch_size": 8,
            "device": "cpu",
            "device_name": "x86_64",
            "libraries": {"torch": "2.9"},
            "platform": "Linux",
            **record,
        }
    )
    rows = _rows(run, pairs, clips, values or {}, level, seed, clip)
    if sources:
        rows = rows.assign(source_clip=[clip.format(f"s{pair // clips % sources}") for pair in rows["pair"]])
    videos = []
    if moving:
        rows = rows.assign(
            source_clip=[clip.format(pair // moving) for pair in rows["pair"]],
            driving_clip=[clip.format(pair // moving) for pair in rows["pair"]],
            driving_index=rows["pair"] % moving,
        )
        for first in (0, moving) if rate else ():
            numbers = tuple(range(first, first + moving))
            entry_clip = EntryClip(pairs=numbers, rate=float(rate), video=clip_path(numbers))
            videos.append((entry_clip, video(moving, level, rate=rate)))
    pictures = {
        number: (picture(0, number % 40), picture(_turn(number), number % 40), _output(number, level))
        for number in pictured
        if number < pairs
    }
    texts = EntryDetails(**{"name": name, "label": name, **(details or {})})
    return write_entry(root, texts, run, summarise(rows, run.metrics), rows, pictures, videos)


def _turn(number: int) -> float:
    return float(np.sin(number))


def _output(number: int, level: float) -> bytes:
    return picture(_turn(number) * (1 - 0.4 * level), number % 40, blur=1 + round(3 * level))


def _rows(
    record: RunRecord,
    pairs: int,
    clips: int,
    values: Mapping[str, Sequence[float | str]],
    level: float,
    seed: int | None,
    clip: str,
) -> pd.DataFrame:
    table = []
    for place, metric in enumerate(record.metrics):
        noise = np.random.default_rng(place).normal(0, 0.05, pairs) + 0.3 * np.sin(np.arange(pairs))
        if seed is not None:
            noise += np.random.default_rng([place, seed]).normal(0, 0.03, pairs)
        quality = 0.6 - 0.25 * level + 0.3 * noise
        drawn = quality if metric.direction == "higher" else 1 - quality
        per_pair = values.get(metric.name, list(drawn * {"dB": 40, "px": 3}.get(metric.unit, 1)))
        for pair, value in enumerate(per_pair):
            lost = isinstance(value, str)
            table.append(
                {
                    "pair": pair,
                    "source_clip": clip.format(pair % clips),
                    "source_index": 0,
                    "driving_clip": clip.format(pair % clips),
                    "driving_index": pair,
                    "metric": metric.name,
                    "value": float("nan") if lost else float(value),
                    "weight": 1.0,
                    "reason": value if lost else "",
                    "message": "",
                }
            )
    return pd.DataFrame(table).sort_values(["pair", "metric"], kind="stable", ignore_index=True)


def crowd(count: int) -> BoardGroup:
    """A group of a leaderboard: many systems with twelve metrics."""
    metrics = [*METRICS, *(f"metric-{number}" for number in range(7))]
    columns = tuple(BoardColumn(name, "lower", page=name) for name in metrics)
    lines = tuple(
        BoardLine(
            f"System number {number}",
            tuple(
                BoardCell(f"{number % 97 / 97:.4f}", number % 97 / 97, "0.1234 – 0.2345", compared=True,
                     ranks=(number + 1, number + 9), leads=number == 0, bar=number % BARS,
                     note=f"{1900 + number} of 2083 pairs used: 3 no-face-generated")
                for _ in metrics
            ),
            key=f"system-{number}--voxceleb1--same-identity--absolute",
            method=f"system-{number}",
            coverage=0.987,
            fps=1.0 + number,
            device="NVIDIA H200",
            parameters=10**8,
            licence="code: MIT; this implementation is Apache-2.0; weights: none stated apart from the code's",
            year=2020,
            training_data="voxceleb1",
            leakage=number % 3 == 0,
            paper="https://arxiv.org/abs/2003.00196",
            code="https://github.com/AliaksandrSiarohin/first-order-model",
        )
        for number in range(count)
    )  # fmt: skip
    return BoardGroup("measured", "A crowd", columns, lines, ("2083 pairs",))
