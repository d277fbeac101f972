"""The calls of `talkbench` as scripts and notebooks make them, on the plugin's method and data set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import talkbench as tb
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import read_image, write_png
from talkbench.results import RunStore

METRICS = ("l1", "psnr")


@pytest.fixture
def scored(clips: Path):
    """Scores the plugin's method by its name."""
    return lambda **options: tb.evaluate("blend", "tiny", root=clips, metrics=METRICS, progress=False, **options)


@pytest.fixture
def split(clips: Path) -> tb.datasets.Split:
    return tb.datasets.create("tiny", root=clips).split("same-identity")


def truth(split: tb.datasets.Split) -> list[np.ndarray]:
    return [split.read(pair.driving) for pair in split]


def test_a_name_gives_what_the_command_gives(scored, score) -> None:
    evaluation, command = scored(), score()
    assert evaluation.to_pandas()["value"].tolist() == [
        metric.mean * spec.scale
        for metric, spec in ((command.summary.metric(spec.name), spec) for spec in command.record.metrics)
    ]
    assert evaluation.record.fingerprint() == command.record.fingerprint()
    assert evaluation.page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert len(evaluation.rows) == len(METRICS) * evaluation.record.dataset.pairs


def test_videos_are_left_as_many_as_asked_for(scored) -> None:
    for count in (0, 1):
        evaluation = scored(task="reconstruction", videos=count)
        assert len(list(evaluation.folder.glob("videos/*.mp4"))) == count


def test_a_result_shows_itself(scored) -> None:
    evaluation = scored()
    assert "blend on tiny, same-identity" in repr(evaluation)
    page = evaluation._repr_html_()
    assert "<caption>blend on tiny, same-identity" in page
    assert all(f"<td>{metric}</td>" in page for metric in METRICS)


def test_a_result_shows_itself_once_in_a_notebook(scored, monkeypatch) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda *_: pytest.fail("shown beside its table"))
    evaluation = scored()
    for result in (evaluation, tb.compare(evaluation, scored(out="again"))):
        assert "l1" in repr(result)


def test_a_method_object_is_taken_where_a_name_is(split) -> None:
    method = tb.methods.create("mcnet@demo")
    kept = {"metrics": ["l1"], "limit": 2, "progress": False}
    evaluation = tb.evaluate(
        method, tb.datasets.Split("tiny", "same-identity", "absolute", split.root, split.pairs), **kept
    )
    assert evaluation.record.method.origin == "a method that was built in Python"
    sha256 = evaluation.record.method.checkpoint_sha256
    with torch.no_grad():
        next(iter(method.networks["generator"].parameters())).add_(1)
    other = tb.evaluate(method, split, **kept)
    assert sha256 != other.record.method.checkpoint_sha256, "other weights are another method"


def test_a_method_without_a_step_is_refused_by_the_step(split) -> None:
    class Duck:
        name, networks, settings = "duck", {}, {}

        def encode_source(self, images): ...
        def encode_motion(self, images): ...
        def transfer(self, source, driving, reference): ...

    with pytest.raises(TalkbenchError, match=r"^Duck has no render; a method has the steps encode_"):
        tb.evaluate(Duck(), split)
    Duck.render = lambda self, source, motion: source
    with pytest.raises(TalkbenchError, match=r"^Duck is not derived from talkbench\.methods"):
        tb.evaluate(Duck(), split)


def test_what_a_metric_lacks_is_told_in_full_if_asked(split, capsys) -> None:
    for verbose in (False, True):
        tb.evaluate("copy-source", split, metrics=["l1", "akd"], verbose=verbose)
        told = capsys.readouterr()
        assert ("www.adrianbulat.com" in told.err + told.out) == verbose


def test_frames_of_ones_own_are_scored_as_arrays_and_as_paths(split, tmp_path: Path) -> None:
    frames = truth(split)
    paths = [tmp_path / f"{number}.png" for number in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        write_png(path, frame)
    for given in (frames, paths, [str(path) for path in paths]):
        evaluation = tb.evaluate(given, split, name="mine", metrics=["l1"], progress=False)
        assert evaluation.summary.metric("l1").mean == 0
        assert evaluation.record.method.name == "mine"


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (
            [np.zeros((48, 48, 3), np.uint8), np.zeros((24, 48, 3), np.uint8)],
            "frame 1 of the list is 48x24 and the first",
        ),
        ([np.zeros((48, 48, 3))], r"frame 0 of the list is float64 \(48, 48, 3\); give RGB images as uint8"),
        ([torch.zeros(3, 48, 48)], r"frame 0 of the list is a Tensor; give uint8 arrays \(H, W, 3\) or paths"),
        ([], "the list of frames is empty"),
    ],
)
def test_lists_of_frames_that_are_none_are_refused(split, frames, reason) -> None:
    with pytest.raises(TalkbenchError, match=reason):
        tb.evaluate(frames, split.head(max(len(frames), 1)) if frames else "tiny", root=split.root, name="mine")
    with pytest.raises(TalkbenchError, match=reason):
        tb.animate("copy-source", truth(split)[0], frames, "out.mp4", progress=False)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"batch_size": 0}, "batch_size is 0; give 1 or more"),
        ({"limit": -1}, "limit is -1; give 1 or more"),
        ({"videos": -1}, "videos is -1; give 0 or more"),
        ({"metrics": "pnsr"}, "unknown metric 'pnsr': did you mean psnr"),
        ({"dataset": 3}, "dataset is of type int; give its name, or a Split of it"),
        ({"method": 3}, "int has no encode_source and no encode_motion"),
        ({"method": tb.methods.class_of("copy-source")}, "CopySource is a class; give an object of it"),
        ({"method": [np.zeros((48, 48, 3), np.uint8)] * 2, "name": "mine"}, "there are 2 frames for 16 pairs"),
        ({"method": tb.methods.create("copy-source"), "settings": {"a": 1}}, "a Method object has its weights"),
    ],
)
def test_a_wrong_argument_is_told_in_a_line(split, options, reason) -> None:
    with pytest.raises(TalkbenchError, match=reason) as caught:
        tb.evaluate(**{"method": "blend", "dataset": split, "progress": False, **options})
    assert "\n" not in str(caught.value)


