"""A method under examination: its four steps, watched while they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from talkbench.benchmark.evaluation.plan import create_method
from talkbench.benchmark.probes import probe_images
from talkbench.methods.cards import Weights
from talkbench.methods.interface import Batch, Method

SMALL = 64  # side in pixels for methods that work at any size

# What the four steps are called with, in the order of their parameters.
STEPS = {
    "encode_source": ("images",),
    "encode_motion": ("images",),
    "transfer": ("source", "driving", "reference"),
    "render": ("source", "motion"),
}
# What a step must leave as it is: how to read it and how to set it back.
GLOBALS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "gradients enabled": (torch.is_grad_enabled, torch.set_grad_enabled),
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "number of threads": (torch.get_num_threads, torch.set_num_threads),
}


class Failure(Exception):
    """A check fails; one line says what the method did instead of what is expected."""


@dataclass(frozen=True)
class CheckOptions:
    """What the user asks for; see ``bench check method --help`` for each."""

    method: str
    checkpoint: Path | None = None
    device: str = "auto"
    settings: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Drive:
    """One drive through all four steps: the records of the two encoders and the image (1, 3, S, S)."""

    source: Any
    motion: Any
    image: Tensor


class Subject:
    """The method under examination, with three faces a, b, c and what the method makes of them, each computed once.

    Attributes:
        modified: arguments that steps changed, one line each.
        leaked: settings of torch that steps changed, one line each.
    """

    def __init__(self, options: CheckOptions, device: torch.device, **more: object) -> None:
        self.options, self.device = options, device
        self.settings = {**options.settings, **more}
        torch.manual_seed(0)  # of the fresh weights, where no checkpoint is given
        self.method: Method[Any, Any] = create_method(Weights(options.method, options.checkpoint, ""), self.settings)
        self.modified: list[str] = []
        self.leaked: list[str] = []

    @cached_property
    def faces(self) -> Tensor:
        return probe_images(3, self.method.resolution or SMALL, self.device)

    @cached_property
    def first(self) -> Drive:
        """a moved by b."""
        return self.animate(0, 1)

    @cached_property
    def second(self) -> Drive:
        """b moved by c."""
        return self.animate(1, 2)

    @cached_property
    def own(self) -> Drive:
        """a moved by a itself."""
        return self.animate(0, 0)

    @cached_property
    def relative(self) -> Tensor:
        """a moved by the changes from a to b and from a to a, (2, 3, S, S)."""
        driving = self.call("encode_motion", self.faces[[1, 0]])
        return self.finish(self.first.source.expand(2), driving, self.own.motion.expand(2))

    def prepare(self) -> None:
        """Move the networks to the device and, where their weights are fresh, let batch normalisation see the faces.

        Fresh batch normalisation divides by 1, so signals fade from layer to layer until all faces give the same grey,
        and no check could tell one face from another.
        """
        self.method.to(self.device)
        if self.options.checkpoint is not None:
            return
        modules = [module for network in self.method.networks.values() for module in network.modules()]
        norms = [module for module in modules if isinstance(module, _BatchNorm)]
        before = [(norm.training, norm.momentum) for norm in norms]
        for norm in norms:
            norm.training, norm.momentum = True, None  # a plain average of all that it sees
        self.finish(*(self.call(step, self.faces[:2]) for step in ("encode_source", "encode_motion")))
        for norm, (training, momentum) in zip(norms, before, strict=True):
            norm.training, norm.momentum = training, momentum

    @contextmanager
    def rounded_weights(self) -> Iterator[None]:
        """In the block all parameters have values that bfloat16 can hold."""
        parameters = [parameter for network in self.method.networks.values() for parameter in network.parameters()]
        before = [parameter.detach().clone() for parameter in parameters]
        try:
            for parameter in parameters:
                parameter.data.copy_(parameter.data.bfloat16())
            yield
        finally:
            for parameter, values in zip(parameters, before, strict=True):
                parameter.data.copy_(values)

    def animate(self, source: int, driving: int) -> Drive:
        """Run all four steps on two of the faces."""
        encoded = self.call("encode_source", self.faces[source, None])
        motion = self.call("encode_motion", self.faces[driving, None])
        return Drive(encoded, motion, self.finish(encoded, motion))

    def finish(self, source: Any, motion: Any, reference: Any = None) -> Tensor:
        """The image that the last two steps make of two records, copied."""
        image: Tensor = self.call("render", source, self.call("transfer", source, motion, reference)).clone()
        return image

    def call(self, step: str, *arguments: Any) -> Any:
        """The result of a step. What the step changed is noted in `modified` and `leaked` and set back.

        Gradients are enabled, so that a step that switches them off for good is noticed; inference mode records none.

        Raises:
            Failure: the step raises an error, or its result has the wrong type.
        """
        with torch.inference_mode(), torch.enable_grad():
            named = zip(STEPS[step], arguments, strict=True)
            before = [
                (path, value, value.clone())
                for name, argument in named
                for path, value in leaves(argument, name)
                if isinstance(value, Tensor)
            ]
            state = {name: read() for name, (read, _) in GLOBALS.items()}
            try:
                result = attempt(step, getattr(self.method, step), *arguments)
            finally:
                self._settle(step, before, state)
        kind = Tensor if step == "render" else Batch
        if not isinstance(result, kind):
            raise Failure(f"{step} gives a {type(result).__name__}, not a {kind.__name__}")
        return result

    def _settle(self, step: str, before: list[tuple[str, Tensor, Tensor]], state: dict[str, Any]) -> None:
        for path, value, copy in before:
            if not torch.allclose(value, copy, rtol=0, atol=0, equal_nan=True):
                self.modified.append(f"{step} changes {path}")
                value.copy_(copy)
        for name, (read, write) in GLOBALS.items():
            if read() != state[name]:
                self.leaked.append(f"{step} turns {name} from {state[name]} to {read()}")
                write(state[name])


def attempt(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of the call; if it raises an error, a `Failure` that says so of `what`."""
    try:
        return function(*arguments)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise Failure(f"{what} raised {type(error).__name__}: {(str(error).splitlines() or [''])[0]}") from error


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The values in a record, each with its path, such as ``motion.keypoints.value``."""
    if isinstance(value, Batch):
        for part in fields(value):
            yield from leaves(getattr(value, part.name), f"{path}.{part.name}")
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    elif value is not None:
        yield path, value
