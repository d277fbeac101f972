"""Reading files of tensors without running their code: what ``torch.save`` writes, and safetensors."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.file_kinds import Kind, checkpoint_kind
from talkbench.core.text import visible

SCALARS = re.compile(r"[?bBhHiIlLqQefdgFD]|b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16)|[SU]\d+")
"""The numpy types of single values that are read: numbers, truth values and texts."""

CODE = re.compile(r"GLOBAL (\S+) (?:was not|whose)")
"""What torch says of a function or class that it does not trust."""


@dataclass(frozen=True)
class TensorFile:
    """What a file holds.

    Attributes:
        kind: its format.
        content: of safetensors the tensors by key; else whatever was saved.
        metadata: the texts of a safetensors header.
    """

    kind: Kind
    content: object
    metadata: dict[str, str]


def read_tensors(path: Path) -> TensorFile:
    """Read a file on the CPU, in the format that its contents have.

    Of pickles only tensors, plain values and numpy's scalars and arrays are read, the latter without their values.

    Raises:
        TalkbenchError: it is no such file, is damaged, or holds code.
    """
    kind = checkpoint_kind(path)
    if kind == "safetensors":
        return TensorFile(kind, *_read_safetensors(path))
    return TensorFile(kind, _read_torch(path), {})


def read_header(path: Path) -> TensorFile:
    """As `read_tensors`, without the values of tensors: of safetensors the metadata alone, of a zip of ``torch.save``
    what its tensors stand in, which are read when they are used. Of older files nothing is read.

    Raises:
        TalkbenchError: as `read_tensors`.
    """
    kind = checkpoint_kind(path)
    if kind == "safetensors":
        return TensorFile(kind, {}, _read_safetensors(path, whole=False)[1])
    with path.open("rb") as file:
        is_zip = file.read(2) == b"PK"
    return TensorFile(kind, _read_torch(path, mapped=True) if is_zip else {}, {})


def _read_safetensors(path: Path, whole: bool = True) -> tuple[dict[str, object], dict[str, str]]:
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            keys = file.keys() if whole else ()
            return {key: file.get_tensor(key) for key in keys}, dict(file.metadata() or {})
    except Exception as error:  # its own, torch's for types that it lacks, those of the file system
        raise TalkbenchError(f"{path} is not a readable safetensors file ({_line(error)}); get it anew") from error


def _read_torch(path: Path, mapped: bool = False) -> object:
    import torch

    try:
        with (
            path.open("rb") as file,  # of a path torch believes the name
            warnings.catch_warnings(),
            torch.serialization.safe_globals(_numpy_values()),
        ):
            warnings.simplefilter("ignore")
            source = str(path.absolute()) if mapped else file
            content: object = torch.load(source, map_location="cpu", weights_only=True, mmap=mapped or None)
            return content
    except Exception as error:  # torch, pickle, zipfile and struct each have errors of their own for damage
        code = CODE.search(str(error))
        if code is None:
            raise TalkbenchError(f"{path} is damaged or no checkpoint ({_line(error)}); get it anew") from error
        raise TalkbenchError(
            f"{path} holds more than tensors ({visible(code[1])}), so reading it could run its code: refused. "
            "If you trust it, open it in a sandbox, save its state dicts alone with torch.save, and give that file"
        ) from error


def _line(error: Exception) -> str:
    """The first line of an error, without what torch's unpickler says before it."""
    line = str(error).rpartition("WeightsUnpickler error: ")[2].strip().partition("\n")[0]
    return visible(line[:200] or type(error).__name__)


def _numpy_values() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What stands in for numpy's classes and functions in a pickle, by the names of numpy 1 and 2."""
    named: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        (_Dtype, "numpy.dtype"),
        (_Array, "numpy.ndarray"),
    ]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        named += [(_scalar, f"{module}.scalar"), (_array, f"{module}._reconstruct")]
    return named


class _Dtype:
    """Stands in for ``numpy.dtype``, whose own ``__setstate__`` trusts what it is given."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


def _scalar(dtype: _Dtype, data: bytes) -> object:
    """The value of a numpy scalar as Python has it."""
    import numpy as np

    order = dtype.order if dtype.order in ("<", ">") else "="
    if not SCALARS.fullmatch(dtype.code):
        raise ValueError(f"a numpy scalar of type {dtype.code}")
    return np.frombuffer(data, np.dtype(f"{order}{dtype.code}"), count=1)[0].item()


class _Array:
    """Stands in for ``numpy.ndarray`` and forgets what it holds: no checkpoint of a method has weights in one."""

    def __setstate__(self, state: object) -> None:
        """Nothing of it is used."""


def _array(*_: object) -> _Array:
    return _Array()
