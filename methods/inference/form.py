"""Puts the modules of a method into their inference forms, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn

from talkbench.methods.inference import operators, rearranged
from talkbench.methods.interface import Method

Forward = Callable[..., Any]


class Form:
    """The `forward` of a module in its inference form. Where it does not apply (training, gradients, autocast, other
    precisions than float32, other devices than a CPU), the module's plain one is run."""

    def __init__(self, module: nn.Module, forward: Forward) -> None:
        self._module, self._forward = module, forward

    def __call__(self, x: Tensor, *others: Any) -> Any:
        if applies(self._module, x):
            return self._forward(x, *others)
        return type(self._module).forward(self._module, x, *others)


def applies(module: nn.Module, x: Tensor) -> bool:
    """Whether a module with the input `x` may compute by its inference form."""
    plain = module.training or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu")
    return not plain and x.device.type == "cpu" and x.dtype == torch.float32


class InferenceForm:
    """A method whose networks compute faster on a CPU, with results that differ by rounding: ``with
    InferenceForm(method):``, as often as wanted. After the block they are plain again.

    Their parameters and keys stay. What follows from the parameters alone is computed once, so they must not change
    between the blocks of one form; packed convolutions take as much memory again as they do.
    """

    def __init__(self, method: Method[Any, Any]) -> None:
        self._method = method
        self._forms: dict[nn.Module, Form] = {}
        self._depth = 0
        for name, network in method.networks.items():
            packed = name in method.packed and operators.available()
            for module in () if name in method.plain else network.modules():
                if forward := _forward(module, packed):
                    self._forms[module] = Form(module, forward)

    def __reduce__(self) -> tuple[type[InferenceForm], tuple[Method[Any, Any]]]:
        """Another process makes the form anew."""
        return InferenceForm, (self._method,)

    def __bool__(self) -> bool:
        """Whether it computes anything otherwise."""
        return bool(self._forms)

    def __enter__(self) -> Self:
        self._depth += 1
        for module, form in self._forms.items():
            module.__dict__["forward"] = form
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            for module in self._forms:
                module.__dict__.pop("forward", None)


def _forward(module: nn.Module, packed: bool) -> Forward | None:
    """What computes a module faster; None if nothing does."""
    kind = type(module)
    forms = rearranged.PACKED if packed else rearranged.PLAIN
    build = forms.get(kind) or forms.get(f"{kind.__module__}.{kind.__qualname__}")
    return build(module) if build else None
