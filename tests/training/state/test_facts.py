"""A training is continued on the clips that it began with; states and weights files say which these are."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from toy_training import frame, tiny

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import write_png
from talkbench.methods.checkpoints import read_metadata
from talkbench.training import session
from talkbench.training.loop import TrainProgress
from talkbench.training.session import TrainOptions
from talkbench.training.state import facts

SETTINGS = {
    "repeats": 2,
    "batch_size": 2,
    "jitter": 0,
    "validation": 2,
    "epochs": 1,
    "sampling": "clip",
    "schedule": "milestones",
}


def add_clip(root: Path, name: str, shift: int = 0) -> None:
    for index in range(20):
        write_png(root / name / f"{index}.png", frame(name[0], (index + shift) % 20))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a1", "b1", "b2"):
        add_clip(tmp_path / "clips", name)
    return tmp_path / "clips"


@pytest.fixture
def train(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Trains on the clips in `root` and tells what was said."""
    model = tiny()
    monkeypatch.setattr(session.methods, "create", lambda name, weights=None: copy.deepcopy(model))

    def run(**changes: object) -> list[str]:
        said: list[str] = []
        progress = TrainProgress()
        progress.say = said.append  # type: ignore[method-assign]
        folder, config = root.parent / "out", {**SETTINGS, **changes}
        session.train(TrainOptions("mcnet@demo", "demo", "folder", folder, root, changes=config), progress)
        return said

    return run


def state(root: Path) -> Path:
    return max((root.parent / "out" / "state").iterdir())


def test_states_and_weights_say_what_the_training_is(root: Path, train: Callable[..., list[str]]) -> None:
    train()
    out = root.parent / "out"
    saved = torch.load(state(root), weights_only=True)["metadata"]
    for metadata in (saved, read_metadata(out / "best.safetensors"), read_metadata(out / "weights.safetensors")):
        data = metadata["data"]
        assert (data["dataset"], data["count"], sorted(data["clips"])) == ("folder", 3, ["a1", "b1", "b2"])
        assert data["clips"]["b1"] == data["clips"]["b2"] != data["clips"]["a1"]  # it is by what they show
        assert len(data["id"]) == 12
        assert {clip: tuple(frames) for clip, frames in metadata["held_out"].items()} == dict.fromkeys(
            ("a1", "b1", "b2"), (18, 19)
        )
        assert (metadata["config"]["epochs"], metadata["steps"]) == (1, 3)
        assert metadata["checkpoint"] is None
        assert metadata["training_id"].startswith("out-")
        assert {"talkbench", "commit", "changed", "plugins", "command", "perceptual"} <= metadata.keys()


def test_other_clips_do_not_continue_a_training(root: Path, train: Callable[..., list[str]]) -> None:
    train()
    before = state(root).read_bytes()
    add_clip(root, "c1")
    shutil.rmtree(root / "a1")
    add_clip(root, "b2", shift=1)
    line = (
        r"^\S+out holds a training on other clips \(data id \w{12}, now \w{12}: "
        r"1 added: c1; 1 gone: a1; 1 changed: b2\); "
        "bring those back to continue it, or choose another --out$"
    )
    with pytest.raises(TalkbenchError, match=line):
        train(epochs=2)
    assert state(root).read_bytes() == before
    shutil.rmtree(root / "c1")
    add_clip(root, "a1")
    add_clip(root, "b2")
    assert any("continuing" in said for said in train(epochs=2))  # wherever they lie, and whenever they were written


def test_other_code_is_told_and_not_refused(
    root: Path, train: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    train()
    assert not any("other code" in said for said in train(epochs=2))
    code = facts.code

    def other(kinds: object) -> dict[str, object]:
        return {**code([]), "commit": "1" * 40, "plugins": ["mine 2.0"]}

    monkeypatch.setattr(facts, "code", other)
    (said,) = [line for line in train(epochs=3) if "other code" in line]
    assert "is of other code (commit " in said
    assert said.endswith("now 111111111111; plugins none, now mine 2.0): results may differ from those of either alone")


def test_frames_that_were_seen_before_are_not_held_out(root: Path, train: Callable[..., list[str]]) -> None:
    """Validation pairs may be asked for later, and a state may be from before states said anything."""
    weights = root.parent / "out" / "weights.safetensors"
    train(validation=0)
    assert read_metadata(weights)["held_out"] == {}
    train(epochs=2)
    assert read_metadata(weights)["held_out"] == {}
    saved = torch.load(state(root), weights_only=True)
    torch.save({key: value for key, value in saved.items() if key not in ("metadata", "buffers")}, state(root))
    said = train(epochs=3)
    assert any("does not say which clips it has seen, so nobody can tell" in line for line in said)
    assert read_metadata(weights)["held_out"] is None
    assert not any("does not say" in line for line in train(epochs=4))
    assert read_metadata(weights)["held_out"] is None


def test_a_state_that_was_cut_off(root: Path, train: Callable[..., list[str]]) -> None:
    train()
    state(root).write_bytes(state(root).read_bytes()[:5000])
    with pytest.raises(TalkbenchError, match=r"^no state in \S+ can be read; delete it to begin anew$"):
        train(epochs=2)


@pytest.mark.parametrize(
    ("old", "new", "both"),
    [
        ({"a": None, "b": None}, {"b": None, "c": None}, {"b": None}),
        ({"a": (18, 19)}, {"a": None}, {"a": (18, 19)}),
        ({"a": (15, 19)}, {"a": (18, 21)}, {"a": (18, 19)}),
        ({"a": (1, 2)}, {"a": (3, 4)}, {}),
        (None, {"a": None}, None),
    ],
)
def test_what_is_held_out_all_along(old: facts.HeldOut, new: facts.HeldOut, both: facts.HeldOut) -> None:
    now = facts.Facts("toy", {}, new, facts.code([]))
    before = facts.Facts("toy", {}, old, facts.code([])).content()
    assert facts.continued(now, before, Path(), print).held_out == both
