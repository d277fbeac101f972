"""The options of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from talkbench.benchmark.evaluation.protocol import DEFAULT

if TYPE_CHECKING:
    from talkbench.benchmark.evaluation.given_frames import FrameMaker


@dataclass(frozen=True)
class RunOptions:
    """What the user asks of a run; see ``bench run --help`` for each."""

    method: str | None
    dataset: str
    task: str | None = None
    motion: str = "absolute"
    protocol: str = DEFAULT
    jpeg_quality: int | None = None
    checkpoint: Path | None = None
    frames: Path | None = None
    name: str | None = None
    maker: FrameMaker | None = None  # makes the frames when all else has been checked
    pairs: Path | None = None
    split: str | None = None
    root: Path | None = None
    metrics: tuple[str, ...] = ()
    limit: int | None = None
    batch_size: int | None = None  # None: by device and method
    workers: int | None = None
    image_size: int | None = None
    device: str = "auto"
    precision: str = "float32"
    compiled: bool = False
    out: Path | None = None
    runs: Path = Path("runs")
    resume: bool = False
    wait: bool = False
    several: bool = False  # this is one of the runs of a grid, each of which may be new or begun before
    strict: bool = False
    verbose: bool = False
    save_frames: bool = False
    videos: int = 8
    tracking_uri: str | None = None
    settings: dict[str, object] = field(default_factory=dict)
    engine: str = "local"
    shard: str | None = None
    command: str = ""
