"""Texts with fields such as ``{source}``, which a card holds and each call fills."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A field. Other braces, those of JSON for example, are text."""


def fields_of(template: Any) -> Iterator[str]:
    """The names of the fields in a text, and in all texts of a list or mapping."""
    if isinstance(template, str):
        yield from FIELD.findall(template)
    elif isinstance(template, Mapping):
        for key, value in template.items():
            yield from fields_of(key)
            yield from fields_of(value)
    elif isinstance(template, list | tuple):
        for value in template:
            yield from fields_of(value)


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with `values` for its fields; a text that is one field alone becomes the value, a number for one.

    >>> fill(["-s", "{source}", {"size": "{size}", "name": "{size}x{size}"}], {"source": "a b.png", "size": 256})
    ['-s', 'a b.png', {'size': 256, 'name': '256x256'}]
    """
    if isinstance(template, str):
        alone = FIELD.fullmatch(template)
        return values[alone[1]] if alone else FIELD.sub(lambda match: str(values[match[1]]), template)
    if isinstance(template, Mapping):
        return {fill(key, values): fill(value, values) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, values) for value in template]
    return template


def arguments(template: tuple[str, ...], values: Mapping[str, Any], motion: tuple[str, ...]) -> list[str]:
    """The arguments of a command, each one text whatever its characters; ``{motion}`` stands for those of the motion.

    >>> arguments(("demo.py", "{motion}", "-s", "{source}"), {"source": "a b.png"}, ("--relative", "--adapt"))
    ['demo.py', '--relative', '--adapt', '-s', 'a b.png']
    """
    whole = [part for text in template for part in (motion if text == "{motion}" else (text,))]
    return [str(fill(text, values)) for text in whole]
