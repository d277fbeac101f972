"""Names to classes: in-tree entries by decorator, other people's packages by entry point."""

from __future__ import annotations

import difflib
import importlib
import inspect
import logging
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from talkbench.core.errors import TalkbenchError

T = TypeVar("T")
R = TypeVar("R")
LOG = logging.getLogger("talkbench")


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the known name closest to `name`, whatever the case of its letters; all of them
    where none is close."""
    names = {known_name.casefold(): known_name for known_name in sorted(set(known))}
    close = difflib.get_close_matches(name.casefold(), names, n=1, cutoff=0.5)
    return f"did you mean {names[close[0]]}?" if close else f"known: {', '.join(names.values()) or 'none'}"


def own_case(name: str, known: Iterable[str]) -> str:
    """That of the `known` names which `name` is but for the case of its letters; `name` itself where it is none."""
    names = list(known)
    return name if name in names else {each.casefold(): each for each in names}.get(name.casefold(), name)


def distribution_of(kind: type) -> str:
    """Name and version of the plugin that a class is from (``my-metrics 1.0``); "" for all other classes.

    A plugin is a package with an entry point in a group of talkbench's.
    """
    return _plugins(tuple(sys.path)).get(kind.__module__.partition(".")[0], "")


@lru_cache(maxsize=4)
def _points(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points of plugins, for which every installed distribution is looked through.

    Args:
        path: ``sys.path``, on which the answer depends.
    """
    points = entry_points()
    groups = [group for group in points.groups if group.startswith("talkbench.")]
    return tuple(point for group in groups for point in points.select(group=group))


@lru_cache(maxsize=4)
def _plugins(path: tuple[str, ...]) -> dict[str, str]:
    """The names and versions of the plugins by their modules at top level.

    Args:
        path: ``sys.path``, on which the answer depends.
    """
    return {
        point.module.partition(".")[0]: f"{point.dist.name} {point.dist.version}"
        for point in _points(path)
        if point.dist
    }


@dataclass(frozen=True)
class Declaration:
    """What is known of an entry of the tree before its module is imported.

    Attributes:
        module: full name of the module that registers it.
        of: the entry that it is another name of; "": it is one itself.
        listed: whether it is among the `Registry.names`.
    """

    module: str
    of: str = ""
    listed: bool = True


