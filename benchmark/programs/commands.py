"""The command line of a call: as the card says, inside its container if it has one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from talkbench.benchmark.programs.card import Container
from talkbench.benchmark.programs.program import Program
from talkbench.benchmark.programs.templates import arguments, fill


@dataclass(frozen=True)
class Command:
    """What is run, where, and with which variables.

    Attributes:
        container: name of the container that it runs in; "" for none that has to be ended by name.
    """

    words: list[str]
    folder: Path
    environment: dict[str, str]
    container: str = ""

    def end(self) -> None:
        """End the container, which outlives the client that began it."""
        if self.container:
            with suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run([self.words[0], "kill", self.container], capture_output=True, timeout=60)  # noqa: S603


def command_of(program: Program, motion: str, values: Mapping[str, Any], folder: Path, gpu: str | None) -> Command:
    """The command of a call.

    Args:
        motion: of the card's.
        values: of the fields.
        folder: of the call's files.
        gpu: as ``CUDA_VISIBLE_DEVICES`` names it; None: the program chooses.
    """
    card = program.card
    options = tuple(str(fill(text, values)) for text in card.motions[motion])  # type: ignore[index]
    words = arguments(card.command, values, options)
    environment = {name: str(fill(text, values)) for name, text in card.environment.items()}
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu
    work = Path(fill(card.folder, {name: str(path) for name, path in program.places.items()}))
    if card.container is None:
        return Command(words, work, environment)
    return _contained(card.container, program, words, work, environment, folder, values)


def _contained(
    container: Container,
    program: Program,
    words: list[str],
    work: Path,
    environment: dict[str, str],
    folder: Path,
    values: Mapping[str, Any],
) -> Command:
    """The command inside a container, which sees the call's folder, the places and the weights at their own paths."""
    weights = [path for paths in program.weight_files.values() for path in paths]
    seen = list(dict.fromkeys([*program.places.values(), work, *weights]))
    image = str(fill(container.image, values))
    more = [str(fill(text, values)) for text in container.arguments]
    variables = [f"{name}={value}" for name, value in environment.items()]
    if container.runtime == "apptainer":
        binds = [f"--bind={folder}", *(f"--bind={path}:{path}:ro" for path in seen)]
        options = [*binds, f"--pwd={work}", *(f"--env={variable}" for variable in variables)]
        return Command(["apptainer", "exec", *options, *more, image, *words], work, environment)
    name = f"talkbench-{uuid4().hex[:12]}"
    mounts = [f"--volume={folder}:{folder}", *(f"--volume={path}:{path}:ro" for path in seen)]
    user = [f"--user={os.getuid()}:{os.getgid()}"] if container.runtime == "docker" else []
    options = ["--rm", f"--name={name}", *user, *mounts, f"--workdir={work}", *(f"--env={v}" for v in variables)]
    return Command([container.runtime, "run", *options, *more, image, *words], work, environment, name)
