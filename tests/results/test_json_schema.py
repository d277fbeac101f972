"""The forms of the files as JSON Schema."""

import json
from pathlib import Path

from talkbench.results.entries import Entry
from talkbench.results.json_schema import json_schema

ROOT = Path(__file__).parents[2]


def test_the_json_schema_is_current(sound: Entry) -> None:
    path = ROOT / "docs" / "result-files.schema.json"
    assert path.read_text(encoding="utf-8") == json_schema(), f"run: bench results schema --out {path}"
    forms = json.loads(json_schema())["$defs"]
    for name, form in (("entry.json", "EntryInfo"), ("run.json", "RunRecord"), ("summary.json", "Summary")):
        content = json.loads((sound.folder / name).read_text())
        assert set(content) == set(forms[form]["properties"])
        assert forms[form]["additionalProperties"] is False
