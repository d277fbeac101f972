"""Text of others (names of clips, labels, keys of checkpoints) made safe for a terminal."""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: colours, cursor, title, line breaks
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of writing
    "\u2028\u2029\ufeff\ud800-\udfff\U000e0000-\U000e007f]"  # line breaks, marks, halves of pairs, invisible letters
)

_PLAIN = str.maketrans({
    "–": "-", "—": "-", "−": "-", "…": "...", "×": "x", "·": "-", "†": "+", "≥": ">=", "≤": "<=", "±": "+/-",
    "✓": "y", "✗": "n", "↑": "^", "↓": "v", "→": "->", "∞": "inf", "’": "'", "‘": "'", "“": '"', "”": '"',
    "\u00a0": " ", "\u202f": " ",
})  # fmt: skip
"""Our own signs, in ASCII."""


def visible(text: str, keep: str = "") -> str:
    r"""`text` with everything that would steer a terminal shown as Python writes it: ``\x1b``, ``\n``, ``\u202e``.

    Args:
        keep: characters that stay, such as the line breaks of a text of several lines.

    >>> print(visible("a" + chr(27) + "[31mb"))
    a\x1b[31mb
    """
    return _STEERING.sub(lambda match: match[0] if match[0] in keep else _escaped(match[0]), text)


def few(names: Sequence[str], most: int = 3) -> str:
    """The first names of a list, for messages, safe for a terminal; ``nothing`` for none."""
    return (", ".join(map(visible, names[:most])) or "nothing") + (", …" if len(names) > most else "")


def printable(name: str) -> str:
    """A file's name that can be encoded: bytes in it that are not UTF-8 become escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Our signs as ASCII ones, all else escaped."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode(error.encoding, "backslashreplace").decode(error.encoding), error.end


codecs.register_error("talkbench.ascii", _in_ascii)


class VisibleStream(io.TextIOBase):
    """A text stream that shows what would steer a terminal, whoever writes it (`visible`).

    Rich, whose styles are such characters, writes to `rich_proxied_file`, a name of its own; our consoles make the text
    visible before they style it (`core.console`). There is no `buffer`, past which others would write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def rich_proxied_file(self) -> TextIO:
        """The stream for text that is safe and styled."""
        return innermost(self._stream)

    def write(self, text: str) -> int:
        self._stream.write(visible(text, keep="\n\t"))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors


def innermost(stream: TextIO) -> TextIO:
    """The stream below ours and those that Rich lays over it while a progress bar is shown."""
    while hasattr(stream, "rich_proxied_file"):
        stream = stream.rich_proxied_file
    return stream


@contextmanager
def visible_output() -> Iterator[None]:
    """In the block standard output and error show what would steer a terminal, and take any character whatever their
    encoding is."""
    before = sys.stdout, sys.stderr
    for stream in before:
        _take_everything(stream)
    sys.stdout, sys.stderr = (stream and VisibleStream(stream) for stream in before)  # None under pythonw
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _is_locale_c() -> bool:
    """Whether the user has chosen the locale C, whose terminals Python takes for UTF-8, and no encoding beside it."""
    return os.environ.get("LC_ALL") in ("C", "POSIX") and not {"PYTHONIOENCODING", "PYTHONUTF8"} & set(os.environ)


def _take_everything(stream: Any) -> None:
    """Let a stream whose encoding lacks characters write others in their place."""
    if isinstance(stream, io.TextIOWrapper) and stream.isatty() and _is_locale_c():
        stream.reconfigure(encoding="ascii")
    if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
        stream.reconfigure(errors="talkbench.ascii")
    elif isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # halves of pairs, of file names that are not UTF-8
