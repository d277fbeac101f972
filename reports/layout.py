"""The layouts of published tables, one YAML file each."""

from __future__ import annotations

from fnmatch import fnmatch
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Strict):
    """A column.

    Attributes:
        metric: its name in the published ``tables.csv``; measured metrics of that family go below.
        variants: full metric ids that are the published ones, the likeliest first.
        caveat: what is uncertain even then; a note to measured cells.
    """

    metric: str
    variants: tuple[str, ...]
    caveat: str = ""


class Layout(_Strict):
    """A table of a paper, with the protocol that its numbers were made by.

    Attributes:
        pair_lists: canonical sha256 of the pair lists known to be the published one.
        remarks: sentences under the table.
    """

    title: str
    document: str
    table: str
    dataset: str
    task: str
    motion: str
    pairs: int
    image_size: int
    pair_lists: tuple[str, ...]
    columns: tuple[Column, ...]
    remarks: tuple[str, ...] = ()


@cache
def load_layout(name: str) -> Layout:
    """The layout ``table_<name>.yaml`` of this package, as in ``load_layout("1a")``.

    Raises:
        TalkbenchError: there is no such layout.
    """
    import yaml

    file = files(__package__) / f"table_{name}.yaml"
    if not file.is_file():
        known = [item.name[6:-5] for item in files(__package__).iterdir() if fnmatch(item.name, "table_*.yaml")]
        raise TalkbenchError(f"no table {name!r}: {nearest(name, known)}")
    return Layout.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
