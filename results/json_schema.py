"""The forms of the result files as JSON Schema, for programs that are not talkbench."""

from __future__ import annotations

import json

from talkbench.results.entries import ENTRY, RECORD, SUMMARY, EntryInfo
from talkbench.results.record import RunRecord
from talkbench.results.rows import Summary
from talkbench.results.strict import StrictModel

FILES: dict[str, type[StrictModel]] = {ENTRY: EntryInfo, RECORD: RunRecord, SUMMARY: Summary}


def json_schema() -> str:
    """One JSON Schema (2020-12) with the forms of ``entry.json``, ``run.json`` and ``summary.json`` under ``$defs``.

    A file is of one of them: ``#/$defs/EntryInfo``, ``#/$defs/RunRecord`` or ``#/$defs/Summary``.
    """
    from pydantic.json_schema import models_json_schema

    _, schema = models_json_schema(
        [(model, "validation") for model in FILES.values()],
        title="talkbench result files",
        description="; ".join(f"{name} is a {model.__name__}" for name, model in FILES.items()),
    )
    for model in FILES.values():
        schema["$defs"][model.__name__]["properties"] |= model.derived
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps({**dialect, **schema}, indent=2, ensure_ascii=False) + "\n"
