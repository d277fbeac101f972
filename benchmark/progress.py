"""How a command tells the user what it does."""

from __future__ import annotations


class Progress:
    """What the work calls to report on itself. The command line shows it; this base class shows nothing."""

    def say(self, line: str) -> None:
        """One line for the user."""

    def warn(self, line: str) -> None:
        """One line of warning for the user."""

    def start(self, done: int, total: int) -> None:
        """The work begins; `done` of its `total` units were finished before."""

    def advance(self, count: int) -> None:
        """`count` more units are finished and written."""

    def workers(self, alive: int, total: int) -> None:
        """Of `total` workers, `alive` work now. Called where there are several, when that changes."""
