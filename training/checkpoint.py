"""The states of a training run on disk: complete, atomic, the last few kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path, sweep
from talkbench.training.config import TrainConfig

KEPT = 2
# What may be changed when a run is continued: nothing before depends on it.
FREE = {"epochs", "steps", "validation"}


class Checkpoints:
    """``<folder>/state/<step>.pt``, the last `KEPT` of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state"

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write a state, then delete what is older than the last few.

        Raises:
            TalkbenchError: it cannot be written, on a full disk for example; the states from before are still there.
        """
        with atomic_path(self.folder / f"{step:08d}.pt") as temporary:
            try:
                torch.save(state, temporary)
            except RuntimeError as error:  # torch's writer has its own words for a full disk
                raise TalkbenchError(
                    f"cannot write {self.folder / temporary.name}: {str(error).splitlines()[0]}; free some space, then "
                    "run the same command: it continues from the state before"
                ) from error
        for old in self._files()[:-KEPT]:
            old.unlink()

    def load(self, config: TrainConfig) -> dict[str, Any] | None:
        """The latest state that can be read; None if the run is new.

        Raises:
            TalkbenchError: it was made with another recipe, or none of the files can be read.
        """
        sweep(self.folder)
        files = self._files()
        for path in reversed(files):
            try:
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            except Exception:  # torch reports damage in many ways  # noqa: S112
                continue
            self._check(state, config)
            return state
        if files:
            raise TalkbenchError(f"no state in {self.folder} can be read; delete it to begin anew")
        return None

    def _check(self, state: dict[str, Any], config: TrainConfig) -> None:
        theirs, ours = state["config"], config.model_dump(mode="json")
        other = sorted(key for key in {*theirs, *ours} - FREE if theirs.get(key) != ours.get(key))
        if other:
            key = other[0]
            raise TalkbenchError(
                f"{self.folder.parent} was made with another config ({key}: {theirs.get(key)}, now {ours.get(key)}); "
                "choose another --out or delete that folder"
            )

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.pt"))