class Registry(Generic[T]):
    """Factories of one kind (``"method"``, ``"metric"``, ``"dataset"``) by name, whatever the case of its letters.

    A name may carry a variant, ``mcnet@demo``. A factory is registered under the full name, or
    under the bare one, and then receives the variant as its keyword ``variant``.

    Plugins that clash with another entry or cannot be imported are named once, in the log ``talkbench``, and left out;
    all else works as if they were not installed.

    Args:
        kind: what the entries are; used in messages and for the entry-point group
            ``talkbench.<kind>s``.
        package: whose modules register their entries when they are imported, which is at the first question; "": none.
        explain: why a name that people may look for has no entry; empty for any other name.
        declared: in place of a package, the entries of the tree by name. Questions about names are answered from these,
            and a module is imported when an entry of it is asked for.
        quiet: plugins that are left out are not named in the log; whoever uses the registry tells of its `faults`.

    Attributes:
        faults: why plugins have been left out up to now, a line for each, by the packages that they are from.
        owners: the packages of the plugins that have been imported, by the names of these.
    """

    def __init__(
        self,
        kind: str,
        package: str = "",
        explain: Callable[[str], str] = lambda name: "",
        declared: Callable[[], Mapping[str, Declaration]] = dict,
        quiet: bool = False,
    ) -> None:
        self.kind = kind
        self.explain = explain
        self.group = f"talkbench.{kind}s"
        self._package = package
        self._declared = declared
        self._modules: dict[str, str] = {}
        self._factories: dict[str, Callable[..., T]] = {}
        self._aliases: dict[str, str] = {}
        self._unlisted: set[str] = set()
        self._plugins: dict[str, EntryPoint] = {}
        self._broken: dict[str, str] = {}
        self._faulty: dict[str, str] = {}
        self._loaded = False
        self._quiet = quiet
        self.faults: dict[str, list[str]] = {}
        self.owners: dict[str, str] = {}

    def register(self, name: str, listed: bool = True) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Decorator that adds a factory (a class, usually); a name taken already is refused.

        Entries that are not `listed` are built like all others, and left out of `names`.
        """

        def add(factory: Callable[..., T]) -> Callable[..., T]:
            foreign = name in self._modules and self._modules[name] not in sys.modules  # its own module is not imported
            if self._factories.get(name, factory) is not factory or name in self._aliases or foreign:
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
        """The entry's own name: what an alias stands for, and the letters in the case that they are registered in."""
        self._load()
        taken = self._taken()
        if name not in taken:
            bare, at, variant = name.partition("@")
            name = own_case(name, taken)
            name = name if name in taken else own_case(bare, taken) + at + variant
        return self._aliases.get(name, name)

    def __contains__(self, name: str) -> bool:
        """Whether there is an entry of that very name, listed or not."""
        return self.resolve(name) in self._taken()

    def names(self, unlisted: bool = False) -> list[str]:
        """All listed names, sorted; with `unlisted` the others too. Plugins are listed without being imported."""
        self._load()
        return sorted(self._taken() - (set() if unlisted else self._unlisted))

    def importable(self, unlisted: bool = False) -> list[str]:
        """`names` without the plugins that cannot be imported."""
        self._load()
        for name in list(self._plugins):
            self._import(name)
        return self.names(unlisted)

    def factories(self) -> dict[str, Callable[..., T]]:
        """All entries, listed or not, by their own names: those of the tree, then the plugins that can be imported."""
        self.importable()
        for name in self._modules:
            self.get(name)
        return dict(self._factories)

    def each(self, describe: Callable[[str], R], unlisted: bool = False) -> dict[str, R]:
        """What `describe` says of every importable entry, by its name; with `unlisted` of unlisted ones too.

        An entry that makes it fail is other people's, mostly: it is named once, in the log, and left out.
        """
        described = {}
        for name in self.importable(unlisted):
            try:
                described[name] = describe(name)
            except Exception as error:
                line = f"{self.kind} {name!r} is left out: {' '.join(str(error).split()) or repr(error)}"
                if self._faulty.get(name) != line:
                    LOG.warning("%s", line)
                self._faulty[name] = line
        return described

    def check(self, name: str) -> None:
        """Refuse a name as `get` does, without importing a module of the tree whose entries are declared."""
        if self.resolve(name) not in self._modules:
            self.get(name)

    def get(self, name: str) -> Callable[..., T]:
        """The factory registered as `name`, or for ``name@variant`` that of `name` with the variant given.

        Raises:
            TalkbenchError: an unknown name (the nearest known ones are offered), one whose absence can be
                explained, or a plugin that cannot be imported.
        """
        name = self.resolve(name)
        if name in self._plugins:
            self._import(name)
        if name in self._modules:
            importlib.import_module(self._modules[name])
        if name in self._broken:
            raise TalkbenchError(self._broken[name])
        if name in self._factories:
            return self._factories[name]
        bare, _, variant = name.partition("@")
        if variant and bare not in self._modules:  # of which all variants are declared
            factory = self.get(bare)
            bound = isinstance(factory, partial) and "variant" in factory.keywords
            if not bound and "variant" in inspect.signature(factory).parameters:
                return partial(factory, variant=variant)
        raise TalkbenchError(self.explain(name) or f"unknown {self.kind} {name!r}: {nearest(name, self._near(name))}")

    def create(self, name: str, **options: object) -> T:
        """Build the entry `name` or ``name@variant`` with the given options."""
        return self.get(name)(**options)

    def _taken(self) -> set[str]:
        return {*self._modules, *self._factories, *self._aliases, *self._plugins}

    def _near(self, name: str) -> Iterable[str]:
        """What an unknown `name` may have been meant to be: unlisted names only where they are very close."""
        return {*self.names(), *difflib.get_close_matches(name, self._unlisted, n=1, cutoff=0.9)}

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True  # while they are imported, the modules of the package may ask for each other's entries
        for name, entry in self._declared().items():
            if entry.of:
                self.alias(name, entry.of, entry.listed)
            else:
                self._modules[name] = entry.module
                self._unlisted.update(() if entry.listed else (name,))
        if self._package:
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(package.__path__, f"{self._package}."):
                importlib.import_module(module.name)
        for point in _points(tuple(sys.path)):
            if point.group != self.group:
                continue
            if point.name in self._taken():
                self._leave_out(point, "its name is taken already; rename its entry or uninstall it")
            else:
                self._plugins[point.name] = point

    def _import(self, name: str) -> None:
        """Replace the plugin `name`, if it is one, by its factory, or by the reason why it has none."""
        point = self._plugins.pop(name)
        try:
            factory = point.load()
            if not callable(factory):
                raise TypeError(f"{point.value} is no class")
            self._factories[name] = factory
            self.owners[name] = _owner(point)
        except (Exception, SystemExit) as error:  # a program that ends itself when it is imported is no plugin either
            reason = f"it cannot be imported: {' '.join(repr(error).split())}; mend or uninstall it"
            self._broken[name] = self._leave_out(point, reason)

    def _leave_out(self, point: EntryPoint, reason: str) -> str:
        """Tell why a plugin is left out; returns the line that says so."""
        line = f"{self.kind} {point.name!r} of {_owner(point)} is left out, since {reason}"
        self.faults.setdefault(_owner(point), []).append(line)
        if not self._quiet:
            LOG.warning("%s", line)
        return line


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value
