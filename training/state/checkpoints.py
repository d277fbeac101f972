"""The states of a training run on disk: complete, atomic, the last few kept; and when the next one is due."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path, sweep
from talkbench.training.config import TrainConfig

KEPT = 2
FIRST_MINUTES = 1.0
# Entries that may change when a run is continued, since the steps before do not depend on them; but see `_free`.
FREE = {"epochs", "steps", "validation", "patience"}


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

    def sequel(self) -> str:
        """How the same command goes on after a failure, in words."""
        return "it continues from the last state" if self.begun() else "it begins anew, since there is no state yet"

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
                    f"run the same command: {self.sequel()}"
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
                state = _read(path)
                state_recipe = _complete(state["config"])
            except Exception:  # torch reports damage in many ways
                before = "" if path == files[0] else ", so the state before it is taken"
                say(f"{path} cannot be read{before}")
                continue
            self._check(state_recipe, recipe)
            return state
        if files:
            raise TalkbenchError(f"no state in {self.folder} can be read; delete it to begin anew")
        return None

    def metadata(self) -> dict[str, Any]:
        """What the latest state that can be read says of itself; empty if there is none, or it says nothing."""
        for path in reversed(self._files()):
            with suppress(Exception):  # as above
                metadata: dict[str, Any] = _read(path).get("metadata", {})
                return metadata
        return {}

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


def _read(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


class SaveTimer:
    """When a state is due: the first one of this process a minute after its beginning, the others `minutes` after the
    one before; earlier than that if the next step would end later, and in any case after a step.

    So a process that is killed with SIGKILL loses no more than that, and a step more where steps are slower.

    Args:
        now: the time in seconds.
    """

    def __init__(self, minutes: float, now: Callable[[], float] = time.monotonic) -> None:
        self._minutes, self._now = minutes, now
        self._step = now()  # the end of the last one
        self._due = self._step + 60 * min(minutes, FIRST_MINUTES)

    def due(self) -> bool:
        """Whether a state is to be saved now, when a step has ended; called after every step."""
        now = self._now()
        took, self._step = now - self._step, now
        return now + took > self._due

    def saved(self) -> None:
        """A state has been saved."""
        self._step = self._now()
        self._due = self._step + 60 * self._minutes


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
