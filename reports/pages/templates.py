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


def render(name: str, **context: Any) -> str:
    """The template `name` with `context`; the style sheet is inlined and allowed by its hash alone."""
    return _environment().get_template(name).render(**context)


def environment(folder: Path) -> Environment:
    """The templates of a folder: every text is escaped, and an unknown name is an error."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def policy(style: str, scripts: Sequence[str] = ()) -> str:
    """The content policy of a page: it allows this inlined style sheet, these inlined scripts and pictures, no more."""
    allowed = f"script-src {' '.join(map(_digest, scripts))}; " if scripts else ""
    return (
        f"default-src 'none'; style-src {_digest(style)}; {allowed}img-src 'self' file: data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    folder = Path(__file__).parent
    templates = environment(folder)
    style = (folder / "style.css").read_text(encoding="utf-8")
    templates.globals.update(style=Markup(style), policy=policy(style))  # noqa: S704, our own file
    templates.globals.update(systems=SYSTEMS, contradictions=CONTRADICTIONS)
    return templates
