"""`bench results export --format …`: results in the formats of other programs."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic
from talkbench.reports.runs import Run
from talkbench.reports.tables.composition import measured_tables
from talkbench.reports.tables.writers import plain, to_latex
from talkbench.results.loading import load, load_pairs, read_results
from talkbench.results.model_index import model_index

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("csv", "parquet", "json")


def write_runs(runs: Sequence[Path], form: str, pairs: bool, out: Path | None) -> None:
    """Write runs or entries in the format of another program, to the file `out` or the terminal.

    Args:
        pairs: write a line per run, pair and metric, not per run and metric; the `TABLES` alone can.

    Raises:
        TalkbenchError: the format has no lines per pair, or needs a file, or a run cannot be read.
    """
    if pairs and form not in TABLES:
        raise TalkbenchError(f"--pairs goes with --format {', '.join(TABLES)}; leave it out")
    if form == "parquet" and out is None:
        raise TalkbenchError("--format parquet needs --out: the file to write")
    if form in TABLES:
        content = _table(load_pairs(*runs) if pairs else load(*runs), form)
    elif form == "latex":
        results = [Run(item.record, item.summary, item.rows) for item in read_results(*runs)]
        content = to_latex(*measured_tables(results))
    else:
        content = model_index(read_results(*runs))
    if out is None:
        click.echo(content, nl=False)
    else:
        write_atomic(out, content)
        click.echo(f"{form:<7} {out}")


def _table(frame: pd.DataFrame, form: str) -> str | bytes:
    if form == "parquet":
        file = io.BytesIO()
        frame.to_parquet(file, index=False)
        return file.getvalue()
    if form == "csv":
        texts = frame.select_dtypes(include=["object", "string"]).columns
        return frame.assign(**{name: frame[name].map(plain) for name in texts}).to_csv(index=False, lineterminator="\n")
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return json.dumps(records, indent=2, ensure_ascii=True, allow_nan=False, default=str) + "\n"
