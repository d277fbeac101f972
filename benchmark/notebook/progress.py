"""Progress of work in a notebook, as a bar below the cell."""

from __future__ import annotations

import html
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from talkbench.benchmark.progress import Progress
from talkbench.core.text import visible

if TYPE_CHECKING:
    from IPython.display import DisplayHandle


class NotebookDisplay(Progress):
    """Context manager with a bar of plain HTML below the cell, which needs no widgets; messages are printed.

    Args:
        unit: name of what the bar counts.
    """

    def __init__(self, unit: str = "pairs") -> None:
        self._unit, self._done, self._total = unit, 0, 0
        self._handle: DisplayHandle | None = None

    def __enter__(self) -> NotebookDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, line: str) -> None:
        print(visible(line))

    def warn(self, line: str) -> None:
        print(visible(f"warning: {line}"))

    def start(self, done: int, total: int) -> None:
        from IPython.display import HTML, display

        self._done, self._total = done, total
        self._handle = display(HTML(self._bar()), display_id=True)

    def advance(self, count: int) -> None:
        from IPython.display import HTML

        self._done += count
        if self._handle is not None:
            self._handle.update(HTML(self._bar()))

    def _bar(self) -> str:
        count = f"{self._done} / {self._total} {html.escape(self._unit)}"
        return f'<progress value="{self._done}" max="{max(self._total, 1)}"></progress> {count}'


def progress_display(unit: str = "pairs") -> AbstractContextManager[Progress]:
    """The display for this place: in a notebook a bar below the cell, else a bar on standard error."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if hasattr(shell, "kernel"):
        return NotebookDisplay(unit)
    from talkbench.benchmark.cli.progress import RunDisplay

    return RunDisplay(unit)
