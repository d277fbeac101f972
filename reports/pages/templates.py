"""The HTML pages: jinja2 templates, every text escaped, under a strict content policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from talkbench.reports.tables.table import CONTRADICTIONS, SYSTEMS


def render(name: str, *, player: bool = False, **context: Any) -> str:
    """The template `name` with `context`; the style sheet is inlined and allowed by its hash alone.

    Args:
        player: whether the page has videos: it inlines the player, which is allowed by its hash as well.
    """
    style, scripts = text("style.css"), []
    if player:
        style, scripts = style + text("player.css"), [text("player.js")]
    inlined = {"style": Markup(style), "scripts": list(map(Markup, scripts))}  # noqa: S704, our own files
    rules = policy(style, scripts, videos=player)
    return _environment().get_template(name).render(**inlined, policy=rules, **context)


@cache
def text(name: str) -> str:
    """A style sheet or script of this folder; ``player.css`` and ``player.js`` are for all pages with videos."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def environment(folder: Path) -> Environment:
    """The templates of a folder: every text is escaped, and an unknown name is an error."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def policy(style: str, scripts: Sequence[str] = (), *, videos: bool = False) -> str:
    """The content policy of a page: it allows this inlined style sheet, these inlined scripts, pictures and, where the
    page has them, videos; no more."""
    allowed = f"script-src {' '.join(map(_digest, scripts))}; " if scripts else ""
    allowed += "media-src 'self' file:; " if videos else ""
    return (
        f"default-src 'none'; style-src {_digest(style)}; {allowed}img-src 'self' file: data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    templates = environment(Path(__file__).parent)
    templates.globals.update(systems=SYSTEMS, contradictions=CONTRADICTIONS)
    return templates
