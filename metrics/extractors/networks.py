"""Filling networks from other people's weight files: strictly, or with one line that says what is wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import weights

Network = TypeVar("Network", bound=nn.Module)


def read_state(name: str, what: str) -> dict[str, Tensor]:
    """The state dict in a file, safetensors or by ``torch.save``, on the CPU, without the ``module.`` of DataParallel.

    Args:
        name: of the file in ``weights.yaml``.
        what: what it should be, for messages: "the body pose network".

    Raises:
        TalkbenchError: the file is missing, damaged, holds code, or is no state dict.
    """
    path = weights.path(name)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: object = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files fail in torch, zipfile, pickle and struct, each with its own error
        raise refusal(name, what, str(error) or type(error).__name__) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise refusal(name, what, "it holds no state dict")
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def fill(network: Network, state: Mapping[str, Tensor], name: str, what: str) -> Network:
    """`network` with the weights of `state`, which must agree in keys and shapes; in evaluation mode, no gradients.

    Counters of batch normalisation that an old file lacks are no difference.

    Raises:
        TalkbenchError: `state` is of another model.
    """
    try:
        network.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        raise refusal(name, what, str(error).partition("\n")[2]) from error
    return network.eval().requires_grad_(False)


def refusal(name: str, what: str, reason: str) -> TalkbenchError:
    """The error of a weight file that is not `what` it should be: names it, the reason in one line, the remedy."""
    remedy = weights.remedy(weights.files()[name])
    told = textwrap.shorten(reason, 160, placeholder="…")
    return TalkbenchError(f"{weights.find(name)} is not {what} ({told}); delete it and fetch it anew: {remedy}")
