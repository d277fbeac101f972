"""LivePortrait's five files: loading, recognising, storing and converting them."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from small_liveportrait import CONFIG, MAIN, STITCHING, published
from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.methods import cards, checkpoint_store, recognition
from talkbench.methods.checkpoints import read_metadata, read_states
from talkbench.methods.liveportrait import VARIANTS, LivePortrait

BASES = ("appearance_feature_extractor", "motion_extractor", "warping_module", "spade_generator")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of its own."""
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    """LivePortrait is small, also for the recognition, which remembers how large the methods are."""
    real = recognition.skeleton
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VARIANTS, "", CONFIG)
        small = LivePortrait(), None
        patch.setattr(recognition, "skeleton", lambda name: small if name == "liveportrait" else real(name))
        recognition._states.cache_clear()
        yield
    recognition._states.cache_clear()


@pytest.fixture(scope="module")
def trained() -> LivePortrait:
    return LivePortrait()


@pytest.fixture
def main(trained: LivePortrait, tmp_path: Path) -> Path:
    """The decoder's file among the others, in the authors' folders."""
    return published(trained, tmp_path / "liveportrait")


def assert_same_networks(method: LivePortrait, other: LivePortrait, names: tuple[str, ...] = ()) -> None:
    for name in names or other.networks:
        state = method.networks[name].state_dict()
        for key, value in other.networks[name].state_dict().items():
            assert torch.equal(state[key], value), f"{name}.{key}"


def test_the_card_and_the_class_do_without_the_same_networks() -> None:
    beside = cards.card("liveportrait").beside
    assert {name for name, file in beside.items() if file.optional} == set(LivePortrait.optional)


def test_the_files_are_found_from_the_decoders(main: Path, trained: LivePortrait) -> None:
    method = LivePortrait(weights=main, stitching=True)
    assert_same_networks(method, trained)
    assert method.checkpoint_sha256 == sha256_file(main)
    hashes = {name: value for name, value in method.settings.items() if name.endswith("_sha256")}
    expected = {f"{name}_sha256": sha256_file(main.with_name(f"{name}.pth")) for name in BASES[:-1]}
    assert hashes == {**expected, "retarget_shoulder_sha256": sha256_file(main.parents[1] / STITCHING)}
    assert "retarget_shoulder_sha256" not in LivePortrait(weights=main).settings  # it decides no number


def test_all_files_may_lie_in_one_folder(main: Path, trained: LivePortrait) -> None:
    shutil.move(main.parents[1] / STITCHING, main.parent / STITCHING.name)
    assert_same_networks(LivePortrait(weights=main, stitching=True), trained)


def test_without_the_fifth_file_all_but_stitching_and_retargeting_runs(
    main: Path, trained: LivePortrait, caplog: pytest.LogCaptureFixture
) -> None:
    (main.parents[1] / STITCHING).unlink()
    with caplog.at_level(logging.WARNING, "talkbench"):
        assert_same_networks(LivePortrait(weights=main), trained, BASES)
    assert caplog.messages[0] == f"no {STITCHING} beside {main}: no stitching and no retargeting"
    with pytest.raises(TalkbenchError, match=f"stitching or retargeting of liveportrait needs {STITCHING} beside"):
        LivePortrait(weights=main, stitching=True)


def test_missing_files_are_named_together(main: Path) -> None:
    for name in ("warping_module", "motion_extractor"):
        main.with_name(f"{name}.pth").unlink()
    with pytest.raises(
        TalkbenchError,
        match=r"^liveportrait needs base_models/motion_extractor.pth, base_models/warping_module.pth beside .*: the "
        r"folder liveportrait of KwaiVGI/LivePortrait on Hugging Face has them; put them there",
    ):
        LivePortrait(weights=main)


def test_a_file_that_holds_another_part_is_named(main: Path) -> None:
    with pytest.raises(
        TalkbenchError, match=r"is the motion_extractor of liveportrait alone; name its base_models/spade_generator.pth"
    ):
        LivePortrait(weights=main.with_name("motion_extractor.pth"))
    with pytest.raises(TalkbenchError, match="is the retarget_shoulder of liveportrait alone"):
        LivePortrait(weights=main.parents[1] / STITCHING)


def test_a_file_under_the_name_of_another_is_named(main: Path) -> None:
    shutil.copy(main.with_name("motion_extractor.pth"), main.with_name("warping_module.pth"))
    with pytest.raises(
        TalkbenchError, match=r"warping_module.pth is the motion_extractor of liveportrait, not its warping_module$"
    ):
        LivePortrait(weights=main)
    shutil.copy(main, main.with_name("warping_module.pth"))
    with pytest.raises(TalkbenchError, match=r"warping_module.pth does not fit liveportrait: warping_module has"):
        LivePortrait(weights=main)


def test_what_else_is_in_the_stitching_file_is_ignored_and_said(
    main: Path, trained: LivePortrait, caplog: pytest.LogCaptureFixture
) -> None:
    file = main.parents[1] / STITCHING
    content = torch.load(file, weights_only=True)
    other = {"retarget_neck": {"module.mlp.0.weight": torch.zeros(2, 2)}, "optimizer": {"lr": 1.0}}
    torch.save({**content, **other}, file)
    with caplog.at_level(logging.WARNING, "talkbench"):
        assert_same_networks(LivePortrait(weights=main, stitching=True), trained)
    assert f"{file}: it also holds retarget_neck, optimizer, which liveportrait does not use" in caplog.messages
    assert checkpoint_store.identify(file, "liveportrait").part == "retarget_shoulder"


