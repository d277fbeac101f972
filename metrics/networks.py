"""Other people's networks: filled from their weight files, strictly, and run without a lasting change of settings."""

from __future__ import annotations

import os
import random
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from talkbench.core.errors import TalkbenchError, is_out_of_memory
from talkbench.core.tensor_files import read_tensors
from talkbench.metrics import weights

if TYPE_CHECKING:
    from torch import Tensor, nn

Network = TypeVar("Network", bound="nn.Module")


def read_state(name: str, what: str) -> dict[str, Tensor]:
    """The state dict in a file, safetensors or by ``torch.save``, on the CPU, without the ``module.`` of DataParallel.

    Args:
        name: of the file in ``weights.yaml``.
        what: what it should be, for messages: "the body pose network".

    Raises:
        TalkbenchError: the file is missing, damaged, holds code, or is no state dict.
    """
    from torch import Tensor

    path = weights.path(name)
    try:
        state = read_tensors(path).content
    except TalkbenchError as error:
        raise refusal(name, what, str(error).removeprefix(f"{path} ")) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise refusal(name, what, "it holds no state dict")
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def fill(network: Network, state: Mapping[str, Tensor], name: str, what: str) -> Network:
    """`network` with the weights of `state`, which must agree in keys and shapes; in evaluation mode, no gradients.

    An old file may lack the counters of batch normalisation.

    Raises:
        TalkbenchError: `state` belongs to another model.
    """
    for key, value in network.state_dict().items():
        if key in state and state[key].is_floating_point() != value.is_floating_point():
            raise refusal(name, what, f"{key} is {state[key].dtype}")
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


@contextmanager
def importing(library: str) -> Iterator[None]:
    """Import a distribution that is installed within the block.

    Raises:
        TalkbenchError: it cannot be imported, as a wheel for another system or one whose parts are missing.
    """
    try:
        yield
    except Exception as error:  # of another system or half installed, it raises what it likes, OSError for one
        if is_out_of_memory(error):
            raise
        told = textwrap.shorten(str(error), 160, placeholder="…")
        remedy = f"pip install --force-reinstall {library}"
        raise TalkbenchError(f"{library} is installed and cannot be imported ({told}): {remedy}") from error


@contextmanager
def isolated(threads: int | None = None) -> Iterator[None]:
    """Run the block with the same float32 arithmetic under any caller, and restore the caller's settings afterwards.

    Inside: no gradients, no autocast, no TF32. Restored: autograd (py-feat switches it off for the whole
    process), torch's thread count, the flags of cuDNN (face-alignment sets ``benchmark``), the random state of torch,
    NumPy and Python, the warning filters, and the environment (py-feat sets ``OMP_NUM_THREADS``).

    Args:
        threads: number of torch's threads on the CPU, 1 for networks too small to gain by more. None: unchanged.
    """
    import torch

    cudnn, convolution = torch.backends.cudnn, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    product = torch.backends.cuda.matmul
    precision = product.fp32_precision
    flags = cudnn.enabled, cudnn.benchmark, cudnn.deterministic, convolution.fp32_precision
    gradients, count, environment = torch.is_grad_enabled(), torch.get_num_threads(), dict(os.environ)
    states = np.random.get_state(), random.getstate()  # noqa: NPY002
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.autocast("cpu", enabled=False))
        stack.enter_context(torch.autocast("cuda", enabled=False))
        try:
            convolution.fp32_precision = product.fp32_precision = "ieee"
            torch.set_grad_enabled(False)
            if threads:
                torch.set_num_threads(threads)
            yield
        finally:
            cudnn.enabled, cudnn.benchmark, cudnn.deterministic, convolution.fp32_precision = flags
            product.fp32_precision = precision
            torch.set_grad_enabled(gradients)
            if torch.get_num_threads() != count:
                torch.set_num_threads(count)
            np.random.set_state(states[0])  # noqa: NPY002
            random.setstate(states[1])
            if dict(os.environ) != environment:
                os.environ.clear()
                os.environ.update(environment)
