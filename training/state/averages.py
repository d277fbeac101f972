"""The average of several states or weights files, as a file of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn.functional import normalize

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.methods.checkpoints import mismatch, mistyped, not_finite, read_checkpoint, save_states

States = dict[str, dict[str, Tensor]]

ITERATIONS = 20  # after which a norm is as near as the hundreds of steps of a training bring it


def average(paths: Sequence[Path], out: Path) -> list[dict[str, Any]]:
    """Write the mean of the weights of files that have the same networks; returns what the files say of themselves.

    The statistics of batch norm are averaged as well. What is counted is that of the last file, and spectral norms are
    estimated anew, since the norm of a mean is not the mean of the norms. The metadata has what all files say alike,
    and the rest with the name and the sha256 of each file under ``averaged``.

    Raises:
        TalkbenchError: there are fewer than two files, or one of them cannot be read, is named twice, holds values that
            are not finite or does not fit the first; or `out` is one of them, no ``.safetensors`` or cannot be written.
    """
    _check_names(paths, out)
    means, notes = States(), list[dict[str, Any]]()
    for number, path in enumerate(paths):
        states, metadata = _read(path)
        for name, state in states.items():
            if fault := not_finite(state, state):
                raise TalkbenchError(f"{path} cannot be averaged: its {name} has {fault}; leave it out")
        if not number:
            first = {name: {key: value.clone() for key, value in state.items()} for name, state in states.items()}
            means = {name: {key: _wide(value) for key, value in state.items()} for name, state in states.items()}
        else:
            _check_fit(paths[0], first, path, states)
            for name, mean in means.items():
                for key, value in mean.items():
                    new = states[name][key]
                    value.add_(new) if value.is_floating_point() else value.copy_(new)
        notes.append({"file": path.name, "sha256": sha256_file(path), **metadata})
    for name, mean in means.items():
        means[name] = {
            key: value.div_(len(paths)).to(first[name][key].dtype) if value.is_floating_point() else value
            for key, value in mean.items()
        }
        _estimate_norms(means[name])
    save_states(means, out, _metadata(notes))
    return notes


def _check_names(paths: Sequence[Path], out: Path) -> None:
    files = [path.resolve() for path in paths]
    if len(files) < 2:
        raise TalkbenchError("one file has no average; name two or more")
    if twice := [path for path, file in zip(paths, files, strict=True) if files.count(file) > 1]:
        raise TalkbenchError(f"{twice[0]} is named twice; name it once")
    if out.suffix != ".safetensors":
        raise TalkbenchError(f"--out {out} is not a .safetensors file; choose another name")
    if out.resolve() in files:
        raise TalkbenchError(f"--out {out} is one of the files; choose another name")


def _read(path: Path) -> tuple[States, dict[str, Any]]:
    """The networks of a file that a training would end with, and what the file says of itself."""
    file = read_checkpoint(path, "an average")
    if not file.named:
        raise TalkbenchError(f"{path} does not name its networks; name them first: bench weights convert")
    return {name: file.states[name] for name in file.named}, file.metadata


def _check_fit(first: Path, expected: States, path: Path, states: States) -> None:
    if expected.keys() != states.keys():
        lists = [", ".join(sorted(names)) for names in (states, expected)]
        raise TalkbenchError(f"{path} does not fit {first}: its networks are {lists[0]}, not {lists[1]}; leave it out")
    for name, state in states.items():
        if fault := mismatch(expected[name], state) or mistyped(expected[name], state):
            raise TalkbenchError(f"{path} does not fit {first}: its {name} has {fault}; leave it out")


def _wide(value: Tensor) -> Tensor:
    return value.double() if value.is_floating_point() else value.clone()


def _estimate_norms(state: dict[str, Tensor]) -> None:
    """Estimate the singular vectors anew that torch's spectral norm keeps, for the weights that `state` has now."""
    for key, weight in state.items():
        stem = key.removesuffix("_orig")
        if stem == key or f"{stem}_u" not in state or f"{stem}_v" not in state:
            continue
        u = state[f"{stem}_u"]
        matrix = weight.flatten(1) if len(weight) == len(u) else weight.transpose(0, 1).flatten(1)
        for _ in range(ITERATIONS):
            v = normalize(matrix.T @ u, dim=0)
            u = normalize(matrix @ v, dim=0)
        state[f"{stem}_u"], state[f"{stem}_v"] = u, v


def _metadata(notes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    shared = {*notes[0]}.intersection(*notes) - {"file", "sha256"}
    common = {key: notes[0][key] for key in shared if all(note[key] == notes[0][key] for note in notes)}
    return {**common, "averaged": [{key: note[key] for key in note if key not in common} for note in notes]}
