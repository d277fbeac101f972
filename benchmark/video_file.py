"""Writing a video that every player plays, with the sound of another one in step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.interface import Timeline
from talkbench.datasets.videos import open_video

if TYPE_CHECKING:
    import av

SAMPLES = 48000  # of sound in a second


def write_video(
    path: Path, frames: Iterable[np.ndarray], size: int, timeline: Timeline, sound: Iterator[av.AudioFrame]
) -> None:
    """Write H.264 in yuv420p at a quality where loss is hard to see, and AAC.

    Args:
        frames: uint8 RGB (size, size, 3).
        timeline: when each of them is shown.
        sound: see `sound_of`; empty: the video has none.

    Raises:
        TalkbenchError: the time stamps are such that no MP4 file can hold them.
        OSError: the file cannot be written.
    """
    import av

    ticks, tick = timeline.ticks, timeline.tick
    lengths = {ticks[index]: ticks[index + 1] - ticks[index] for index in range(len(ticks) - 1)}
    rate = (len(lengths) / (ticks[-1] * tick)).limit_denominator(90000)
    try:
        with av.open(str(path), "w", format="mp4") as container:
            pictures = container.add_stream("libx264", rate=rate, options={"crf": "17"})
            pictures.width = pictures.height = size
            pictures.pix_fmt = "yuv420p"
            pictures.codec_context.time_base = tick
            tone = next(sound, None)
            track = container.add_stream("aac", rate=SAMPLES, layout=tone.layout.name) if tone else None
            for start, frame in zip(ticks, frames, strict=False):
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


def _mux(container: av.container.OutputContainer, packets: list[av.Packet], lengths: dict[int, int]) -> None:
    for packet in packets:
        packet.duration = lengths.get(packet.pts or 0, packet.duration)
        container.mux(packet)


def sound_of(path: Path, timeline: Timeline) -> Iterator[av.AudioFrame]:
    """The sound of the video at `path` while its pictures are shown, in mono or stereo. It begins with the first frame
    of `timeline`: what comes before is cut off, and pauses become silence. Nothing where there is no sound; what cannot
    be decoded is silence too.

    Raises:
        TalkbenchError: nothing of the sound can be decoded.
    """
    import av
    from av.filter import Graph

    with open_video(path) as (container, _):
        if not container.streams.audio:
            return
        stream, silent = container.streams.audio[0], True
        graph = Graph()
        layout = "mono" if stream.channels == 1 else "stereo"
        end = float(timeline.ticks[-1] * timeline.tick)
        graph.link_nodes(
            graph.add_abuffer(template=stream),
            graph.add("aresample", f"async=1:first_pts=0:osr={SAMPLES}"),
            graph.add("aformat", f"sample_fmts=fltp:sample_rates={SAMPLES}:channel_layouts={layout}"),
            graph.add("atrim", f"end={end:.6f}"),
            graph.add("abuffersink"),
        ).configure()
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                if frame.pts is None or frame.time_base is None:
                    continue
                frame.pts -= round(timeline.start / frame.time_base)
                graph.push(frame)
                silent = False
                yield from _pulled(graph)
        if silent:
            raise TalkbenchError(f"the sound of {path} cannot be decoded and is left out; replace the file")
        graph.push(None)
        yield from _pulled(graph)


def _pulled(graph: av.filter.Graph) -> Iterator[av.AudioFrame]:
    import av

    while True:
        try:
            frame = graph.pull()
            assert isinstance(frame, av.AudioFrame)
            yield frame
        except (av.BlockingIOError, av.EOFError):
            return
