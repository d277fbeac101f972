"""The entries in the repository: sound, small, of a clean checkout, and equal in all that can be computed again."""

from pathlib import Path

import pytest

from talkbench.benchmark.sharing.expectations import expected_of
from talkbench.benchmark.verify.figures import VerifyOptions, verify
from talkbench.benchmark.verify.rescore import Place
from talkbench.datasets.sets.demo import CLIPS
from talkbench.results.entries import Entry, load_entries
from talkbench.results.validation import faults

ENTRIES = Path(__file__).parents[3] / "results" / "entries"
FOLDERS = sorted(path for path in ENTRIES.iterdir() if path.is_dir())
SIZE = 300_000
METHODS = ("mcnet", "mraa", "dagan", "fomm", "tpsm", "facevid2vid", "x2face")
MEMORY = {"fomm@demo-memory", "tpsm@demo-memory"}
DEMO = {"copy-source", "oracle", *(f"{name}@demo" for name in METHODS), *MEMORY}


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """The clips of the demo without their pictures, which take long to cut: enough for its pair lists."""
    root = tmp_path_factory.mktemp("demo")
    for name, clip in CLIPS.items():
        (root / name).mkdir()
        for number in range(clip.frames):
            (root / name / f"{number:07d}.png").touch()
    return root


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return load_entries(ENTRIES)


def test_the_demo_tasks_are_filled(entries):
    for task, pairs in {"same-identity": 200, "reconstruction": 128, "cross-identity": 104}.items():
        shown = [entry for entry in entries if (entry.record.dataset.name, entry.record.dataset.task) == ("demo", task)]
        assert {entry.record.method.name for entry in shown} >= DEMO
        assert {entry.summary.pairs for entry in shown} == {pairs}
        ids = [entry.record.protocol_ids for entry in shown if entry.record.method.name in DEMO]
        assert all(one == ids[0] for one in ids), "the numbers may share a column"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_entry(folder, clips, entries):
    assert faults(folder, expected_of) == [], "no thumbnail of people whose clip states no licence among them"
    (entry,) = [entry for entry in entries if entry.folder == folder]
    assert entry.record.git
    assert not entry.record.git.dirty
    assert entry.info.thumbnails
    if entry.record.dataset.name == "demo":
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < SIZE
        figures = verify(VerifyOptions(folder, place=Place(root=clips, device="cpu")))
        assert [figure for figure in figures if figure.state == "different"] == []
        unknown = {figure.part for figure in figures if figure.state == "not checkable" and figure.name != "data id"}
        assert unknown <= {"frames", "method", "metrics"}  # the frames, the machine, the libraries of the run
