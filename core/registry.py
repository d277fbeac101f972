"""Names to classes: in-tree entries by decorator, other people's packages by entry point."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from talkbench.core.errors import TalkbenchError

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the known names closest to `name`, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(names) or 'none'}"


class Registry(Generic[T]):
    """Factories of one kind (``"method"``, ``"metric"``, ``"dataset"``) by name.

    A name may carry a variant, ``mcnet@demo``. A factory is registered under the full name, or
    under the bare one, and then receives the variant as its keyword ``variant``.

    Args:
        kind: what the entries are; used in messages and for the entry-point group
            ``talkbench.<kind>s``.
        modules: in-tree modules whose import registers their entries; imported at first use.
    """

    def __init__(self, kind: str, modules: Iterable[str] = ()) -> None:
        self.kind = kind
        self.group = f"talkbench.{kind}s"
        self._modules = tuple(modules)
        self._factories: dict[str, Callable[..., T]] = {}
        self._plugins: dict[str, EntryPoint] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Decorator that adds a factory (a class, usually); a name taken already is refused."""

        def add(factory: Callable[..., T]) -> Callable[..., T]:
            if self._factories.get(name, factory) is not factory:
                raise TalkbenchError(f"{self.kind} {name!r} is registered already; choose another name")
            self._factories[name] = factory
            return factory

        return add

    def names(self) -> list[str]:
        """All registered names, sorted; plugins are listed without being imported."""
        self._load()
        return sorted({*self._factories, *self._plugins})

    def get(self, name: str) -> Callable[..., T]:
        """The factory for `name`; an unknown name raises with the nearest known ones."""
        self._load()
        if name not in self._factories and name in self._plugins:
            self._factories[name] = self._plugins[name].load()
        if name not in self._factories:
            raise TalkbenchError(f"unknown {self.kind} {name!r}: {nearest(name, self.names())}")
        return self._factories[name]

    def create(self, name: str, **options: object) -> T:
        """Build the entry `name` or ``name@variant`` with the given options."""
        self._load()
        if name in self.names() or "@" not in name:
            return self.get(name)(**options)
        bare, variant = name.split("@", 1)
        return self.get(bare)(variant=variant, **options)

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        for module in self._modules:
            importlib.import_module(module)
        for point in entry_points(group=self.group):
            if point.name in self._factories or point.name in self._plugins:
                owner = point.dist.name if point.dist else point.value
                self._loaded = False
                raise TalkbenchError(
                    f"{self.kind} {point.name!r} of {owner} is registered already; uninstall {owner} or rename its entry"
                )
            self._plugins[point.name] = point
