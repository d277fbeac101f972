"""Names to classes: in-tree entries by decorator, other people's packages by entry point."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from talkbench.core.errors import TalkbenchError

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the known names closest to `name`, or all of them."""
    names = sorted(set(known))
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
        explain: why a name that people may look for has no entry; empty for any other name.
    """

    def __init__(self, kind: str, modules: Iterable[str] = (), explain: Callable[[str], str] = lambda name: "") -> None:
        self.kind = kind
        self.explain = explain
        self.group = f"talkbench.{kind}s"
        self._modules = tuple(modules)
        self._factories: dict[str, Callable[..., T]] = {}
        self._aliases: dict[str, str] = {}
        self._unlisted: set[str] = set()
        self._plugins: dict[str, EntryPoint] = {}
        self._loaded = False

    def register(self, name: str, listed: bool = True) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Decorator that adds a factory (a class, usually); a name taken already is refused.

        Entries that are not `listed` are built like all others, and left out of `names`.
        """

        def add(factory: Callable[..., T]) -> Callable[..., T]:
            if self._factories.get(name, factory) is not factory or name in self._aliases:
                raise TalkbenchError(f"{self.kind} {name!r} is registered already; choose another name")
            self._factories[name] = factory
            if not listed:
                self._unlisted.add(name)
            return factory

        return add

    def alias(self, name: str, of: str, listed: bool = True) -> None:
        """Let `name` be another name of the entry `of`; a name taken already is refused."""
        if self._aliases.get(name, of) != of or name in self._factories:
            raise TalkbenchError(f"{self.kind} {name!r} is registered already; choose another name")
        self._aliases[name] = of
        if not listed:
            self._unlisted.add(name)

    def resolve(self, name: str) -> str:
        """The name that an alias stands for; any other name as it is."""
        self._load()
        return self._aliases.get(name, name)

    def __contains__(self, name: str) -> bool:
        """Whether there is an entry of that very name, listed or not."""
        name = self.resolve(name)
        return name in self._factories or name in self._plugins

    def names(self) -> list[str]:
        """All listed names, sorted; plugins are listed without being imported."""
        self._load()
        return sorted({*self._factories, *self._aliases, *self._plugins} - self._unlisted)

    def get(self, name: str) -> Callable[..., T]:
        """The factory registered as `name`, or for ``name@variant`` that of `name` with the variant given.

        Raises:
            TalkbenchError: an unknown name (the nearest known ones are offered), one whose absence can be
                explained, or a plugin that cannot be imported.
        """
        name = self.resolve(name)
        if name in self._plugins and name not in self._factories:
            self._factories[name] = self._import(self._plugins[name])
        if name in self._factories:
            return self._factories[name]
        bare, _, variant = name.partition("@")
        if variant:
            factory = self.get(bare)
            bound = isinstance(factory, partial) and "variant" in factory.keywords
            if not bound and "variant" in inspect.signature(factory).parameters:
                return partial(factory, variant=variant)
        raise TalkbenchError(self.explain(name) or f"unknown {self.kind} {name!r}: {nearest(name, self._known(name))}")

    def _known(self, name: str) -> Iterable[str]:
        """What an unknown `name` may have been meant to be: unlisted names only where they are very close."""
        return {*self.names(), *difflib.get_close_matches(name, self._unlisted, n=1, cutoff=0.9)}

    def create(self, name: str, **options: object) -> T:
        """Build the entry `name` or ``name@variant`` with the given options."""
        return self.get(name)(**options)

    def _load(self) -> None:
        if self._loaded:
            return
        for module in self._modules:
            importlib.import_module(module)
        plugins: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            if point.name in self._factories or point.name in self._aliases or point.name in plugins:
                owner = _owner(point)
                raise TalkbenchError(
                    f"{self.kind} {point.name!r} of {owner} is registered already; "
                    f"uninstall {owner} or rename its entry"
                )
            plugins[point.name] = point
        self._plugins = plugins
        self._loaded = True

    def _import(self, point: EntryPoint) -> Callable[..., T]:
        try:
            factory: Callable[..., T] = point.load()
        except Exception as error:
            raise TalkbenchError(
                f"{self.kind} {point.name!r} of {_owner(point)} cannot be imported: {error!r}; "
                f"mend or uninstall {_owner(point)}"
            ) from error
        return factory


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value
