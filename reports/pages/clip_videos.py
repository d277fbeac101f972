"""What the page of a run says of its videos."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

from talkbench.reports.numbers import format_value, unit_sign
from talkbench.results import RunRecord
from talkbench.results.videos import FOLDER, AbsentFrame, ClipVideo, ClipVideos


def describe(videos: ClipVideos, record: RunRecord) -> dict[str, Any]:
    """The videos for the template: how they were chosen, and of each what it shows and where its files are.

    Raises:
        TalkbenchError: the run does not have the metric that the videos were ranked by.
    """
    return {
        "error": videos.error,
        "panels": ["source", "driving", "generated", "error"][: 4 if videos.error else 3],
        "choice": _choice(videos),
        "items": [_item(video, videos, record) for video in videos.videos],
    }


def _choice(videos: ClipVideos) -> str:
    count = len(videos.videos)
    some = f"{count} of {videos.clips} clips" if count < videos.clips else f"{_clips(count)}"
    if videos.metric is None:
        return f"{some}, in the order of the list: no metric of this run ranks."
    places = [place for place in ("best", "median", "worst") if any(video.place == place for video in videos.videos)]
    if not places:
        return f"{some}."
    others = ", and others at even steps between them" if count > len(places) else ""
    last = f"{', '.join(places[:-1])} and {places[-1]}" if len(places) > 1 else places[0]
    return f"{some}: the {last} by the mean of {videos.metric} over their pairs{others}."


def _clips(count: int) -> str:
    return "1 clip" if count == 1 else f"All {count} clips"


def _item(video: ClipVideo, videos: ClipVideos, record: RunRecord) -> dict[str, Any]:
    value = ""
    if videos.metric is not None and video.value is not None:
        spec = record.metric(videos.metric)
        value = f"{format_value(video.value, spec)} {unit_sign(spec.unit)}".strip()
    rank = f"clip {video.rank} of {videos.clips}" if video.rank and videos.clips > 1 else ""
    last = video.first + video.frames - 1
    return {
        "url": quote(f"{FOLDER}/{video.file}"),
        "poster": quote(f"{FOLDER}/{video.poster}"),
        "size": (video.width, video.height),
        "place": video.place,
        "rank": rank,
        "metric": videos.metric or "",
        "value": value,
        "source": f"{video.source_clip}, frame {video.source_index}",
        "driving": f"{video.driving_clip}, frames {video.first} to {last}",
        "facts": [fact for fact in (_length(video), _beginning(video), *_absent(video.absent)) if fact],
    }


def _length(video: ClipVideo) -> str:
    average = " on average, variable as the driver's" if video.variable else ""
    return f"{video.frames} frames, {video.seconds:.2f} s, {video.fps:.5g} per second{average}"


def _beginning(video: ClipVideo) -> str:
    return f"the beginning of {video.clip_frames} frames" if video.frames < video.clip_frames else ""


def _absent(frames: Sequence[AbsentFrame]) -> list[str]:
    """Which frames show grey, by reason, neighbours together."""
    facts = []
    for reason in dict.fromkeys(frame.reason for frame in frames):
        indices = [frame.index for frame in frames if frame.reason == reason]
        runs = [list(run) for _, run in groupby(enumerate(indices), key=lambda place: place[1] - place[0])]
        parts = [str(run[0][1]) if len(run) == 1 else f"{run[0][1]} to {run[-1][1]}" for run in runs]
        facts.append(f"grey: frame{'s' if len(indices) > 1 else ''} {', '.join(parts)} ({reason})")
    return facts
