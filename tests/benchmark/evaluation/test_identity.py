"""Numbers that may be taken for one another, and those that may not: data ids, versions, packages."""

import shutil

import numpy as np
import pytest
import torch

from talkbench.core.images import read_image, write_png
from talkbench.results import RunStore
from talkbench.results.content import ContentStore, FrameName, data_id

PLUGIN_METHOD = """
from pathlib import Path
from talkbench.methods.baselines import CopySource

class Still(CopySource):
    version = {version}
    def __init__(self, weights: Path | None = None, variant: str = "") -> None:
        super().__init__()
        self.name = "still"
"""


@pytest.fixture
def copied(clips, tmp_path):
    """The clips once more, of the same names, one frame of b brighter by one level in one pixel."""
    root = tmp_path / "copied"
    shutil.copytree(clips, root)
    image = read_image(root / "b" / "3.png")
    image[20, 20] += 1
    write_png(root / "b" / "3.png", image)
    return root


def test_a_data_id_follows_from_what_the_frames_decode_to_and_not_from_their_files(score, clips, copied):
    first, other = score("--out", "first"), score("--out", "other", "--root", copied)
    data, data_there = first.record.dataset, other.record.dataset
    assert len(data.data_id) == 12
    assert data.data_id != data_there.data_id
    assert first.record.protocol_ids == other.record.protocol_ids
    contents, contents_there = (ContentStore(result.store.folder).read() for result in (first, other))
    assert data.data_id == data_id(contents)
    assert data.stored_sizes == {"48x48": len(contents)} == {"48x48": 16}
    differing = [frame for frame in contents if contents[frame].sha256 != contents_there[frame].sha256]
    assert differing == [FrameName("b", 3)]
    from PIL import Image

    with Image.open(clips / "b" / "3.png") as image:
        image.save(copied / "b" / "3.png", compress_level=0)  # another file with the same pixels
    again = score("--out", "again", "--root", copied, "--batch-size", 3)
    assert again.record.dataset.data_id == data.data_id


def test_of_a_folder_the_data_id_is_in_the_protocol_ids(bench, clips, copied):
    run = ("run", "--method", "copy-source", "--dataset", "folder", "--task", "reconstruction", "--metrics", "l1")
    first, other = bench(*run, "--root", clips, "--out", "first"), bench(*run, "--root", copied, "--out", "other")
    assert (first.code, other.code) == (0, 0)
    assert first.record.dataset.pairs_sha256 == other.record.dataset.pairs_sha256
    assert first.record.protocol_ids != other.record.protocol_ids


@pytest.mark.usefixtures("parted")
def test_a_run_is_not_continued_on_other_data(score, clips, copied):
    first = score("--out", "mine", "--batch-size", 4)
    sorted((first.store.folder / "rows").iterdir())[-1].unlink()
    rows = first.rows
    complaint = score("--out", "mine", "--batch-size", 4, "--resume", "--root", copied).complaint()
    assert "frame 3 of clip b differs from the one scored before (another data id)" in complaint
    assert RunStore("mine").rows().equals(rows)
    assert score("--out", "mine", "--batch-size", 4, "--resume").code == 0


def test_a_frame_that_cannot_be_decoded_any_more_is_named(score, copied):
    score("--out", "mine", "--root", copied)
    (copied / "b" / "3.png").write_bytes(b"no image")
    complaint = score("--out", "mine", "--resume", "--root", copied).complaint()
    assert "frame 3 of clip b cannot be decoded" in complaint


def test_a_run_on_other_data_is_no_run_done_before(bench, clips, copied):
    """One grid begins a run of its own; the same grid on the first data finds the first run again."""
    grid = ("run", "--method", "copy-source,oracle", "--dataset", "tiny", "--metrics", "l1")
    assert bench(*grid, "--root", clips).code == 0
    other = bench(*grid, "--root", copied)
    assert other.code == 0
    assert "done before" not in other.out
    assert "frame 3 of clip b differs from the one scored before" in other.err
    assert len(list(other.cwd.glob("runs/*/run.json"))) == 4
    assert bench(*grid, "--root", clips).out.count("done before") == 2


def test_data_that_change_during_a_run_are_named(score, copied, monkeypatch):
    original = RunStore.append

    def append(store, rows):
        original(store, rows)
        write_png(copied / "a" / "0.png", np.zeros((48, 48, 3), np.uint8))

    monkeypatch.setattr(RunStore, "append", append)
    ended = score("--root", copied, "--batch-size", 1, "--out", "mine")
    if ended.code:  # the frame may have been read already
        assert "frame 0 of clip a differs from the one scored before" in ended.err


@pytest.mark.usefixtures("parted")
@pytest.mark.parametrize("later", [1, 3, 16])
def test_a_run_goes_on_with_another_batch_size_and_thread_count(score, later):
    """What they change is less than the tolerance that the documentation states; the last batch is half done."""
    whole = score("--out", "whole", "--metrics", "l1,psnr,fid@tiny" if False else "l1,psnr")
    first = score("--out", "mine", "--batch-size", 6)
    for part in sorted((first.store.folder / "rows").iterdir())[1:]:
        part.unlink()
    torch.set_num_threads(2)
    resumed = score("--out", "mine", "--batch-size", later, "--resume")
    torch.set_num_threads(1)
    assert resumed.code == 0, resumed.err
    assert len(resumed.rows) == len(whole.rows)
    np.testing.assert_allclose(resumed.rows["value"], whole.rows["value"], rtol=1e-6)


