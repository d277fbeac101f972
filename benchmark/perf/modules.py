"""The arithmetic that the modules of a training step need, each run by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import chain
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Call:
    """A call of a module under a name: its arguments, whether a graph of gradients was recorded, and which of its
    parameters learned."""

    name: str
    module: nn.Module
    args: tuple[Any, ...]
    graph: bool
    learned: tuple[bool, ...]


class Calls:
    """Context manager that notes which modules are called, and with which arguments.

    It watches the modules right below the `roots`, and those in lists there, but not the modules that these call in
    turn. Two calls of a module with equal arguments count as one, unless other parameters learn from the second: a
    discriminator judges the same images anew when it is its turn.

    Args:
        roots: networks by name; a module below is called ``network.child``.
    """

    def __init__(self, roots: Mapping[str, nn.Module]) -> None:
        self._roots = roots
        self._calls: list[Call] = []
        self._depth = 0
        self._hooks: list[Any] = []

    def __enter__(self) -> Self:
        for network, root in self._roots.items():
            for path, module in root.named_modules():
                if path:
                    self._watch(f"{network}.{path.split('.')[0]}", module)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def flops(self) -> dict[str, int]:
        """By name, the operations of all calls: forward and, where gradients were recorded, backward."""
        flops: dict[str, int] = {}
        for call in self._calls:
            flops[call.name] = flops.get(call.name, 0) + _flops(call)
        return flops

    def _watch(self, name: str, module: nn.Module) -> None:
        def enter(_: nn.Module, args: tuple[Any, ...]) -> None:
            if not self._depth:
                learned = tuple(parameter.requires_grad for parameter in module.parameters())
                self._note(Call(name, module, args, torch.is_grad_enabled(), learned))
            self._depth += 1

        def leave(*_: Any) -> None:
            self._depth -= 1

        self._hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]

    def _note(self, call: Call) -> None:
        if next(chain(call.module.parameters(), call.module.buffers()), None) is None:
            return  # activations and the like, of which nothing is counted
        if not any(_alike(call, other) for other in self._calls):
            self._calls.append(call)


def _flops(call: Call) -> int:
    args = _mapped(call.args, lambda tensor: tensor.detach().requires_grad_(tensor.requires_grad))
    parameters = list(call.module.parameters())
    now = [parameter.requires_grad for parameter in parameters]
    _set(parameters, call.learned)
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(call.graph):
        results = [result for result in _tensors(call.module(*args)) if result.requires_grad]
        if results:
            torch.autograd.backward(results, [torch.ones_like(result) for result in results])
    _set(parameters, now)
    return counter.get_total_flops()


def _set(parameters: Sequence[nn.Parameter], learned: Sequence[bool]) -> None:
    for parameter, learns in zip(parameters, learned, strict=True):
        parameter.requires_grad_(learns)


def _alike(call: Call, other: Call) -> bool:
    if call.module is not other.module or call.learned != other.learned:
        return False
    tensors, others = list(_tensors(call.args)), list(_tensors(other.args))
    return len(tensors) == len(others) and all(map(torch.equal, tensors, others))


def _tensors(value: object) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif is_dataclass(value):
        for each in fields(value):
            yield from _tensors(getattr(value, each.name))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A copy of nested tuples, lists and dataclasses with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _mapped(getattr(value, each.name), change) for each in fields(value)})
    if isinstance(value, (tuple, list)):
        return type(value)([_mapped(item, change) for item in value])
    return value
