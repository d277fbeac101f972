"""Ways of damaging an entry whose files agree with its list."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from talkbench.core.files import sha256_file
from talkbench.results.entries import Entry
from talkbench.results.run_store import write_rows


def change(path: Path, edit: Callable[[dict], object]) -> None:
    """Edit a JSON file of an entry."""
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    agree(path.parent)


def agree(folder: Path) -> None:
    """Make entry.json list the files as they are, so that what is wrong inside of them comes to light."""
    path = folder / "entry.json"
    info = json.loads(path.read_text())
    info["files"] = {name: sha256_file(folder / name) for name in info["files"] if (folder / name).is_file()}
    path.write_text(json.dumps(info))


def change_rows(folder: Path, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    write_rows(folder / "rows.parquet", edit(Entry.load(folder).rows()))
    agree(folder)


def set_(*path: object) -> Callable[[dict], None]:
    """An edit that puts the last of `path` at the place that the others name."""

    def edit(content: dict) -> None:
        *keys, last, value = path
        for key in keys:
            content = content[key]
        content[last] = value

    return edit
