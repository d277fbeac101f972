"""Rich's console, in which no text of others can steer the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from talkbench.core.text import innermost, visible


class VisibleConsole(Console):
    """A console that makes every text visible (`core.text.visible`) before it is styled."""

    @property
    def file(self) -> IO[str]:
        return innermost(super().file)  # type: ignore[arg-type]

    @file.setter
    def file(self, file: IO[str]) -> None:
        self._file = file

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(visible(segment.text, keep="\n"), segment.style)
