"""The HTML pages: jinja2 templates of this package, every text escaped, no scripts, a strict content policy."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from talkbench.reports.model import CONTRADICTIONS, SYSTEMS


def render(name: str, **context: Any) -> str:
    """The template `name` with `context`; the style sheet is inlined and allowed by its hash alone."""
    return _environment().get_template(name).render(**context)


@cache
def _environment() -> Environment:
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (folder / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' file: data:; base-uri 'none'; "
        "form-action 'none'"
    )
    environment.globals.update(style=Markup(style), policy=policy)  # noqa: S704, our own file
    environment.globals.update(systems=SYSTEMS, contradictions=CONTRADICTIONS)
    return environment
