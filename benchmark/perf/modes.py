"""The modes that methods are measured in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import nn

from talkbench import methods
from talkbench.benchmark.numerics import PRECISIONS
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest

MODES = ("float32", "tf32", "bf16", "channels_last", "compiled")


def every(names: Sequence[str], modes: Sequence[str], batch_sizes: Sequence[int]) -> list[tuple[str, str, int]]:
    """Every method in every mode at every batch size.

    Raises:
        TalkbenchError: an unknown method or mode.
    """
    for name in names:
        methods.registry.get(name)
    for mode in modes:
        parts(mode)
    return list(product(names, modes, batch_sizes))


def parts(mode: str) -> list[str]:
    """The members of `MODES` that a mode joins with ``+``.

    Raises:
        TalkbenchError: one of them is unknown, or they contradict one another.
    """
    members = mode.split("+")
    for part in members:
        if part not in MODES:
            raise TalkbenchError(f"unknown mode {part!r}: {nearest(part, MODES)}")
    if len({*PRECISIONS} & {*members}) > 1:
        raise TalkbenchError(f"mode {mode!r} asks for two precisions; choose one of them")
    return members


def precision_of(members: Sequence[str]) -> str:
    """The precision that the members of a mode name; float32 if they name none."""
    return next((precision for precision in PRECISIONS if precision in members), "float32")


def to_channels_last(*networks: nn.Module) -> None:
    """Lay weights out channels last, which `nn.Module.to` refuses for networks that also have 3D kernels."""
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in nn.ModuleList(networks).parameters():
        if parameter.dim() in layouts:
            parameter.data = parameter.data.to(memory_format=layouts[parameter.dim()])
