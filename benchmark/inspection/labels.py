"""How checkpoints are called in pictures and in the names of their files: by training and step."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from talkbench.core.errors import TalkbenchError
from talkbench.methods.checkpoints import read_metadata
from talkbench.training.state.origin import FILE

RESULTS = ("weights", "best")
"""Names, without their ending, of the weights that a training leaves in its folder."""
LONGEST = 80  # letters of labels in the name of a file


def check_once(files: Sequence[Path]) -> None:
    """Refuse the same file twice.

    Raises:
        TalkbenchError: two paths are one file.
    """
    if len({file.resolve() for file in files}) < len(files):
        raise TalkbenchError("a checkpoint is named twice; name each once")


def labels(files: Sequence[Path]) -> list[str]:
    """A label for each of some checkpoints that are there, such as ``mcnet@demo-demo/best, step 300``.

    It has the folder of the training that wrote the file, with as many folders above it as tell the labels apart, or
    the file's own name where no training wrote it; and the step, where the file says so.

    Raises:
        TalkbenchError: a file is damaged.
    """
    names, steps = [_name(file) for file in files], [_step(file) for file in files]
    depths, texts = [1] * len(files), list[str]()
    for _ in range(max((len(folders) for folders, _ in names), default=0)):
        texts = [
            "/".join((*folders[-depth:], *own)) + ("" if step is None else f", step {step}")
            for (folders, own), depth, step in zip(names, depths, steps, strict=True)
        ]
        alike = [texts.count(text) > 1 for text in texts]
        if not any(alike):
            return texts
        depths = [depth + more for depth, more in zip(depths, alike, strict=True)]
    return [f"{text} ({file.name})" for text, file in zip(texts, files, strict=True)]  # of equal names but the ending


def file_ending(texts: Sequence[str], hashes: Sequence[str]) -> str:
    """What tells the pictures of some checkpoints from those of others, for the ends of file names.

    Args:
        texts: the `labels`.
        hashes: of the contents; other checkpoints of equal labels have other file names.
    """
    words = re.sub(r"[^A-Za-z0-9.]+", "-", " and ".join(texts)).strip("-.")
    return f"{words[:LONGEST].strip('-.')}-{hashlib.sha256(' '.join(hashes).encode()).hexdigest()[:6]}"


def _name(file: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folders of the training that wrote a file, from the root, and what the file is in it."""
    path = file.absolute()
    folder, stem = path.parent, path.name.split(".")[0]
    if _is_state(path):
        return folder.parent.parts[1:], ("state",)
    if stem in RESULTS or (folder / FILE).is_file():
        return folder.parts[1:], () if stem == RESULTS[0] else (stem,)
    return path.parts[1:], ()


def _step(file: Path) -> int | None:
    if _is_state(file.absolute()):
        return int(file.stem)
    steps = read_metadata(file).get("steps") if file.suffix == ".safetensors" else None
    return steps if isinstance(steps, int) else None


def _is_state(path: Path) -> bool:
    return path.parent.name == "state" and path.stem.isdecimal()
