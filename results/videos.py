"""The videos that a run of consecutive frames leaves in ``videos/``, as ``videos/clips.json`` describes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from talkbench.core.files import read_regular
from talkbench.results.strict import SCHEMA_VERSION, StrictModel, parse_json

FOLDER = "videos"
NAME = "clips.json"
LARGEST = 10_000_000

Index = Annotated[int, Field(ge=0)]


class AbsentFrame(StrictModel):
    """A driving frame that has no generated one, and why: the reason of its pair's rows (``not-finite``), or
    ``not-kept``. The video shows grey in its place."""

    index: Index
    reason: str


class ClipVideo(StrictModel):
    """One video: source, driving, generated frame and, where the driving frame is the truth, the error, side by side.

    Attributes:
        file, poster: names in the folder of videos; the poster is a picture of one of its frames.
        place: among all clips of the run; "" for the others, and where there is no metric.
        rank: 1 for the best clip; None where there is no metric.
        value: the metric over all pairs of the clip, unscaled, also those that the video leaves out.
        first: number of the first driving frame; the others follow it.
        frames: how many the video has.
        clip_frames: how many the clip has; the video ends before it where it is long.
        absent: those of the video's frames that show grey.
        fps: frames per second, on average.
        variable: whether the driver shows some frames longer than others; the video does so too.
        width, height: in pixels.
    """

    file: str = Field(pattern=r"^[0-9]{6,}\.mp4$")
    poster: str = Field(pattern=r"^[0-9]{6,}\.jpg$")
    place: Literal["", "best", "median", "worst"] = ""
    rank: int | None = Field(default=None, ge=1)
    value: float | None = None
    source_clip: str
    source_index: Index
    driving_clip: str
    first: Index
    frames: int = Field(ge=1)
    clip_frames: int = Field(ge=1)
    absent: tuple[AbsentFrame, ...] = ()
    fps: float = Field(gt=0)
    variable: bool = False
    seconds: float = Field(gt=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class ClipVideos(StrictModel):
    """All videos of a run.

    Attributes:
        metric: the name of the one that clips were ranked by, the run's first that ranks; None: none does, and clips
            were taken evenly from the list.
        clips: from how many the videos were chosen.
        error: whether the videos show the error.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    metric: str | None
    clips: int = Field(ge=1)
    error: bool
    videos: tuple[ClipVideo, ...]


def read_videos(run: Path) -> ClipVideos | None:
    """What the run in the folder `run` says of its videos; None if it has none.

    Raises:
        TalkbenchError: the file is damaged or was written by a newer talkbench.
    """
    path = run / FOLDER / NAME
    if not path.exists():
        return None
    return parse_json(ClipVideos, read_regular(path, LARGEST).decode("utf-8", "replace"), str(path))
