"""Every way of damaging an entry is found, and sound ones are taken in."""

import json
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from damaged_entries import agree, change, change_rows, set_
from site_entries import picture

from talkbench import results
from talkbench.core.errors import TalkbenchError
from talkbench.results.checks.plausibility import Expected
from talkbench.results.entries import Entry, EntryInfo, load_entries
from talkbench.results.validation import faults, import_entry, validate


@pytest.fixture
def folder(sound: Entry, tmp_path: Path) -> Path:
    """A copy of the sound entry, to be damaged."""
    return Path(shutil.copytree(sound.folder, tmp_path / "entries" / "mine"))


def change_columns(folder: Path, **columns: list[object]) -> None:
    """Put columns into the rows that pandas could not have written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "rows.parquet")
    for name, values in columns.items():
        column = table.column_names.index(name)
        changed = [*values, *table[name].to_pylist()[len(values) :]]
        table = table.set_column(column, table.schema.field(name), pa.array(changed, table.schema.field(name).type))
    pq.write_table(table, folder / "rows.parquet")
    agree(folder)


def rename_entry(folder: Path) -> None:
    change(folder / "entry.json", set_("name", "yours"))


def link_out(folder: Path) -> None:
    (folder / "summary.json").unlink()
    (folder / "summary.json").symlink_to("/etc/hostname")


def link_thumbnails(folder: Path) -> None:
    shutil.move(folder / "thumbnails", folder.parent.parent / "elsewhere")
    (folder / "thumbnails").symlink_to(folder.parent.parent / "elsewhere")


def large_picture(folder: Path) -> None:
    (folder / "thumbnails" / "000000-source.webp").write_bytes(picture(0, side=260))
    agree(folder)


def large_entry(folder: Path) -> None:
    name = folder / "thumbnails" / "000000-source.webp"
    name.write_bytes(name.read_bytes() + os.urandom(3_000_000))
    agree(folder)


def list_outside(folder: Path) -> None:
    info = json.loads((folder / "entry.json").read_text())
    info["files"]["../mine"] = "0" * 64
    (folder / "entry.json").write_text(json.dumps(info))


def append_row(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, rows.iloc[:1]])


DAMAGES = {
    "wrong hash": (lambda f: (f / "summary.json").write_text("{}"), r"summary.json is not the file that entry.json"),
    "missing file": (lambda f: (f / "rows.parquet").unlink(), r"rows.parquet is missing"),
    "missing entry.json": (lambda f: (f / "entry.json").unlink(), r"is no entry: entry.json is missing"),
    "extra file": (lambda f: (f / "run.py").write_text("print()"), r"run.py is not listed in entry.json"),
    "extra folder": (lambda f: (f / ".git").mkdir(), r"\.git is a folder that no entry has"),
    "strange file name": (lambda f: (f / "a\nb\x1b[2J").write_text(""), r"a\\nb\\x1b\[2J is not listed"),
    "link to a file": (link_out, r"summary.json is a link"),
    "link to a folder": (link_thumbnails, r"thumbnails is a link"),
    "other name": (rename_entry, r"is named 'yours' and its folder 'mine'"),
    "path outside": (list_outside, r"entry.json is not a talkbench EntryInfo: files"),
    "absolute path": (lambda f: change(f / "entry.json", set_("thumbnails", 0, "source", "/etc/x")), r"thumbnails\.0"),
    "unlisted picture": (
        lambda f: change(f / "entry.json", set_("thumbnails", 0, "source", "thumbnails/000009-source.webp")),
        r"files does not list thumbnails/000009-source\.webp",
    ),
    "newer entry": (
        lambda f: change(f / "entry.json", set_("schema_version", 2)),
        r"schema version 2, above 1; upgrade",
    ),
    "newer record": (lambda f: change(f / "run.json", set_("schema_version", 2)), r"run.json has schema version 2"),
    "unknown field": (lambda f: change(f / "entry.json", set_("colour", "red")), r"colour: Extra inputs"),
    "NaN": (lambda f: change(f / "summary.json", set_("metrics", 0, "mean", float("nan"))), r"metrics\.0\.mean"),
    "infinite": (lambda f: change(f / "entry.json", set_("frames_per_second", float("inf"))), r"frames_per_second"),
    "text in a number": (lambda f: change(f / "summary.json", set_("metrics", 0, "mean", "0.5")), r"mean: .* number"),
    "text in a count": (lambda f: change(f / "run.json", set_("dataset", "pairs", "8")), r"dataset\.pairs: .* integer"),
    "script in a link": (
        lambda f: change(f / "entry.json", set_("links", "paper", "javascript:alert(1)")),
        r"links\.paper: String should match",
    ),
    "line break in a label": (lambda f: change(f / "entry.json", set_("label", "a\nb")), r"label: .* one line"),
    "endless text": (lambda f: change(f / "entry.json", set_("note", "x" * 501)), r"note: String should have at most"),
    "not JSON": (lambda f: (f / "entry.json").write_text("{"), r"entry.json is not JSON"),
    "endless nesting": (lambda f: (f / "entry.json").write_text("[" * 100_000), r"entry.json is not JSON"),
    "not text": (lambda f: (f / "entry.json").write_bytes(b"\xff\xfe"), r"cannot read .*entry.json"),
    "endless file": (lambda f: (f / "entry.json").write_text(" " * 2_000_001), r"entry.json is larger than 2 MB"),
    "protocol id": (lambda f: change(f / "run.json", set_("protocol_ids", "psnr", "0" * 12)), r"protocol id of psnr"),
    "a folder of mine": (
        lambda f: change(f / "run.json", set_("command", "bench run --root /home/me/data")),
        r"run.json names a folder of the machine",
    ),
    "summary": (
        lambda f: change(f / "summary.json", set_("metrics", 1, "mean", 99.0)),
        r"summary.json: the summary of psnr does not follow from rows.parquet",
    ),
    "row": (lambda f: change_columns(f, value=[0.0]), r"summary.json: the summary of akd@mtcnn5 does not follow"),
    "NaN in a row": (lambda f: change_columns(f, value=[float("nan")]), r"holds a value that is not finite"),
    "infinite weight": (lambda f: change_columns(f, weight=[float("inf")]), r"holds a weight that is not finite"),
    "negative weight": (lambda f: change_columns(f, weight=[-1.0]), r"holds a negative weight"),
    "row without a clip": (lambda f: change_columns(f, source_clip=[None]), r"has an empty field besides value"),
    "row without a reason": (lambda f: change_columns(f, value=[None]), r"without value and without reason"),
    "folder in a row": (lambda f: change_columns(f, message=["no /home/me/x.png"]), r"rows.parquet names a folder"),
    "other frames": (lambda f: change_columns(f, source_clip=["other"]), r"gives pair 0 two sets of frames"),
    "fewer pairs": (lambda f: change_rows(f, lambda rows: rows[rows["pair"] != 3]), r"rows of 7 pairs .* has 8"),
    "row twice": (lambda f: change_rows(f, append_row), r"two rows of pair 0 and akd@mtcnn5"),
    "unknown metric": (
        lambda f: change(f / "run.json", lambda run: run["metrics"].pop(0)),
        r"rows.parquet holds 'l1', which run.json does not list",
    ),
    "half a table": (
        lambda f: ((f / "rows.parquet").write_bytes((f / "rows.parquet").read_bytes()[:-20]), agree(f)),
        r"rows.parquet is damaged",
    ),
    "no table": (lambda f: ((f / "rows.parquet").write_text("pair,value\n"), agree(f)), r"rows.parquet is damaged"),
    "no picture": (
        lambda f: ((f / "thumbnails" / "000005-driving.webp").write_text("<svg onload=alert(1)>"), agree(f)),
        r"000005-driving.webp is no WebP picture",
    ),
    "large picture": (large_picture, r"000000-source.webp is larger than 256 pixels"),
    "large entry": (large_entry, r"mine has 3\.0 MB and may have 3\.0"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_named_in_a_line(folder: Path, damage: str) -> None:
    spoil, message = DAMAGES[damage]
    spoil(folder)
    lines = faults(folder)
    assert any(re.search(message, fault) for fault in lines), lines
    for fault in lines:
        assert fault.isprintable()
        assert str(folder) in fault
        assert re.search(r"; .|upgrade", fault) or "not a talkbench" in fault
    with pytest.raises(TalkbenchError, match="mine"):
        import_entry(folder, folder.parent.parent / "other")
    assert not (folder.parent.parent / "other" / "mine").exists()


@pytest.mark.parametrize(
    "damage", ["wrong hash", "missing file", "extra file", "link to a file", "newer record", "NaN"]
)
def test_a_damaged_entry_is_not_loaded(folder: Path, damage: str) -> None:
    DAMAGES[damage][0](folder)
    with pytest.raises(TalkbenchError, match="mine") as caught:
        load_entries(folder.parent)
    assert "\n" not in str(caught.value)


def test_all_faults_are_listed(folder: Path) -> None:
    (folder / "run.py").write_text("")
    large_picture(folder)
    change(folder / "summary.json", set_("metrics", 0, "mean", 9.0))
    assert len(faults(folder)) == 3
    assert validate(folder) == ([], faults(folder))


def test_files_that_lack_later_fields_stay_readable(folder: Path) -> None:
    """What has a default may have come after the file was written."""
    for name, model in (("entry.json", EntryInfo), ("run.json", results.RunRecord), ("summary.json", results.Summary)):
        optional = {key for key, field in model.model_fields.items() if not field.is_required()} - {"schema_version"}
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({key: content[key] for key in content if key not in optional}))
    shutil.rmtree(folder / "thumbnails")
    agree(folder)
    assert faults(folder) == []
    assert Entry.load(folder).info.thumbnails == ()


def test_two_entries_of_one_thing(sound: Entry, tmp_path: Path) -> None:
    root = tmp_path / "entries"
    for name in ("mine", "other"):
        shutil.copytree(sound.folder, root / name)
    change(root / "other" / "entry.json", set_("name", "other"))
    (root / "README.md").write_text("no entry")
    both = "mine and .*other are entries of the same thing"
    with pytest.raises(TalkbenchError, match=both):
        load_entries(root)
    entries, lines = validate(root)
    assert [entry.info.name for entry in entries] == ["mine", "other"]
    assert len(lines) == 1
    with pytest.raises(TalkbenchError, match=both):
        import_entry(root / "other", import_entry(sound.folder, tmp_path / "taken").folder.parent)
    change(root / "other" / "run.json", set_("method", "checkpoint_sha256", "d" * 64))
    assert [entry.info.name for entry in load_entries(root)] == ["mine", "other"]


@pytest.mark.parametrize("place", ["nowhere", "empty", "file"])
def test_folders_without_entries(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(TalkbenchError, match=f"{place} (is not a folder|holds no entry)"):
        validate(tmp_path / place)


def test_an_entry_is_taken_in_as_it_is(sound: Entry, tmp_path: Path) -> None:
    taken = import_entry(sound.folder, tmp_path / "entries")
    for path in sound.folder.rglob("*.*"):
        assert (taken.folder / path.relative_to(sound.folder)).read_bytes() == path.read_bytes()
    with pytest.raises(TalkbenchError, match="same thing"):
        import_entry(sound.folder, tmp_path / "entries")


def test_a_thumbnail_of_a_clip_of_which_no_picture_is_published(folder: Path) -> None:
    clip = Entry.load(folder).rows().set_index("pair")["driving_clip"].loc[5].iloc[0]
    lines = faults(folder, lambda record: Expected(may_show=lambda name: name != clip))
    assert (
        f"{folder / 'entry.json'} has a thumbnail of pair 5 with {clip}, of which no picture is published" in lines[0]
    )
    assert faults(folder, lambda record: Expected(may_show=lambda name: name != "another")) == []
