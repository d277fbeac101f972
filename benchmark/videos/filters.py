"""What comes out of FFmpeg's filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from av.filter import Graph

Frame = TypeVar("Frame")


def pulled(graph: Graph, kind: type[Frame]) -> Iterator[Frame]:
    """The frames that are ready; those of one `kind` are all that the graph gives."""
    import av

    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        assert isinstance(frame, kind)
        yield frame
