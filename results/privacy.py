"""Removes the folders of somebody's machine from texts that are passed on."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from talkbench.core.paths import home
from talkbench.results.record import RunRecord

HIDDEN = "..."

_FOLDERS = re.compile(
    r"""(?<=['"])(?:[A-Za-z]:[\\/]|/)[^'"]+(?=['"])   # in quotes it may hold spaces
        | (?<![\w./\\])           # else not in the middle of a path or of an address
        (?!(?<=:)//)              # https://
        (?!(?<=<)/[A-Za-z][\w-]*>)  # </script>
        (?:file:/+|[A-Za-z]:[\\/]+(?!/)|\\\\|~[\w.-]*[\\/]|/)
        [^\s'"`()<>|,;]*[^\s'"`()<>|,;:.!?]""",
    re.VERBOSE,
)


def without_folders(text: str) -> str:
    """`text` with every absolute path cut down to its last part; a path that is cut already stays as it is.

    >>> without_folders("needs a.pth (https://x.org/b/a.pth) in /home/me/.cache/weights: pull it")
    'needs a.pth (https://x.org/b/a.pth) in .../weights: pull it'
    """
    for place in {str(Path.home()), str(Path.cwd()), str(home())}:
        if " " in place:  # the pattern would take the first space for the end of such a path
            text = text.replace(place + "/", f"{HIDDEN}/")
    return _FOLDERS.sub(_last_part, text)


def _last_part(match: re.Match[str]) -> str:
    parts = [part for part in re.split(r"[\\/]", match[0]) if part]
    return f"{HIDDEN}/{parts[-1]}" if parts else match[0]


def public(record: RunRecord) -> RunRecord:
    """The record without the folders that its command line and its reasons name."""
    content = _mapped(record.model_dump(mode="json", exclude={"command"}))
    return RunRecord.model_validate({**content, "command": _command(record.command)})


def _mapped(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _mapped(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_mapped(value) for value in content]
    return without_folders(content) if isinstance(content, str) else content


def _command(command: str) -> str:
    """A command line, in which a path with spaces is one word."""
    try:
        words = shlex.split(command)
    except ValueError:
        return without_folders(command)
    return shlex.join(_word(word) for word in words)


def _word(word: str) -> str:
    option, sign, value = word.partition("=") if word.startswith("-") else ("", "", word)
    rooted = re.match(r"[\\/~]|[A-Za-z]:[\\/]|file:", value) and not value.startswith(f"{HIDDEN}/")
    return option + sign + (re.sub(r".*[\\/](?=.)", f"{HIDDEN}/", value) if rooted else without_folders(value))
