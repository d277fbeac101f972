"""Groups of commands, made of the modules in a folder; for a misspelt name they offer the nearest command."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Collection
from importlib import import_module
from typing import Any

import click

from talkbench.benchmark.cli.output import equipped
from talkbench.core.errors import TalkbenchError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110, "color": True}
"""`color`: click removes no escape sequences, which would hide them; `core.text` shows them."""


class NearestGroup(click.Group):
    """A group that offers the nearest command for a misspelt name; its commands have the options of every command."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        return command and equipped(command)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from talkbench.core.registry import nearest

        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise TalkbenchError(f"unknown command {args[0]!r}: {nearest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


class FolderGroup(NearestGroup):
    """A group whose commands are the modules of a package, each imported when it is asked for.

    A module defines its command, which may be a group, as `command`. The command has the name of the module, with ``-``
    for ``_`` and without a ``_`` at the end: ``best_frames.py`` holds ``best-frames``, ``import_.py`` holds ``import``.

    Args:
        package: full name of the package.
        helpers: its modules that are not commands.
    """

    def __init__(self, *, package: str, helpers: Collection[str] = (), **attributes: Any) -> None:
        super().__init__(**attributes)
        self._package, self._helpers = package, helpers

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._modules())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = self._modules().get(cmd_name)
        if module is None:
            return None
        command: click.Command = import_module(f"{self._package}.{module}").command
        return equipped(command)

    def _modules(self) -> dict[str, str]:
        """The modules by the names of their commands."""
        modules = (module.name for module in pkgutil.iter_modules(sys.modules[self._package].__path__))
        return {name.rstrip("_").replace("_", "-"): name for name in modules if name not in self._helpers}
