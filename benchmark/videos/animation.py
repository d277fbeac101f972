"""Animated pictures that play where no player is: WebP and GIF. Frames are written as they come, none is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from talkbench.benchmark.videos.filters import pulled
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.interface import Timeline

if TYPE_CHECKING:
    from av.filter import Graph
    from PIL.Image import Image

GOOD = 80
"""Quality of WebP, from 0 to 100."""

UNITS = {".webp": 1, ".gif": 10}
"""By ending, the milliseconds that the shown time of a frame is a multiple of."""


def write_animation(
    path: Path, kind: str, frames: Iterable[np.ndarray], timeline: Timeline, quality: int = GOOD
) -> None:
    """Write an animation that plays for ever, without sound.

    Args:
        kind: of `UNITS`.
        frames: uint8 RGB (H, W, 3), all of one size.
        timeline: when each of them is shown; rounded to `UNITS`, without adding up errors.
        quality: of WebP; GIF has 256 colours a frame in any case.

    Raises:
        TalkbenchError: there is no frame.
        OSError: the file cannot be written.
    """
    images = iter(frames)
    first = next(images, None)
    if first is None:
        raise TalkbenchError(f"cannot write {path.name}: there is no frame")
    times = durations(timeline, UNITS[kind])
    if kind == ".webp":
        _write_webp(path, first, images, times, quality)
    else:
        _write_gif(path, first, images, times)
    next(images, None)  # so that a generator of frames comes to its end, and the progress with it


def durations(timeline: Timeline, unit: int) -> list[int]:
    """For how many milliseconds each frame is shown, in multiples of `unit`; at least one of them."""
    moments = [round(moment * timeline.tick * 1000 / unit) for moment in timeline.ticks]
    return [max(1, after - before) * unit for before, after in pairwise(moments)]


class _Following:
    """The frames after the first as Pillow takes a file of several: one at a time. It would hold a list of them all."""

    def __init__(self, images: Iterator[np.ndarray], count: int) -> None:
        self._images, self.n_frames = images, count

    def seek(self, _: int) -> None:
        from PIL import Image

        self._image: Image.Image = Image.fromarray(next(self._images))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._image, name)


def _write_webp(
    path: Path, first: np.ndarray, images: Iterator[np.ndarray], times: Sequence[int], quality: int
) -> None:
    from PIL import Image

    following: list[Any] = [_Following(images, len(times) - 1)] if len(times) > 1 else []
    Image.fromarray(first).save(
        path, "WEBP", save_all=True, append_images=following, duration=list(times), loop=0, quality=quality, method=6
    )


def _write_gif(path: Path, first: np.ndarray, images: Iterator[np.ndarray], times: Sequence[int]) -> None:
    """Every frame has the 256 colours that suit it best. Pillow would keep all frames until the last one has come."""
    import av

    tick = Fraction(UNITS[".gif"], 1000)
    ticks = [time // UNITS[".gif"] for time in times]
    graph = _palettes(first, tick)
    with av.open(str(path), "w", format="gif", options={"final_delay": str(ticks[-1])}) as container:
        stream = container.add_stream("gif", rate=1 / tick)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "pal8"
        stream.codec_context.time_base = tick
        for start, image in zip(accumulate(ticks, initial=0), chain([first], images), strict=False):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = start, tick
            graph.push(frame)
            for picture in pulled(graph, av.VideoFrame):
                container.mux(stream.encode(picture))
        graph.push(None)
        for picture in pulled(graph, av.VideoFrame):
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def _palettes(first: np.ndarray, tick: Fraction) -> Graph:
    """The filters that give every picture a palette of its own."""
    import av
    from av.filter import Graph

    graph = Graph()
    height, width = first.shape[:2]
    source = graph.add_buffer(width=width, height=height, format=av.VideoFormat("rgb24"), time_base=tick)
    fork = graph.add("split")
    maker = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    user = graph.add("paletteuse", "new=1")
    sink = graph.add("buffersink")
    for one, place, other, entry in (
        (source, 0, fork, 0), (fork, 0, maker, 0), (fork, 1, user, 0), (maker, 0, user, 1), (user, 0, sink, 0),
    ):  # fmt: skip
        one.link_to(other, place, entry)
    graph.configure()
    return graph
