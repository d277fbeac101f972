"""Entries: written and read again."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from site_entries import spec, write

from talkbench import results
from talkbench.core.errors import TalkbenchError
from talkbench.results.entries import Entry, EntryDetails, load_entries, write_entry
from talkbench.results.validation import faults


def test_what_is_written_is_read_again(sound: Entry) -> None:
    again = Entry.load(sound.folder)
    assert again == sound
    assert (again.info.name, again.record.method.name, again.summary.pairs) == ("mine", "mcnet@demo", 8)
    assert [item.pair for item in again.info.thumbnails] == [0, 5]
    assert len(again.rows()) == 8 * 4
    assert load_entries(sound.folder.parent) == [sound]
    assert faults(sound.folder) == []
    listed = {path.relative_to(sound.folder).as_posix() for path in sound.folder.rglob("*.*")} - {"entry.json"}
    assert set(again.info.files) == listed
    with pytest.raises(TalkbenchError, match="is there already"):
        write(sound.folder.parent, "mine")


def test_a_link_in_place_of_an_entry(sound: Entry, tmp_path: Path) -> None:
    (tmp_path / "mine").symlink_to(sound.folder)
    with pytest.raises(TalkbenchError, match="mine is a link"):
        load_entries(tmp_path)


def test_details_that_go_together() -> None:
    with pytest.raises(ValueError, match="frames_per_second and device go together"):
        EntryDetails(name="x", label="x", frames_per_second=1.0)


def noise() -> bytes:
    """A WebP file that is larger than those of faces are."""
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, format="WEBP", quality=85)
    return file.getvalue()


def test_an_entry_of_the_usual_size_is_small(tmp_path: Path) -> None:
    record = results.RunRecord.model_validate(
        {
            **write(tmp_path, "small", pairs=1, pictured=()).record.model_dump(),
            "metrics": [spec(f"metric-{number:02d}@variant") for number in range(12)],
            "dataset": {"name": "vox", "task": "t", "pairs": 2083, "pairs_sha256": "a" * 64, "image_size": 256},
        }
    )
    draw = np.random.default_rng(0)
    pairs = pd.DataFrame({"pair": range(2083)})
    clips = [f"id{number}/{draw.bytes(8).hex()}/00001.mp4" for number in range(500)]
    pairs["source_clip"] = pairs["driving_clip"] = draw.choice(clips, 2083)
    pairs["source_index"], pairs["driving_index"] = draw.integers(0, 900, (2, 2083))
    rows = pairs.merge(pd.DataFrame({"metric": [metric.name for metric in record.metrics]}), how="cross")
    rows = rows.assign(value=draw.normal(20, 5, len(rows)), weight=1.0, reason="", message="")
    pictures = (noise(), noise(), noise())
    entry = write_entry(
        tmp_path, EntryDetails(name="large", label="x"), record, results.summarise(rows, record.metrics), rows,
        dict.fromkeys(range(0, 2083, 174), pictures),
    )  # fmt: skip
    assert len(entry.info.thumbnails) == 12
    assert sum(path.stat().st_size for path in entry.folder.rglob("*.*")) < 2_000_000
    assert faults(entry.folder) == []
