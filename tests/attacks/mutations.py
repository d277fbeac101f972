"""Ways of spoiling a text, drawn by a generator with a seed."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any

TOKENS = [
    b"\x00", b"\x1b[31m", b"\xff\xfe", b"\xed\xa0\x80", b"\xe2\x80\xae", b"\r", b"\n", b"\t", b",", b";", b'"',
    b"'", b":", b"- ",
    b"{", b"}", b"]", b"#", b"*a", b"&a ", b"<<: ", b"? ", b"!!int zz", b"!!binary x", b"!!timestamp q", b"!!set {a}",
    b"!!python/name:os.system", b"2001-99-99", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00",
    b"NaN", b"-Infinity",
    b"1e999", b"-1", b"0x1g", b"1_0:60:60", b"true", b"null", b"~", b"''", b"9" * 5000, b"1" + b"0" * 30, b"[" * 2000,
    b'{"a":' * 2000, b"a" * 200_000, b"\xef\xbb\xbf", b"</script>", b"../../etc/passwd", b"--- a\n", b"%YAML 9.9\n",
]  # fmt: skip
"""What makes parsers stumble."""

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 10**15, 10**400, -(10**30), 1e308, -1e308, 5e-324, 0.5, float("nan"),
    float("inf"), "", "x",
    "\x1b[31m", "\u202e", "\ud800", "a\nb", "x" * 5000, "1", [], {}, [[]], [1, "2", None], {"": {}},
    ["x"] * 3000, "2001-99-99",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "../../x", "/home/me/x", "</script>", "psnr",
    "source", "higher",
    "set", "root-mean", "demo.yaml", "no-face-target", 2**63, 2**64,
]  # fmt: skip
"""What makes readers of JSON stumble."""


def spoiled(data: bytes, rng: random.Random) -> bytes:
    """The bytes after one to four changes: bits, stretches that go, come twice or change places, tokens, a cut."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = rng.randrange(len(data) + 1)
        stop = min(len(data), start + rng.choice((1, 2, 5, 30, 300)))
        kind = rng.randrange(8)
        if kind == 0 and start < len(data):
            data = data[:start] + bytes([data[start] ^ 1 << rng.randrange(8)]) + data[start + 1 :]
        elif kind == 1:
            data = data[:start] + data[stop:]
        elif kind == 2:
            data = data[:stop] + data[start:]
        elif kind in (3, 4):
            data = data[:start] + rng.choice(TOKENS) + data[start:]
        elif kind == 5:
            data = data[:start] + rng.choice(TOKENS) + data[stop:]
        elif kind == 6:
            lines = data.split(b"\n")
            a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[a], lines[b] = lines[b], lines[rng.choice((a, b))]
            data = b"\n".join(lines)
        else:
            data = data[:start] if rng.random() < 0.3 else data.replace(_number(data, rng), rng.choice(TOKENS), 1)
    return data


def _number(data: bytes, rng: random.Random) -> bytes:
    """A number or word that stands in the text."""
    words = data.replace(b",", b" ").replace(b":", b" ").replace(b'"', b" ").split() or [b"0"]
    return rng.choice(words)


def spoiled_json(text: str, rng: random.Random) -> bytes:
    """A JSON text in which some values are others, missing, or there twice."""
    content = json.loads(text)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        _change(content, rng)
    changed = json.dumps(content)
    if rng.random() < 0.05:
        changed = changed.replace("{", '{"name": 0, "name": 1, ', 1)
    return changed.encode()


def _change(content: Any, rng: random.Random) -> None:
    """Change a value somewhere in `content`."""
    place = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.85:
            place = place[key]
            continue
        break
    if rng.random() < 0.15:
        del place[key]
    elif isinstance(place, dict) and rng.random() < 0.1:
        place[str(rng.choice(VALUES))[:50]] = deepcopy(rng.choice(VALUES))
    else:
        place[key] = deepcopy(rng.choice(VALUES))
