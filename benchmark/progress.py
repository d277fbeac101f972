"""What a command tells while it works."""

from __future__ import annotations


class Progress:
    """Told by the work, shown by the command line; this one keeps silent."""

    def say(self, line: str) -> None:
        """One line for the user."""

    def warn(self, line: str) -> None:
        """One line about something that is not as it should be."""

    def start(self, done: int, total: int) -> None:
        """The work begins, `done` of `total` units having been done before."""

    def advance(self, count: int) -> None:
        """`count` more are done and written."""
