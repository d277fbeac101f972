"""The results of the calls of `talkbench`, which a notebook shows as tables and pictures."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from talkbench.core.errors import TalkbenchError
from talkbench.results.loading import Result, load

if TYPE_CHECKING:
    import pandas as pd

    from talkbench.benchmark.verify.figures import Figure
    from talkbench.core.console import VisibleConsole
    from talkbench.reports.runs import Run
    from talkbench.reports.statistics.paired import Paired
    from talkbench.reports.tables.table import Table
    from talkbench.results import RunRecord, Summary

MOST_EMBEDDED = 8_000_000
"""Largest size in bytes of a video that a notebook shows; of a larger one it shows the path."""


@dataclass(frozen=True, repr=False)
class Evaluation:
    """A finished run, or an entry made of one.

    Attributes:
        folder: of its files.
        record: how it was made.
        summary: a mean per metric, with the number of its pairs.
        rows: a row per pair and metric.
    """

    folder: Path
    record: RunRecord
    summary: Summary
    rows: pd.DataFrame

    @classmethod
    def read(cls, folder: Path | str) -> Evaluation:
        """The run or the entry in `folder`.

        Raises:
            TalkbenchError: the folder has neither, the run has not ended, or files are damaged.
        """
        result = Result.read(folder)
        return cls(result.folder, result.record, result.summary, result.rows)

    @property
    def page(self) -> Path:
        """The HTML page of the run.

        Raises:
            TalkbenchError: the result is an entry, which has no page.
        """
        path = self.folder / "index.html"
        if not path.is_file():
            raise TalkbenchError(f"{self.folder} has no page; bench leaderboard build makes the pages of entries")
        return path

    @property
    def run(self) -> Run:
        """The result in the form that tables and statistics take."""
        from talkbench.reports.runs import Run
        from talkbench.results.content import ContentStore

        return Run(self.record, self.summary, self.rows, contents=ContentStore(self.folder).read())

    def to_pandas(self) -> pd.DataFrame:
        """A row per metric, with the columns of `talkbench.results.load`."""
        return load(self.folder)

    def __repr__(self) -> str:
        from talkbench.reports.tables.terminal import print_terminal

        text = io.StringIO()
        print_terminal(self.record, self.summary, _plain_console(text, width=110))
        return text.getvalue().strip("\n")

    def _repr_html_(self) -> str:
        from talkbench.reports.tables.summary_lines import summary_lines

        data = self.record.dataset
        caption = f"{self.record.method.name} on {data.name}, {data.task}, {data.pairs} pairs"
        return _html_table(*summary_lines(self.record, self.summary), caption)


class Evaluations(Sequence[Evaluation]):
    """Several finished runs or entries."""

    def __init__(self, evaluations: Sequence[Evaluation]) -> None:
        self._evaluations = tuple(evaluations)

    def __len__(self) -> int:
        return len(self._evaluations)

    @overload
    def __getitem__(self, index: int) -> Evaluation: ...

    @overload
    def __getitem__(self, index: slice) -> Evaluations: ...

    def __getitem__(self, index: int | slice) -> Evaluation | Evaluations:
        if isinstance(index, slice):
            return Evaluations(self._evaluations[index])
        return self._evaluations[index]

    def to_pandas(self) -> pd.DataFrame:
        """A row per run and metric, with the columns of `talkbench.results.load`."""
        return load(*(evaluation.folder for evaluation in self))

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self))

    def _repr_html_(self) -> str:
        return "".join(evaluation._repr_html_() for evaluation in self)


@dataclass(frozen=True, repr=False)
class Comparison:
    """A result beside others on their common pairs.

    Attributes:
        tables: one for each of the others, as ``bench compare`` prints them.
        differences: the numbers in the tables, by the folder of the other result.
        left_out: by folder, why a result cannot be compared.
    """

    tables: tuple[Table, ...]
    differences: dict[Path, list[Paired]]
    left_out: dict[Path, str]

    def to_pandas(self) -> pd.DataFrame:
        """A row per other result and metric: ``other``, ``metric``, and the numbers of the comparison, unscaled."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"other": folder.name, "metric": paired.metric, **_numbers(paired)}
                for folder, comparison in self.differences.items()
                for paired in comparison
            ]
        )

    def __repr__(self) -> str:
        from talkbench.reports.tables.terminal import print_table

        text = io.StringIO()
        for table in self.tables:
            print_table(table, _plain_console(text, width=140))
        return text.getvalue().strip("\n") + "".join(f"\nleft out: {line}" for line in self._left_out())

    def _repr_html_(self) -> str:
        from talkbench.reports.pages.table_page import table_html

        remarks = "".join(f"<p>left out: {html.escape(line)}</p>" for line in self._left_out())
        return "".join(map(table_html, self.tables)) + remarks

    def _left_out(self) -> list[str]:
        return [f"{folder}: {reason}" for folder, reason in self.left_out.items()]


class Verification(list["Figure"]):
    """The figures of a result, computed again as far as this machine can."""

    @property
    def ok(self) -> bool:
        """Whether no figure is different."""
        return not any(figure.state == "different" for figure in self)

    def to_pandas(self) -> pd.DataFrame:
        """A row per figure: ``part``, ``subject``, ``name``, ``state``, ``stored``, ``found``, ``reason``."""
        import pandas as pd

        return pd.DataFrame([asdict(figure) for figure in self])

    def _repr_html_(self) -> str:
        headings = ["part", "subject", "figure", "state", "reason"]
        return _html_table(headings, [[f.part, f.subject, f.name, f.state, f.reason] for f in self], "computed again")


@dataclass(frozen=True)
class Animation:
    """What a method has made: its file, the number of its frames, the side of what the method generates, and the size
    of a written frame, which is another one side by side and pasted back; all in pixels. `lost` frames of the driver
    could not be read."""

    path: Path
    frames: int
    size: int
    width: int
    height: int
    lost: int = 0

    def _repr_html_(self) -> str:
        if self.path.stat().st_size > MOST_EMBEDDED:
            return f"<p>{html.escape(str(self.path))}</p>"
        data, kind = base64.b64encode(self.path.read_bytes()).decode(), self.path.suffix.lower().lstrip(".")
        if kind != "mp4":
            return f'<img alt="" src="data:image/{kind};base64,{data}">'
        return f'<video controls loop muted src="data:video/mp4;base64,{data}"></video>'


def _numbers(paired: Paired) -> dict[str, Any]:
    names = ("pairs", "clusters", "mean_a", "mean_b", "difference", "low", "high", "p", "p_holm", "coverage")
    return {name: getattr(paired, name) for name in names}


def _plain_console(text: io.StringIO, width: int) -> VisibleConsole:
    """A console that writes to `text` in a notebook too, where Rich else shows beside it what it should write."""
    from talkbench.core.console import VisibleConsole

    return VisibleConsole(file=text, width=width, force_jupyter=False, force_terminal=False)


def _html_table(headings: Sequence[str], lines: Sequence[Sequence[str]], caption: str) -> str:
    """A table of plain HTML with all texts escaped."""
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return (
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
