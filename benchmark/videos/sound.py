"""The sound of a driver, in step with the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from talkbench.benchmark.videos.filters import pulled
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.interface import Timeline
from talkbench.datasets.videos import open_video

if TYPE_CHECKING:
    import av

SAMPLES = 48000
"""Of sound in a second."""


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
                yield from pulled(graph, av.AudioFrame)
        if silent:
            raise TalkbenchError(f"the sound of {path} cannot be decoded and is left out; replace the file")
        graph.push(None)
        yield from pulled(graph, av.AudioFrame)
