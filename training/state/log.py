"""The log of a training run: a file of lines that is continued together with the run."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic
from talkbench.training.state.checkpoints import Checkpoints


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
                f"cannot write {self._path}: {error.strerror}; see to it, then run the same command: "
                f"{Checkpoints(self._path.parent).sequel()}"
            ) from error

    def back_to(self, step: int) -> list[dict[str, Any]]:
        """Drop the lines after `step`, which a continued run logs again, and the half line that a killed run may leave;
        returns the entries that stay.

        Raises:
            TalkbenchError: the file cannot be written.
        """
        if not self._path.exists():
            return []
        kept = []
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                entry = json.loads(line)
                if entry["step"] <= step:
                    kept.append((line, entry))
        write_atomic(self._path, "".join(line + "\n" for line, _ in kept))
        return [entry for _, entry in kept]