def test_files_in_half_precision_are_read(trained: LivePortrait, tmp_path: Path) -> None:
    method = LivePortrait(weights=published(trained, tmp_path / "half", torch.float16), stitching=True)
    for name, network in method.networks.items():
        for key, value in trained.networks[name].state_dict().items():
            kept = network.state_dict()[key]
            assert kept.dtype == value.dtype
            assert torch.equal(kept, value.half().to(value.dtype) if value.is_floating_point() else value)


def test_weights_for_animals_are_told_by_their_folder_or_doubted_by_their_hash(
    main: Path, trained: LivePortrait, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    animals = published(trained, tmp_path / "liveportrait_animals")
    with pytest.raises(TalkbenchError, match=r"spade_generator.pth is of the authors' model for animals"):
        LivePortrait(weights=animals)
    with caplog.at_level(logging.WARNING, "talkbench"):
        LivePortrait(weights=main)
    (message,) = caplog.messages
    assert message.startswith(f"{main}: by their sha256, spade_generator.pth, ")
    assert message.endswith("; those of liveportrait_animals fit as well and would be wrong")
    for name in BASES:
        assert f"{name}.pth" in message
        with pytest.raises(
            TalkbenchError, match=r"may be liveportrait, or the authors' liveportrait_animals, which .*: say which with"
        ):
            checkpoint_store.add(main.with_name(f"{name}.pth"))


def test_published_files_need_no_name_and_no_warning(
    main: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = cards.card("liveportrait")
    root = main.parents[1]

    def pinned(file):
        return file.model_copy(update={"sha256": sha256_file(root / file.file)})

    beside = {name: pinned(file) for name, file in own.beside.items()}
    card = own.model_copy(update={"weights": pinned(own.weights), "beside": beside})
    real = cards.card
    for module in (cards, checkpoint_store):
        monkeypatch.setattr(module, "card", lambda name: card if name == "liveportrait" else real(name))
    with caplog.at_level(logging.WARNING, "talkbench"):
        LivePortrait(weights=main, stitching=True)
    assert caplog.messages == []
    assert checkpoint_store.add(main).match.method == "liveportrait"


def test_added_files_are_found_under_the_name_of_the_method(
    main: Path, home: Path, trained: LivePortrait, caplog: pytest.LogCaptureFixture
) -> None:
    for name in BASES:
        added = checkpoint_store.add(main.with_name(f"{name}.pth"), "liveportrait")
        assert added.path == home / "weights" / "liveportrait" / "base_models" / f"{name}.pth"
        assert added.match.part == ("" if name == "spade_generator" else name)
    added = checkpoint_store.add(main.parents[1] / STITCHING, "liveportrait")
    assert added.path == home / "weights" / "liveportrait" / STITCHING
    path = cards.find_weights("liveportrait").path
    assert path == home / "weights" / "liveportrait" / MAIN
    assert_same_networks(LivePortrait(weights=path, stitching=True), trained)
    files = checkpoint_store.listed("liveportrait")
    assert [(file.part, file.status) for file in files] == [
        ("", "as added"),
        *((name, "as added") for name in (*BASES[:-1], "retarget_shoulder")),
    ]


@pytest.mark.parametrize("fifth", [True, False])
def test_one_converted_file_holds_all_networks(main: Path, home: Path, trained: LivePortrait, fifth: bool) -> None:
    if not fifth:
        (main.parents[1] / STITCHING).unlink()
    match, out = checkpoint_store.convert(main, name="liveportrait")
    assert (match.method, out) == ("liveportrait", main.with_name("liveportrait.safetensors"))
    assert read_metadata(out)["sha256"] == sha256_file(main)
    method = LivePortrait(weights=out, stitching=fifth)
    assert_same_networks(method, trained, () if fifth else BASES)
    assert method.settings.keys().isdisjoint(f"{name}_sha256" for name in method.networks)
    assert checkpoint_store.add(out).path == home / "weights" / "liveportrait" / "liveportrait.safetensors"
    assert cards.find_weights("liveportrait").path == home / "weights" / "liveportrait" / "liveportrait.safetensors"
    with pytest.raises(TalkbenchError, match="the authors of liveportrait read one file per network"):
        checkpoint_store.convert_official(out)


def test_one_network_by_its_name_is_no_checkpoint(tmp_path: Path, trained: LivePortrait) -> None:
    states: dict[str, dict[str, Tensor]] = {"spade_generator": trained.generator.state_dict()}
    torch.save(states, tmp_path / "x.pth")
    assert read_states(tmp_path / "x.pth", "x").keys() == {"spade_generator"}
    with pytest.raises(TalkbenchError, match="fits no method"):
        checkpoint_store.identify(tmp_path / "x.pth")
    with pytest.raises(TalkbenchError, match=r"liveportrait needs base_models/appearance_feature_extractor.pth"):
        LivePortrait(weights=tmp_path / "x.pth")
