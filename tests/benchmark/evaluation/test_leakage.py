"""What weights have seen of the pairs of a run, and `--split held-out`, which takes what they have not."""

import copy
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from toy_training import frame, tiny

from talkbench import datasets, methods
from talkbench.benchmark.evaluation.leakage import leakage
from talkbench.benchmark.evaluation.trainings import Training, held_out, read_training
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import write_png
from talkbench.datasets.fingerprints import fingerprint
from talkbench.methods.cards import Weights
from talkbench.methods.checkpoints import read_metadata, save_states
from talkbench.methods.interface import Method
from talkbench.methods.loading import load_networks
from talkbench.training.session import TrainOptions, train

WEIGHTS = Weights("mcnet@demo", None, "")
NUMBERS = {"a": 1, "b": 2, "c": 3}
"""The clips of each person, of ten frames each."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("people")
    for person, count in NUMBERS.items():
        for clip in range(count):
            for index in range(10):
                write_png(root / person / f"{clip}" / f"{index}.png", frame("ab"[person == "b"], index + 3 * clip))
    return root


def trained(root: Path, held: Mapping[str, tuple[int, int] | None] | None) -> Training:
    """On the clips of b and c."""
    clips = {f"{person}/{clip}": "" for person in "bc" for clip in range(NUMBERS[person])}
    marks = {clip: fingerprint(root / clip) for clip in clips}
    data = {"dataset": "folder", "id": "0", "clips": marks}
    return Training.model_validate({"config": {"dataset": "folder"}, "data": data, "held_out": held})


def split(data: datasets.Dataset, *clips: str, index: int = 0) -> datasets.Split:
    """A pair of neighbouring frames of each clip."""
    pairs = [datasets.Pair(datasets.Frame(clip, index), datasets.Frame(clip, index + 1)) for clip in clips]
    return datasets.Split(data.name, "same-identity", "absolute", data.root, pairs, data.store)


@pytest.mark.parametrize(
    ("held", "clips", "index", "words", "frames"),
    [
        ({}, ("b/0", "c/1"), 0, "on 2 of the 2 clips of these pairs, and 2 of 2 pairs have a frame that it may", True),
        ({"b/0": None}, ("b/0", "c/1"), 0, "on 1 of the 2 clips of these pairs, and 1 of 2 pairs have a frame", True),
        ({"b/0": (8, 9)}, ("b/0",), 8, "on other frames of 1 of the 1 clips of these pairs", False),
        ({"b/0": (8, 9)}, ("b/0",), 7, "and 1 of 1 pairs have a frame that it may have seen", True),
        ({"b/0": None}, ("b/0",), 0, "on other clips of 1 of the 1 people in these pairs", False),
        ({"b/0": None, "b/1": None}, ("b/0", "b/1"), 0, "", False),
        (None, ("b/0",), 8, "and 1 of 1 pairs have a frame that it may have seen", True),
    ],
)
def test_what_was_seen_is_told_by_frames_then_clips_then_people(
    root: Path, held: Mapping[str, tuple[int, int] | None] | None, clips: tuple[str, ...], index: int, words: str,
    frames: bool,
) -> None:  # fmt: skip
    data = datasets.create("folder", root=root)
    told = leakage(WEIGHTS, split(data, *clips, index=index), trained(root, held), data, given=True)
    assert words in told.words
    assert (bool(told.words), told.frames) == (bool(words), frames)


def test_the_same_clips_are_known_by_what_they_show_wherever_they_lie(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "b" / "1", tmp_path / "somebody")
    data = datasets.create("folder", root=tmp_path)
    assert leakage(WEIGHTS, split(data, "somebody"), trained(root, {}), None, given=True).frames
    assert not leakage(WEIGHTS, split(data, "somebody"), trained(root, {"b/1": None}), None, given=True).words


def test_the_pairs_of_what_was_held_out(root: Path) -> None:
    data = datasets.create("folder", root=root)
    training = trained(root, {"b/1": None, "c/0": (8, 9)})
    same = held_out(data, "same-identity", "relative-first", training)
    assert (same.part, len(same)) == ("held-out", 10 * 9 + 2)
    assert {pair.reference.index for pair in same if pair.driving.clip == "c/0"} == {8}
    assert len(held_out(data, "reconstruction", "absolute", training)) == 12
    cross = held_out(data, "cross-identity", "absolute", training)
    assert {(pair.source.clip, pair.driving.clip) for pair in cross} == {("b/1", "c/0"), ("c/0", "b/1")}
    assert not leakage(WEIGHTS, cross, training, data).frames


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (None, "the weights do not say what their training held out"),
        ({"held_out": None}, "the weights do not say what their training held out"),
        ({"held_out": {}}, "their training held nothing out for --split held-out; train with --set validation=16"),
        ({"data": {"dataset": "demo", "id": "0"}}, "the weights were trained on demo, not on folder"),
        ({"held_out": {"x": None, "b/1": None}}, "1 of the 2 clips that the training held out are missing in"),
        (
            {"data": {"dataset": "folder", "id": "0", "clips": {"b/1": "0"}}},
            "or others than they were: b/1; bring them",
        ),
    ],
)
def test_nothing_that_is_known_to_be_held_out(root: Path, facts: dict[str, object] | None, message: str) -> None:
    training = None
    if facts is not None:
        content = {**trained(root, {"b/1": None}).model_dump(), **facts}
        training = Training.model_validate(content)
    with pytest.raises(TalkbenchError, match=message):
        held_out(datasets.create("folder", root=root), "same-identity", "absolute", training)
    with pytest.raises(TalkbenchError, match="needs a list, and --split held-out has none"):
        held_out(datasets.create("folder", root=root), "same-identity", "relative-best", trained(root, {"b/1": None}))


def test_metadata_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_states({"net": {"weight": torch.zeros(1)}}, path, {"config": {}, "held_out": 5})
    with pytest.raises(TalkbenchError, match=r"a.safetensors says of its training does not fit \(held_out: "):
        read_training(Weights("mcnet@demo", path, ""))
    path.write_text("a format of a plugin's own")
    assert read_training(Weights("mcnet@demo", path, "")) is None


def test_runs_of_ones_own_weights(
    bench: Callable, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A state and the weights are told to have seen the clips, by run, record, page and entry; and what was held out is
    a test of its own."""
    model = tiny()

    def create(name: str, weights: Path | None = None, **_: object) -> Method:
        method = copy.deepcopy(model)
        method.checkpoint_sha256 = load_networks(method.networks, weights, name).sha256[""] if weights else None
        return method

    monkeypatch.setattr(methods, "create", create)
    clips, out = tmp_path / "clips", place / "out"
    for name in "ab":
        for index in range(20):
            write_png(clips / name / f"{index}.png", frame(name, index))
    settings = {"repeats": 2, "batch_size": 2, "jitter": 0, "validation": 2, "epochs": 1, "sampling": "clip"}
    train(TrainOptions("mcnet@demo", "demo", "folder", out, clips, changes=settings))
    command = ["run", "--method", "mcnet@demo", "--dataset", "folder", "--root", clips, "--metrics", "l1"]
    command += ["--device", "cpu", "--workers", 0, "--tracking-uri", "off"]
    state = ("--checkpoint", out / "state" / "00000002.pt")
    result = bench(*command, *state, "--limit", 2, "--out", "whole")
    assert result.code == 0, result.err
    assert "was trained on 1 of the 1 clips of these pairs, and 2 of 2 pairs have a frame" in result.err
    assert "; --split held-out takes only what it has not seen" in result.err
    whole = result.record
    training = read_metadata(out / "best.safetensors")["training_id"]
    assert whole.method.origin.endswith(f", given on the command line, step 2 of the training {training}")
    assert "2 of 2 pairs" in whole.seen
    assert "Seen in training: mcnet@demo was trained on 1 of" in (place / "whole" / "index.html").read_text()
    held = bench(*command, "--checkpoint", out / "best.safetensors", "--split", "held-out", "--out", "held")
    assert held.code == 0, held.err
    assert "these pairs are of 4 frames in 2 clips that the training of the weights held out" in held.err
    record = held.record
    assert (record.dataset.part, record.dataset.pairs_file, record.dataset.pairs) == ("held-out", "held-out", 4)
    assert record.seen == "mcnet@demo was trained on other frames of 2 of the 2 clips of these pairs"
    metric = record.metrics[0].name
    assert record.protocol_of(metric)["part"] == "held-out"
    assert record.protocol_id(metric) != whole.protocol_id(metric)
    assert bench(*command, *state, "--split", "held-out", "--pairs", "x.csv").err.endswith(
        "leave either --pairs or --split out\n"
    )
    exported = bench("results", "export", "held", "--out", "entries", "--thumbnails", 0)
    assert exported.code == 0, exported.err
    entry = next((place / "entries").rglob("entry.json")).read_text()
    assert '"leakage": true' in entry