def test_random_draws_follow_from_the_batches_so_their_size_must_stay(score):
    options = ("--out", "mine", "--set", "noise=0.3")
    first = score(*options, "--batch-size", 4)
    assert first.record.random
    complaint = score(*options, "--batch-size", 8, "--resume").complaint()
    assert "batch_size: 4 / 8, and blend draws random numbers for each batch" in complaint
    assert not score("--out", "plain").record.random


def test_a_plugin_of_another_version_does_not_continue_a_run(bench, clips, place, monkeypatch):
    def install(number):
        folder = place / f"site-{number}"
        info = folder / f"still_method-{number}.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"still_method_{number}.py").write_text(PLUGIN_METHOD.format(version=1))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: still-method\nVersion: {number}.0\n")
        (info / "entry_points.txt").write_text(f"[talkbench.methods]\nstill = still_method_{number}:Still\n")
        monkeypatch.syspath_prepend(str(folder))

    run = ("run", "--method", "still", "--dataset", "tiny", "--root", clips, "--metrics", "l1", "--out", "mine")
    install(1)
    first = bench(*run, "--limit", 4)
    assert first.code == 0, first.err
    assert first.record.method.distribution == "still-method 1.0"
    from talkbench import methods

    monkeypatch.setattr(methods.registry, "_loaded", False)
    for name in ("_plugins", "_factories"):
        monkeypatch.setattr(
            methods.registry, name, {k: v for k, v in getattr(methods.registry, name).items() if k != "still"}
        )
    install(2)
    complaint = bench(*run, "--limit", 4, "--resume").complaint()
    assert "method.distribution: still-method 1.0 / still-method 2.0" in complaint


def test_runs_on_other_data_are_not_compared(score, bench, clips, copied):
    """Not even across protocols; what differs is named where the frames are known, as in runs."""
    score("--out", "first")
    score("--out", "other", "--root", copied, "--method", "copy-source")
    for more in ((), ("--across-protocols",)):
        complaint = bench("compare", "first", "other", *more).complaint()
        assert "data id: " in complaint
        assert "frame 3 of clip b differs" in complaint
    for run in ("first", "other"):
        assert bench("results", "export", run, "--out", "entries", "--thumbnails", 0).code == 0
    entries = sorted(str(path) for path in (copied.parent / "entries").iterdir())
    assert "were scored on other frames of the same names (data id: " in bench("compare", *entries).complaint()


def test_a_part_of_a_list_is_compared_where_the_common_frames_are_the_same(score, bench):
    score("--out", "whole")
    score("--out", "part", "--limit", 5, "--method", "copy-source")
    assert "pair list" in bench("compare", "whole", "part").complaint()
    compared = bench("compare", "whole", "part", "--across-protocols")
    assert compared.code == 0, compared.err
    assert "data id" not in compared.out


def older(folder):
    """Make a run look as if it were made before data ids."""
    record = RunStore(folder).read_record()
    data = record.dataset.model_copy(update={"data_id": "", "stored_sizes": {}, "resizing": "", "stored_size": "48x48"})
    RunStore(folder).write_record(record.model_copy(update={"dataset": data}))
    shutil.rmtree(RunStore(folder).folder / "content")


def test_an_older_run_stays_readable_and_says_that_it_has_no_data_id(score, bench):
    score("--out", "new")
    score("--out", "old", "--method", "copy-source")
    older("old")
    complaint = bench("compare", "new", "old").complaint()
    assert "data id: " in complaint
    assert "/ none" in complaint
    marked = bench("compare", "new", "old", "--across-protocols")
    assert marked.code == 0
    assert "data id" in marked.out
    score("--out", "old-too", "--method", "oracle")
    older("old-too")
    both = bench("compare", "old", "old-too")
    assert both.code == 0, both.err
    assert "no data id" in " ".join(both.out.split())
    resumed = score("--out", "old", "--method", "copy-source", "--resume").complaint()
    assert "dataset.resizing" in resumed


def test_tables_mark_numbers_on_other_data_and_rank_none_of_them(score, bench, copied):
    score("--out", "runs/one")
    score("--out", "runs/other", "--root", copied, "--method", "copy-source")
    runs = ("runs/one", "runs/other")
    table = bench("tables", *runs, "--format", "csv")
    assert table.code == 0, table.err
    for run in runs:
        mark = RunStore(run).read_record().dataset.data_id
        assert f"data id {mark}: comparable only with cells of the same data id" in table.out
    lines = bench("tables", *runs, "--format", "markdown").out.splitlines()
    assert not any("**" in line for line in lines if line.startswith(("| blend", "| copy-source")))
    older("runs/other")
    assert "comparable only with cells of the same protocol" in bench("tables", *runs, "--format", "csv").out
    assert "no data id: the record is older" in bench("tables", "runs/other", "--format", "markdown").out


def test_verify_names_another_copy_of_the_data_and_blames_no_result_for_it(score, bench, clips, copied):
    score("--out", "mine", "--save-frames")
    here = bench("verify", "mine", "--root", clips, "-v")
    assert here.code == 0, here.err
    assert "data id" in here.out
    there = bench("verify", "mine", "--root", copied, "-v")
    text = " ".join(there.out.split())
    assert there.code == 0
    assert "not checkable" in text
    assert "another copy" in text
