"""The layouts of tables, one YAML file each: those of the papers in this package, or files of users."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest, own_case
from talkbench.core.yaml_files import read_yaml
from talkbench.results import RunRecord, published
from talkbench.results.published import PublishedCell

LAYOUTS = Path(__file__).parent / "layouts"
"""The folder of the papers' layouts, ``<name>.yaml`` each."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LayoutColumn(_Strict):
    """A column.

    Attributes:
        metric: its heading, in published tables the name in ``tables.csv``; measured metrics of that family go below.
        variants: full ids of the metrics that the published column may hold, the likeliest first.
        caveat: what is uncertain even with one of the variants; becomes a note to measured cells.
    """

    metric: str
    variants: tuple[str, ...]
    caveat: str = ""


class LayoutGroup(_Strict):
    """Columns whose numbers come from one test; a measured cell that departs from it is marked.

    Attributes:
        heading: stands above the columns; empty: nothing does.
        published: the table with the printed numbers, as in ``paper 1a`` or ``supplement 3``; empty: there are none.
        tasks: all that the columns show; in published tables the tasks that the test may have had, the likeliest first.
        motions, image_size: those the published test may have had, likeliest first; without `published`, those that
            the columns show if they are stated, else all.
        pairs: how many the published test may have had; none: any number.
        pair_lists: sha256 of the files that are the published pair list.
        caveat: what is uncertain about the test; becomes a note to measured cells.
        departs: why no run can repeat the published test; empty: one can.
        others: further data sets whose runs stand in the columns, by name, and why their test is not the published one.
    """

    heading: str = ""
    published: str = ""
    dataset: str
    tasks: tuple[str, ...] = Field(min_length=1)
    motions: tuple[str, ...] = ("absolute",)
    pairs: tuple[int, ...] = ()
    image_size: int = 256
    pair_lists: tuple[str, ...] = ()
    caveat: str = ""
    departs: str = ""
    others: dict[str, str] = Field(default_factory=dict)
    columns: tuple[LayoutColumn, ...] = Field(min_length=1)

    def holds(self, record: RunRecord) -> bool:
        """Whether the run stands in the columns, by its data set and task and, as far as stated, its motion and image
        size."""
        data = record.dataset
        return (
            data.name in (self.dataset, *self.others)
            and data.image_size == self._stated("image_size", data.image_size)
            and data.task in self.tasks
            and data.motion in self._stated("motions", (data.motion,))
        )

    def asks_for(self, record: RunRecord) -> bool:
        """Whether the run is of this test and has a metric of a column."""
        families = {column.metric.lower() for column in self.columns}
        return self.holds(record) and any(spec.family in families for spec in record.metrics)

    def _stated(self, field: str, otherwise: Any) -> Any:
        """A fact of the test; `otherwise` in columns without published numbers whose layout does not state it."""
        return getattr(self, field) if self.published or field in self.model_fields_set else otherwise

    def cells(self) -> list[PublishedCell]:
        """The printed numbers of `published` on this data set; raises `TalkbenchError` for an unknown table."""
        if not self.published:
            return []
        document, _, table = self.published.partition(" ")
        return [cell for cell in published.table(document, table) if cell.dataset == self.dataset]


class LayoutRow(_Strict):
    """A system.

    Attributes:
        published: its ``system_key`` in ``tables.csv``, with ``@variant`` where it has one; empty: it is not there.
        label: in place of the method's own name.
        methods: names of methods, as runs record them (``fomm@vox-256``), whose runs belong here.
        dataset: the data set of these runs; empty: any that the columns show.
    """

    published: str = ""
    label: str = ""
    methods: tuple[str, ...] = ()
    dataset: str = ""

    def has(self, record: RunRecord) -> bool:
        """Whether the run belongs here."""
        return record.method.name in self.methods and self.dataset in ("", record.dataset.name)

    @model_validator(mode="after")
    def _named(self) -> LayoutRow:
        if not (self.published or self.label):
            raise ValueError("a row needs a label, or published")
        return self


class Layout(_Strict):
    """A table.

    Attributes:
        notes: keys of the contradictions in ``notes.yaml`` that concern it (``n1``).
        remarks: sentences under the table.
    """

    title: str
    groups: tuple[LayoutGroup, ...] = Field(min_length=1)
    rows: tuple[LayoutRow, ...] = ()
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def columns(self) -> list[tuple[LayoutGroup, LayoutColumn]]:
        """All columns from left to right, each with its test."""
        return [(group, column) for group in self.groups for column in group.columns]

    @property
    def headings(self) -> tuple[tuple[str, int], ...]:
        """The headings above the columns, each with the number of columns it spans; empty: there are none."""
        headings = tuple((group.heading, len(group.columns)) for group in self.groups)
        return headings if any(heading for heading, _ in headings) else ()


@cache
def names() -> tuple[str, ...]:
    """The tables of the paper (``1a``, ``1b``, ``2``) and of its supplement (``s1`` to ``s7``)."""
    return tuple(sorted(path.stem for path in LAYOUTS.glob("*.yaml")))


@cache
def load_layout(name: str) -> Layout:
    """The layout ``layouts/<name>.yaml`` of this package, as in ``load_layout("1a")``.

    Raises:
        TalkbenchError: there is no such layout.
    """
    name = own_case(name, names())
    if name not in names():
        raise TalkbenchError(f"no table {name!r}: {nearest(name, names())}")
    return read_layout(LAYOUTS / f"{name}.yaml")


def read_layout(path: Path) -> Layout:
    """The layout in a YAML file.

    Raises:
        TalkbenchError: it cannot be read, or holds something else; the message says where.
    """
    try:
        layout = Layout.model_validate(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise TalkbenchError(f"{path}, {where}: {first['msg']}; see those in {LAYOUTS}") from error
    notes = published.notes().notes
    unknown = [note for note in layout.notes if note not in notes]
    if unknown:
        raise TalkbenchError(f"{path}: no note {unknown[0]!r}: {nearest(unknown[0], notes)}")
    for row in layout.rows:
        if row.published and not any(row.published in keys(cell) for group in layout.groups for cell in group.cells()):
            raise TalkbenchError(f"{path}: no published numbers of {row.published!r} in the tables that it names")
    return layout


def keys(cell: PublishedCell) -> set[str]:
    """The keys by which a row may name the system of a published cell; the full model has its plain key, too."""
    named = f"{cell.system_key}@{cell.variant}" if cell.variant else cell.system_key
    return {named, cell.system_key} if cell.variant in ("", "full") else {named}