def test_a_split_brings_its_task(split) -> None:
    with pytest.raises(TalkbenchError, match="a Split has its task, motion and pairs"):
        tb.evaluate("blend", split, task="cross-identity")


def test_an_interrupted_call_keeps_what_was_computed(split, tmp_path: Path, capfd) -> None:
    class Stopping(tb.methods.create("copy-source").__class__):
        name, rendered = "stopping", 0

        def render(self, source, motion):
            self.rendered += 1
            if self.rendered == 2:
                raise KeyboardInterrupt
            return super().render(source, motion)

    call = {"metrics": ["l1"], "batch_size": 1, "out": tmp_path / "run", "workers": 0}
    method = Stopping()
    with pytest.raises(KeyboardInterrupt):
        tb.evaluate(method, split, **call)
    assert "the same call with resume=True computes the others" in capfd.readouterr().err
    done = RunStore(tmp_path / "run").done()
    assert 0 < len(done) < len(split)
    evaluation = tb.evaluate(method, split, resume=True, **call)
    assert evaluation.summary.pairs == len(split)
    assert method.rendered == len(split) + 1, "no pair was done twice"


def test_results_are_compared_and_those_of_another_test_are_left_out(scored, split, clips, tmp_path: Path) -> None:
    first = scored(out=tmp_path / "runs" / "a")
    second = tb.evaluate("copy-source", split, metrics=METRICS, out=tmp_path / "runs" / "b", progress=False)
    scored(out=tmp_path / "runs" / "c", task="reconstruction")
    comparison = tb.compare(first, tb.load(tmp_path / "runs"))
    assert [folder.name for folder in comparison.differences] == ["b"]
    assert [folder.name for folder in comparison.left_out] == ["c"]
    table = comparison.to_pandas()
    means = {row.metric: (row.mean_a, row.mean_b) for row in table.itertuples()}
    for metric, pair in means.items():
        assert pair == pytest.approx([one.summary.metric(metric).mean for one in (first, second)])
    assert "left out: " in repr(comparison)
    assert "blend" in comparison._repr_html_()
    with pytest.raises(TalkbenchError, match=r"nothing to compare .*: there is no other result"):
        tb.compare(first, first)
    with pytest.raises(TalkbenchError, match="compare runs of one data set and task"):
        tb.compare(first, tmp_path / "runs" / "c")


def test_a_result_is_verified(scored) -> None:
    verification = tb.verify(scored(), progress=False)
    assert verification.ok
    assert set(verification.to_pandas()["state"]) <= {"equal", "not checkable"}
    assert "computed again" in verification._repr_html_()


def test_frames_in_memory_are_animated_as_those_of_a_folder(split, clips, tmp_path: Path) -> None:
    face, frames = split.read(split[0].source), truth(split)[:3]
    call = {"motion": "absolute", "progress": False}
    animation = tb.animate("copy-source", face, frames, tmp_path / "a.mp4", frames=tmp_path / "a", **call)
    assert (animation.frames, animation.size) == (3, 256)
    assert animation._repr_html_().startswith("<video")
    for number, frame in enumerate(frames):
        write_png(tmp_path / "driving" / f"{number}.png", frame)
    write_png(tmp_path / "face.png", face)
    tb.animate(tb.methods.create("copy-source"), tmp_path / "face.png", tmp_path / "driving", tmp_path / "b.mp4",
               frames=tmp_path / "b", **call)  # fmt: skip
    for path in sorted((tmp_path / "a").iterdir()):
        assert np.array_equal(read_image(path), read_image(tmp_path / "b" / path.name))


def test_an_animated_picture_of_a_transparent_face_is_shown(split, tmp_path: Path) -> None:
    face = np.dstack([split.read(split[0].source), np.zeros((48, 48), np.uint8)])
    call = {"crop": False, "side_by_side": True, "background": "#102030", "progress": False}
    animation = tb.animate("copy-source", face, truth(split)[:2], tmp_path / "a.webp", **call)
    assert (animation.frames, animation.size, animation.width, animation.height, animation.lost) == (
        2,
        256,
        768,
        256,
        0,
    )
    assert animation._repr_html_().startswith('<img alt="" src="data:image/webp;base64,')
    assert np.abs(first_frame(animation.path)[20:230, 20:230].astype(int) - (16, 32, 48)).max() < 4
    with pytest.raises(TalkbenchError, match="--driving-face 0: give largest, first or a number from 1"):
        tb.animate("copy-source", face, truth(split)[:2], tmp_path / "b.webp", driving_face=0, progress=False)


def first_frame(path: Path) -> np.ndarray:
    """The first frame of an animated picture."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_talkbench_is_imported_without_its_libraries() -> None:
    program = (
        "import sys, talkbench as tb; tb.__version__; dir(tb);"
        "print(sorted({'torch', 'numpy', 'pandas', 'click', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True).stdout == "[]\n"
    with pytest.raises(AttributeError, match="no attribute 'evaluat'"):
        tb.evaluat  # noqa: B018


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-P", "-m", "talkbench", "--version"]
    assert subprocess.run(command, capture_output=True, text=True).stdout.startswith("bench, version ")
