"""A program that can be called: its card, and where its code, its interpreter and its weights are on this machine."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from talkbench.benchmark.programs.card import ProgramCard
from talkbench.benchmark.programs.names import card_path
from talkbench.benchmark.programs.templates import fill
from talkbench.benchmark.programs.version import Version, content_sha256, version_of
from talkbench.core.cards import read_card
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import is_there
from talkbench.core.registry import nearest
from talkbench.results.strict import canonical_sha256

CARD_OF_RUN = "program.yaml"
"""The card of the program that was run, in the folder of the run."""

DESCRIBING = {"title", "short", "paper", "code", "year", "licence", "python", "memory", "notes"}
CALLING = {"places", "timeout", "retries", "seed"}
"""What of a card decides no frame: its words; and what is recorded apart, or is no part of an image."""


@dataclass(frozen=True)
class Program:
    """A program, ready to be called.

    Attributes:
        name: that of its card's file, without the ending.
        places: the paths of the card's places on this machine.
        seed, timeout, retries: the card's, or what was set in their place.
    """

    name: str
    path: Path
    card: ProgramCard
    places: dict[str, Path]
    seed: int
    timeout: float
    retries: int

    @cached_property
    def version(self) -> Version:
        """Of its checkout."""
        return version_of(self.places["checkout"])

    @cached_property
    def contents(self) -> dict[str, str]:
        """sha256 of the places, other than checkout and interpreter, and of the weights, by their names in the card."""
        files = {name: path for name, path in self.places.items() if name not in ("checkout", "python")}
        for template, paths in self.weight_files.items():
            files |= {template if len(paths) == 1 else f"{template}: {path.name}": path for path in paths}
        return {name: content_sha256(path) for name, path in files.items()}

    @cached_property
    def weight_files(self) -> dict[str, list[Path]]:
        """The files and folders that each line of the card's `weights` names.

        Raises:
            TalkbenchError: a line names none.
        """
        files = {}
        for template in self.card.weights:
            folder = self.path.absolute().parent
            escaped = {name: glob.escape(str(path)) for name, path in self.places.items()}
            pattern = Path(glob.escape(str(folder)), fill(template, escaped))
            root = Path(pattern.anchor)
            files[template] = sorted(root.glob(str(pattern.relative_to(root))))
            if not files[template]:
                path = folder / fill(template, {name: str(path) for name, path in self.places.items()})
                raise TalkbenchError(f"{self.name}: weights: there is no {path}; put the file there, or mend the card")
        return files

    @cached_property
    def core_sha256(self) -> str:
        """sha256 of all in the card that decides a frame."""
        return canonical_sha256(self.card.model_dump(mode="json", exclude=DESCRIBING | CALLING))

    def settings(self, motion: str) -> dict[str, Any]:
        """What decides the frames besides the input, for the record and for the keys of calls.

        Args:
            motion: of the card's.
        """
        container = self.card.container
        return {
            "card": self.core_sha256[:16],
            "commit": self.version.commit,
            "dirty": self.version.dirty,
            "code": self.version.code[:16],
            "seed": self.seed,
            "program_motion": motion,
            "files": {name: sha256[:16] for name, sha256 in self.contents.items()},
            **({"container": container.image} if container else {}),
        }


def card_of_run(folder: Path) -> ProgramCard | None:
    """The card of the program that was run; None for the folder of another run."""
    path = folder / CARD_OF_RUN
    return read_card(ProgramCard, path) if path.is_file() else None


def load(name: str, settings: Mapping[str, object] | None = None) -> Program:
    """The program with the card `name`.

    Args:
        settings: the user's: paths of places, and seed, timeout and retries in place of the card's.

    Raises:
        TalkbenchError: no such card, a faulty one, a setting that it does not have, or a place that is missing.
    """
    path = card_path(name)
    card = read_card(ProgramCard, path)
    settings = dict(settings or {})
    numbers = {key: _number(key, settings.pop(key, getattr(card, key))) for key in ("seed", "timeout", "retries")}
    for key in settings:
        if key not in card.places:
            raise TalkbenchError(f"{path.stem} has no setting {key!r}: {nearest(key, {*card.places, *numbers})}")
    missing = [key for key, place in card.places.items() if settings.get(key, place) in ("", None)]
    if missing:
        options = " ".join(f"--set {key}=PATH" for key in missing)
        raise TalkbenchError(f"{path.stem} needs paths of this machine: give {options} (bench show {name})")
    for key, value in settings.items():
        if not isinstance(value, str):  # 007 is a number, and "a: b" a mapping
            quoted = f"--set {key}='\"…\"'"
            raise TalkbenchError(
                f"--set {key}={value}: YAML takes this for no text; put the path in quotes of its own: {quoted}"
            )
    chosen = {
        key: _place(f"--set {key}", str(settings[key]), Path.cwd())
        if key in settings
        else _place(f"{path}: places: {key}", place, path.absolute().parent)
        for key, place in card.places.items()
    }
    program = Program(path.stem, path, card, chosen, int(numbers["seed"]), numbers["timeout"], int(numbers["retries"]))
    _check_places(program)
    return program


def _number(key: str, value: object) -> float:
    whole = key != "timeout"
    if (
        isinstance(value, bool)
        or not isinstance(value, int if whole else int | float)
        or not value >= (0 if whole else 1e-3)
    ):
        kind = "whole number that is not negative" if whole else "number of seconds"
        raise TalkbenchError(f"--set {key}={value}: give a {kind}")
    return value  # type: ignore[return-value]


def _place(where: str, text: str, folder: Path) -> Path:
    """The path that a text stands for; a bare word may be a program that the shell finds."""
    path = folder / os.path.expanduser(text)  # noqa: PTH111  # what has no such user stays, and is not there
    if not is_there(path) and text == Path(text).name and shutil.which(text):
        return Path(str(shutil.which(text))).absolute()
    if not is_there(path):
        raise TalkbenchError(f"{where}: there is no {path}; give the path where it is")
    return path.absolute()  # links stay: an environment is known by that of its interpreter


def _check_places(program: Program) -> None:
    """Refuse, before anything is done, what can be seen to fail."""
    checkout, python = program.places["checkout"], program.places.get("python")
    if not checkout.is_dir():
        raise TalkbenchError(f"{program.name}: the checkout {checkout} is no folder; give that of the program's code")
    if python and not (python.is_file() and os.access(python, os.X_OK)):
        raise TalkbenchError(
            f"{program.name}: {python} cannot be executed; give an interpreter, such as .venv/bin/python"
        )
    folder = Path(fill(program.card.folder, program.places))
    if not folder.is_dir():
        raise TalkbenchError(f"{program.name}: folder: there is no folder {folder} to run in; mend the card")
    container = program.card.container
    if container and not shutil.which(container.runtime):
        raise TalkbenchError(
            f"{program.name}: {container.runtime} is not installed; install it, or take a card without"
        )
    _ = program.weight_files
