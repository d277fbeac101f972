"""The states of a training run on disk: complete, atomic, the last few kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path, sweep
from talkbench.training.config import TrainConfig

KEPT = 2
# Entries that may change when a run is continued, since the steps before do not depend on them; but see `_free`.
FREE = {"epochs", "steps", "validation"}


class Checkpoints:
    """``<folder>/state/<step>.pt``, the last `KEPT` of them.

    Attributes:
        every: states of multiples of so many steps are kept, too; 0: none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.every = folder / "state", 0

    def begun(self) -> bool:
        """Whether there is a state."""
        return bool(self._files())

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write a state, then delete all but the last few.

        Raises:
            TalkbenchError: it cannot be written, on a full disk for example; the earlier states are kept.
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
            if not self.every or int(old.stem) % self.every:
                old.unlink()

    def load(self, recipe: Mapping[str, object], say: Callable[[str], None]) -> dict[str, Any] | None:
        """The latest state that can be read; None if the run is new.

        Args:
            recipe: the run's recipe; all entries but `FREE` must be as in the state.
            say: called with one line for each file that cannot be read.

        Raises:
            TalkbenchError: the state was made with another recipe, or none of the files can be read.
        """
        sweep(self.folder)
        files = self._files()
        for path in reversed(files):
            try:
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
                state_recipe = _complete(state["config"])
            except Exception:  # torch reports damage in many ways
                say(f"{path} cannot be read, so the state before it is taken")
                continue
            self._check(state_recipe, recipe)
            return state
        if files:
            raise TalkbenchError(f"no state in {self.folder} can be read; delete it to begin anew")
        return None

    def _check(self, old: Mapping[str, object], new: Mapping[str, object]) -> None:
        changed = sorted(key for key in {*old, *new} - _free(old) if old.get(key) != new.get(key))
        if changed:
            key = changed[0]
            raise TalkbenchError(
                f"{self.folder.parent} was made with another config ({key}: {old.get(key)}, now {new.get(key)}); "
                "choose another --out or delete that folder"
            )

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.pt"))


def _free(recipe: Mapping[str, object]) -> set[str]:
    """The entries that may change: a learning rate that falls as a cosine depends on how long the training is."""
    turns = recipe.get("turns")
    settings = [recipe, *(turns.values() if isinstance(turns, dict) else ())]
    cosine = any(own.get("schedule") == "cosine" for own in settings)
    return FREE - {"epochs", "steps"} if cosine else FREE


def _complete(recipe: Mapping[str, object]) -> dict[str, object]:
    """The recipe of a state, in which entries that are younger than the state have their default."""
    entries = {key: value for key, value in recipe.items() if key in TrainConfig.model_fields}
    return {**recipe, **TrainConfig.model_validate(entries).model_dump(mode="json")}
