"""Videos that every player and browser plays: H.264 in MP4, with the sound of another one in step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkbench.benchmark.videos.sound import SAMPLES
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.interface import Timeline

if TYPE_CHECKING:
    import av

FINE = 17
"""The constant rate factor of H.264 where loss is hard to see; larger ones give smaller files."""


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    timeline: Timeline,
    sound: Iterator[av.AudioFrame] | None = None,
    quality: int = FINE,
    preset: str = "medium",
) -> None:
    """Write H.264 in yuv420p, with what a player needs first at the beginning of the file, and AAC.

    Args:
        frames: uint8 RGB (H, W, 3), all of one size. The sides of H.264 are even, so the last line of an odd one is
            doubled.
        timeline: when each of them is shown.
        sound: see `sound_of`; None or empty: the video has none.
        quality: constant rate factor, 0 to 51, the lower the better.
        preset: of x264, how much time it takes to make the file small.

    Raises:
        TalkbenchError: there is no frame, or the time stamps are such that no MP4 file can hold them.
        OSError: the file cannot be written.
    """
    import av

    ticks, tick = timeline.ticks, timeline.tick
    lengths = {ticks[index]: ticks[index + 1] - ticks[index] for index in range(len(ticks) - 1)}
    settings = {"crf": str(quality), "preset": preset}
    if len(set(lengths.values())) > 1:  # MP4 has the time between frames in their order in the file, not as they show
        settings["bf"] = "0"
    rate = (len(lengths) / (ticks[-1] * tick)).limit_denominator(90000)
    even, sound = map(_even, frames), sound or iter(())
    first = next(even, None)
    if first is None:
        raise TalkbenchError(f"cannot write {path.name}: there is no frame")
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
            pictures = container.add_stream("libx264", rate=rate, options=settings)
            pictures.height, pictures.width = first.shape[:2]
            pictures.pix_fmt = "yuv420p"
            pictures.codec_context.time_base = tick
            tone = next(sound, None)
            track = container.add_stream("aac", rate=SAMPLES, layout=tone.layout.name) if tone else None
            for start, frame in zip(ticks, chain([first], even), strict=False):
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                picture.pts, picture.time_base = start, tick
                _mux(container, pictures.encode(picture), lengths)
                while track and tone and float(tone.time or 0) <= start * tick:
                    container.mux(track.encode(tone))
                    tone = next(sound, None)
            _mux(container, pictures.encode(), lengths)
            while track and tone:
                container.mux(track.encode(tone))
                tone = next(sound, None)
            if track:
                container.mux(track.encode())
    except (av.ArgumentError, OverflowError) as error:
        raise TalkbenchError(
            f"cannot write {path.name}: its time stamps do not fit an MP4 file; convert the driver"
        ) from error


def _even(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    if height % 2 == width % 2 == 0:
        return frame
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _mux(container: av.container.OutputContainer, packets: list[av.Packet], lengths: dict[int, int]) -> None:
    for packet in packets:
        packet.duration = lengths.get(packet.pts or 0, packet.duration)
        container.mux(packet)
