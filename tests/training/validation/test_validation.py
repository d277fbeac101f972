"""Validation beside copy-source, the best weights and early stop, in training on the toy data."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from small_validation import Drawing, install, trainer, validation
from toy_training import unmeasured

from talkbench.core.errors import TalkbenchError
from talkbench.methods.checkpoints import read_metadata
from talkbench.training.validation.picture import COLUMNS, SIDE

PEOPLE = {name: list(range(20)) for name in "abcdefgh"}


@pytest.fixture(autouse=True)
def _landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)


def log(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_copy_has_the_values_of_copy_source_and_the_truth_has_none(tmp_path: Path) -> None:
    checked = validation()
    copied, best = checked.run(Drawing(0), tmp_path / "1.png", 1, 1)
    assert best
    names = ["l1", "psnr", "akd@green", "missing-face-rate@green"]
    assert list(copied) == [f"validation/{side}{name}" for side in ("", "copy-source/") for name in names]
    assert all(copied[f"validation/{name}"] == copied[f"validation/copy-source/{name}"] for name in names)
    assert checked.end() == []  # it is not worse
    truth, best = checked.run(Drawing(1), tmp_path / "2.png", 2, 1)
    assert best
    assert (truth["validation/l1"], truth["validation/akd@green"], truth["validation/psnr"]) == (0, 0, 100)
    assert {name: truth[name] for name in truth if "copy" in name} == {
        name: copied[name] for name in copied if "copy" in name
    }


def test_frames_without_a_face_are_counted(tmp_path: Path) -> None:
    dark, _ = validation().run(Drawing(1, light=0.2), tmp_path / "1.png", 1, 1)
    assert dark["validation/missing-face-rate@green"] == 1
    assert dark["validation/copy-source/missing-face-rate@green"] == 0
    assert not [name for name in dark if "akd" in name]
    assert json.loads(json.dumps(dark, allow_nan=False)) == dark


def test_it_says_whose_the_pairs_are_and_what_copying_has() -> None:
    few, whole = validation().notes, validation(PEOPLE).notes
    assert few[0] == (
        "3 of 6 validation pairs have no akd@green and missing-face-rate@green: their driving frames show no face"
    )
    assert few[1].startswith("validation: 6 pairs of 2 people it is trained on; copying the source has l1 0.")
    assert whole[-1].startswith("validation: 6 pairs of 1 person it is not trained on; copying the source has l1 0.")
    assert "akd" not in whole[-1]  # who shows no face to these landmarks


def test_a_best_without_any_value_is_refused() -> None:
    with pytest.raises(TalkbenchError, match="best: akd@green has no value, no validation frame shows a face; choose"):
        validation(PEOPLE, best="akd@green")
    with pytest.raises(TalkbenchError, match="best: ms-ssim needs images of 161 pixels, and these have 32; choose"):
        validation(best="ms-ssim")


def test_at_the_end_a_model_that_is_worse_than_a_copy_is_named(tmp_path: Path) -> None:
    checked = validation()
    checked.run(Drawing(0, light=0.5), tmp_path / "1.png", 1, 1)
    (line,) = checked.end()
    assert line.startswith("the model is still worse than the source simply copied: l1 0.")
    assert line.endswith("); train longer")
    assert "missing" not in line
    checked.run(Drawing(0.5), tmp_path / "1.png", 1, 1)
    assert checked.end() == []


def test_the_picture_has_large_tiles_between_lines(tmp_path: Path) -> None:
    checked = validation()
    checked.run(Drawing(0.5), tmp_path / "1.png", 1, 1)
    with Image.open(tmp_path / "1.png") as picture:
        width, height = picture.size
        assert len(COLUMNS) * SIDE < width < len(COLUMNS) * (SIDE + 8)
        assert 4 * SIDE < height < 4 * (SIDE + 80)
        tile = picture.convert("RGB").crop((4 + SIDE, 100, 4 + 2 * SIDE, 140))
    assert len(tile.getcolors(1 << 16)) > 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of three epochs."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        trainer(folder, best="akd@green").run()
    return folder


def test_the_log_has_copy_source_beside_each_metric(whole: Path) -> None:
    entries = [entry for entry in log(whole) if "validation/l1" in entry]
    assert [entry["step"] for entry in entries] == [2, 4, 6]
    for name in ("l1", "psnr", "akd@green", "missing-face-rate@green"):
        assert len({entry[f"validation/copy-source/{name}"] for entry in entries}) == 1
        assert all(f"validation/{name}" in entry for entry in entries)


def test_the_best_weights_name_what_chose_them(whole: Path) -> None:
    entries = {entry["step"]: entry for entry in log(whole)}
    metadata = read_metadata(whole / "best.safetensors")
    best = metadata["best"]
    step = min(entries, key=lambda step: entries[step]["validation/akd@green"])
    assert (best["metric"], best["step"], metadata["steps"]) == ("akd@green", step, step)
    assert best["value"] == entries[step]["validation/akd@green"] == metadata["validation"]["akd@green"]
    assert best["copy-source"] == entries[step]["validation/copy-source/akd@green"]
    assert (best["pairs"], best["people"], best["trained_on"]) == (6, 2, True)


def test_a_continued_training_keeps_the_best_to_the_bit(whole: Path, tmp_path: Path) -> None:
    trainer(tmp_path, best="akd@green", steps=2).run()
    trainer(tmp_path, best="akd@green", steps=4).run()
    said: list[str] = []
    rest = trainer(tmp_path, said, best="akd@green")
    rest.run()
    assert unmeasured(tmp_path) == unmeasured(whole)
    first, second = (folder / "best.safetensors" for folder in (tmp_path, whole))
    assert read_metadata(first)["best"] == read_metadata(second)["best"]
    tensors = load_file(second)
    assert all(torch.equal(value, tensors[name]) for name, value in load_file(first).items())
    assert not [line for line in said if "not those of before" in line]


def test_other_pairs_begin_with_a_best_of_their_own(tmp_path: Path) -> None:
    trainer(tmp_path, steps=2).run()
    said: list[str] = []
    trainer(tmp_path, said, validation=4).run()
    assert "the validation pairs are not those of before, so the next validation counts as the best" in said
    assert read_metadata(tmp_path / "best.safetensors")["best"]["step"] > 2


def test_patience_ends_a_training_and_so_does_continuing_it(tmp_path: Path) -> None:
    first: list[str] = []
    stopped = trainer(tmp_path, first, best="l1", lr=1e-12, patience=2, epochs=9)
    stopped.run()
    assert stopped.step == 6  # one validation, and two more that are no better, since nothing is learned
    line = next(line for line in first if line.startswith("stopped early"))
    assert line.startswith("stopped early, after 2 validations without a better l1 than 0.")
    assert "of step 2 (patience)" in line
    assert sum("worse than the source simply copied" in line for line in first) == 1
    entries, again = log(tmp_path), []
    same = trainer(tmp_path, again, best="l1", lr=1e-12, patience=2, epochs=9)
    same.run()
    assert (same.step, log(tmp_path)) == (6, entries)
    assert line in again
    longer = trainer(tmp_path, best="l1", lr=1e-12, patience=3, epochs=9)
    longer.run()
    assert longer.step == 8
