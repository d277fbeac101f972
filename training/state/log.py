"""The log of a training run: a file of lines that is continued together with the run."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic


class Log:
    """``log.jsonl`` in the folder of a run: a JSON object per line, with its ``step`` and ``epoch``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "log.jsonl"

    def append(self, entry: dict[str, Any]) -> None:
        """Add a line.

        Raises:
            TalkbenchError: it cannot be written, on a full disk for example.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise TalkbenchError(
                f"cannot write {self._path}: {error.strerror}; see to it, then run the same command: it continues from "
                "the last state"
            ) from error

    def back_to(self, step: int) -> None:
        """Drop the lines after `step`, which a continued run logs again, and the half line that a killed run may leave.

        Raises:
            TalkbenchError: the file cannot be written.
        """
        if not self._path.exists():
            return
        kept = []
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
        write_atomic(self._path, "".join(kept))
