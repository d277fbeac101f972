"""In what arithmetic a method is computed: ``--precision`` and ``--compile`` of the commands that run methods."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from talkbench.benchmark.probes import ANY_SIZE, probe_images
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods.inference import InferenceForm
from talkbench.methods.interface import Method

PRECISIONS = ("float32", "tf32", "bf16")
FULL_SIZE = 20_000_000
"""Parameters that every full-size method has more of, and every small one fewer."""
STEPS = ("encode_source", "encode_motion", "transfer", "render", "inspect")


@dataclass(frozen=True)
class Numerics:
    """In what arithmetic a method is computed.

    Attributes:
        precision: ``float32``: true float32, no TF32; ``tf32``: convolutions and matrix products of an NVIDIA GPU round
            what they multiply to 10 bits of mantissa; ``bf16``: autocast to bfloat16, in which the methods keep
            keypoints, flows and attention in float32.
        compiled: whether the method's steps go through `torch.compile`.
    """

    precision: str = "float32"
    compiled: bool = False

    @property
    def settings(self) -> dict[str, object]:
        """What a method's settings, and so the run's record and fingerprint, say of it: nothing of plain float32."""
        named: dict[str, object] = {} if self.precision == "float32" else {"precision": self.precision}
        return named | ({"compiled": True} if self.compiled else {})

    def check(self, device: torch.device) -> None:
        """Check that the device can compute in this precision.

        Raises:
            TalkbenchError: it cannot, or there is no such precision.
        """
        if self.precision not in PRECISIONS:
            raise TalkbenchError(f"unknown precision {self.precision!r}: {nearest(self.precision, PRECISIONS)}")
        if self.precision == "tf32" and device.type != "cuda":
            raise TalkbenchError(
                f"--precision tf32 is of NVIDIA's GPUs, and the device is {device}; use float32 or bf16"
            )
        if self.precision == "tf32" and torch.cuda.get_device_capability(device) < (8, 0):
            raise TalkbenchError(
                f"{torch.cuda.get_device_name(device)} has no TF32 (Ampere and later have); use float32"
            )
        if self.precision == "bf16":
            try:
                with self.context(device):
                    one = torch.ones(1, 1, 1, 1, device=device)
                    torch.nn.functional.conv2d(one, one)
            except (RuntimeError, NotImplementedError) as error:
                line = str(error).splitlines()[0]
                raise TalkbenchError(f"--precision bf16 cannot be used on {device} ({line}); use float32") from error

    @contextmanager
    def context(self, device: torch.device) -> Iterator[None]:
        """In the block torch computes in this precision; afterwards its settings are as before."""
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            if self.precision != "tf32":
                yield
                return
            convolution, product = torch.backends.cudnn.conv, torch.backends.cuda.matmul  # type: ignore[attr-defined]
            before = convolution.fp32_precision, product.fp32_precision
            convolution.fp32_precision = product.fp32_precision = "tf32"
            try:
                yield
            finally:
                convolution.fp32_precision, product.fp32_precision = before


def suited_batch_size(asked: int | None, method: object, device: torch.device) -> int:
    """How many frames to process at once: as `asked`; else 8, or 2 for a full-size method on a CPU, whose maps of more
    frames its cache does not hold. A number does not depend on it beyond rounding."""
    networks = getattr(method, "networks", {}).values()
    size = sum(parameter.numel() for network in networks for parameter in network.parameters())
    return asked or (2 if device.type == "cpu" and size > FULL_SIZE else 8)


def in_numerics(
    method: Method[Any, Any],
    numerics: Numerics,
    device: torch.device,
    batch_size: int,
    warn: Callable[[str], None],
) -> Method[Any, Any]:
    """The method on the `device`, its steps computed as `numerics` say, which its settings name; the method given
    stays as it is, but for its place. In plain float32 on a CPU its networks compute in their `InferenceForm`, which no
    setting names, since it decides no number.

    To compile is tried at once, on a batch of `batch_size`; a method that cannot be compiled here is computed as it
    is, and the user is warned with the reason.

    Raises:
        TalkbenchError: the device cannot compute so.
    """
    numerics.check(device)
    method = method.to(device)
    if numerics.compiled and (problem := _uncompilable(method, numerics, device, batch_size)):
        warn(f"{method.name} cannot be compiled here and is computed without --compile: {problem}")
        numerics = Numerics(numerics.precision)
    if numerics.settings or device.type != "cpu":
        return _with_steps(method, numerics, device) if numerics.settings else method
    form = InferenceForm(method)
    return _with_steps(method, numerics, device, form) if form else method


def _with_steps(
    method: Method[Any, Any], numerics: Numerics, device: torch.device, form: InferenceForm | None = None
) -> Method[Any, Any]:
    """A copy of the method, with the networks of the one given, and with steps of these `numerics` in this `form`."""
    other = copy.copy(method)
    other.settings = {**method.settings, **numerics.settings}
    for name in STEPS:
        step = getattr(other, name)
        if numerics.compiled and name != "inspect":
            step = torch.compile(step)
        setattr(other, name, _within(numerics, device, step, form or nullcontext()))
    return other


def _within(
    numerics: Numerics, device: torch.device, step: Callable[..., Any], form: AbstractContextManager[Any]
) -> Callable[..., Any]:
    @wraps(step)
    def computed(*arguments: Any) -> Any:
        with numerics.context(device), form:
            result = step(*arguments)
        # What `render` gives is rounded to 8 bits later, which half precision would do badly.
        return result.float() if isinstance(result, Tensor) else result

    return computed


def _uncompilable(method: Method[Any, Any], numerics: Numerics, device: torch.device, batch_size: int) -> str:
    """Why the method cannot be compiled here; "" if it can."""
    compiled = _with_steps(method, numerics, device)
    images = probe_images(batch_size, method.resolution or ANY_SIZE, device)
    try:
        with torch.inference_mode():
            source = compiled.encode_source(images[:1]).expand(batch_size)
            compiled.render(source, compiled.transfer(source, compiled.encode_motion(images), None))
    except Exception as error:  # whatever the compiler says, the method can be computed without it
        torch.compiler.reset()
        return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return ""
