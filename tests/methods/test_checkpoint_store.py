"""Which method a file belongs to, and the store of files."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from talkbench import methods
from talkbench.core.cards import MethodCard
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.methods import cards, checkpoint_store
from talkbench.methods.checkpoints import read_metadata, save_networks, save_states
from talkbench.methods.recognition import skeleton

State = dict[str, Tensor]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def flat(network: nn.Module) -> State:
    """Entries of the right keys, shapes and types that take no room in a file."""
    return {key: torch.zeros((), dtype=value.dtype).expand(value.shape) for key, value in network.state_dict().items()}


def official(name: str, *, judged: bool = True, without: tuple[str, ...] = ()) -> dict[str, object]:
    """A checkpoint as the authors of the method `name` save theirs."""
    method, judge = skeleton(name)
    states: dict[str, object] = {part: flat(net) for part, net in method.networks.items() if part not in without}
    if judged and judge is not None:
        states["discriminator"] = flat(judge)
    return {**states, "optimizer_generator": {"state": {}, "param_groups": []}, "epoch": 99}


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("fomm@vox-256", "bair-256 or nemo-256, which talkbench does not have"),
        ("fomm@taichi", "fashion-256, which talkbench does not have"),
    ],
)
def test_a_discriminator_narrows_the_choice_which_the_user_makes(tmp_path: Path, name: str, others: str) -> None:
    path = saved(tmp_path / "x.pth", official(name))
    with pytest.raises(TalkbenchError) as caught:
        checkpoint_store.identify(path)
    assert str(caught.value) == (
        f"{path} may be {name}, or the authors' {others}; its networks do not tell: say which with --as NAME"
    )
    assert checkpoint_store.identify(path, name).method == name
    with pytest.raises(TalkbenchError, match=f"is not fomm@vox-adv; by its contents it is {name}"):
        checkpoint_store.identify(path, "fomm@vox-adv")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("fomm@vox-adv", "vox-adv-cpk.pth.tar"),
        ("tpsm@ted-384", "ted.pth.tar"),
        ("tpsm@vox-256", "vox.pth.tar"),
        ("mraa@ted384", "ted384.pth"),
    ],
)
def test_the_name_of_a_file_proves_nothing(tmp_path: Path, name: str, file: str) -> None:
    path = saved(tmp_path / file, official(name))
    hint = (
        rf"may be {name.split('@')[0]}@.* \({name} by the name of the file, which proves nothing\); .*: say which with"
    )
    with pytest.raises(TalkbenchError, match=hint):
        checkpoint_store.identify(path)
    assert checkpoint_store.identify(path, name).method == name


def test_a_published_hash_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "x.pth", official("mraa@ted384"))
    real, sha256 = cards.card, sha256_file(path)

    def card(name: str) -> MethodCard:
        own = real(name)
        known = {"weights": own.weights.model_copy(update={"sha256": sha256})} if name == "mraa@ted384" else {}
        return own.model_copy(update=known)

    monkeypatch.setattr(cards, "card", card)
    assert checkpoint_store.identify(path).method == "mraa@ted384"


@pytest.mark.parametrize(
    "name", ["mcnet", "mcnet@ted-384", "mcnet@pe10", "fomm@memory", "x2face", "facevid2vid@vox-256-beta"]
)
def test_what_is_unlike_all_others_needs_no_name(tmp_path: Path, name: str) -> None:
    assert checkpoint_store.identify(saved(tmp_path / "x.pth", official(name))).method == name


def test_what_cannot_be_told_apart_must_be_said(tmp_path: Path) -> None:
    path = saved(tmp_path / "mine.pth", official("tpsm@vox-256"))
    with pytest.raises(
        TalkbenchError, match=r"may be .*tpsm@ted-384.* or the authors' mgif-256, .*: say which with --as"
    ):
        checkpoint_store.identify(path)
    assert checkpoint_store.identify(path, "tpsm").method == "tpsm@vox-256"
    with pytest.raises(TalkbenchError, match=r"mine.pth is not fomm; by its contents it is tpsm@"):
        checkpoint_store.identify(path, "fomm")


def test_optional_networks_may_be_absent_and_others_not(tmp_path: Path) -> None:
    without = official("tpsm@vox-256", without=("avd_network", "bg_predictor"))
    found = checkpoint_store.identify(saved(tmp_path / "vox.pth.tar", without), "tpsm@vox-256")
    assert (found.method, found.networks) == (
        "tpsm@vox-256",
        ("inpainting_network", "kp_detector", "dense_motion_network"),
    )
    half = official("tpsm@vox-256", without=("kp_detector",))
    with pytest.raises(TalkbenchError, match="fits no method"):
        checkpoint_store.identify(saved(tmp_path / "half.pth", half))


@pytest.mark.parametrize("depth", ["18", "50"])
def test_the_depth_files_of_dagan_are_bare_state_dicts(tmp_path: Path, home: Path, depth: str) -> None:
    name = "dagan@vox-adv-256" if depth == "18" else "dagan@vox-adv-256-depth50"
    encoder = flat(skeleton(name)[0].networks["depth_encoder"])
    path = saved(tmp_path / "encoder.pth", {**encoder, "height": 256, "width": 256, "use_stereo": False})
    added = checkpoint_store.add(path)
    assert added.match.part == "depth_encoder"
    assert added.path == home / "weights" / "dagan" / f"depth_resnet{depth}" / "encoder.pth"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("mcnet", "fomm"),
        ("fomm@vox-256", "mcnet"),
        ("x2face", "dagan"),
        ("mcnet", "mcnet@ted-384"),
        ("mcnet@ted-384", "mcnet"),
    ],
)
def test_a_checkpoint_of_another_method_is_named(tmp_path: Path, given: str, wanted: str) -> None:
    path = saved(tmp_path / "x.pth", official(given))
    with pytest.raises(TalkbenchError, match=f"x.pth is {given}; expected {cards.full_name(wanted)}"):
        methods.create(wanted, weights=path)


def test_a_checkpoint_of_another_configuration_is_named_though_it_fits(tmp_path: Path) -> None:
    path = saved(tmp_path / "ted.pth.tar", official("tpsm@ted-384"))
    with pytest.raises(TalkbenchError, match=r"ted.pth.tar is tpsm@ted-384; expected tpsm@vox-256"):
        methods.create("tpsm@vox-256", weights=path)
    methods.create("tpsm@ted-384", weights=path)
    renamed = path.rename(tmp_path / "mine.pth")
    methods.create("tpsm@vox-256", weights=renamed)


def test_our_own_files_say_what_they_are(tmp_path: Path) -> None:
    method = methods.create("mcnet@demo")
    path = tmp_path / "weights.safetensors"
    save_networks(method.networks, path, {"method": "mcnet@demo"})
    assert checkpoint_store.identify(path).method == "mcnet@demo"
    save_networks(method.networks, path, {"method": "mcnet@other"})
    with pytest.raises(TalkbenchError, match="is mcnet@other; expected mcnet@demo"):
        methods.create("mcnet@demo", weights=path)


def test_a_network_that_an_ablation_shares_is_the_papers_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    path = saved(tmp_path / "renamed.pth", official("mcnet"))
    assert checkpoint_store.identify(path).method == checkpoint_store.identify(path, "mcnet@memory32").method == "mcnet"
    assert checkpoint_store.identify(path, "mcnet@no_consistency").method == "mcnet@no_consistency"


def test_an_ablation_at_demo_size_is_known_by_its_own_word_or_the_users(tmp_path: Path, home: Path) -> None:
    networks = skeleton("mcnet@iicm_no_keypoints-demo")[0].networks
    states = {part: flat(network) for part, network in networks.items()}
    bare = saved(tmp_path / "x.pth", states)
    with pytest.raises(TalkbenchError, match="fits no method"):
        checkpoint_store.identify(bare)
    assert checkpoint_store.identify(bare, "mcnet@iicm_no_keypoints-demo").method == "mcnet@iicm_no_keypoints-demo"
    ours = tmp_path / "weights.safetensors"
    save_states(states, ours, {"method": "mcnet@iicm_no_keypoints-demo"})
    assert checkpoint_store.add(ours).path == home / "weights" / "mcnet" / "iicm_no_keypoints-demo.safetensors"
    assert cards.find_weights("mcnet@iicm_no_keypoints-demo").path is not None


def test_a_file_that_fits_nothing(tmp_path: Path) -> None:
    for content in ({"generator": {"x": torch.zeros(3)}}, {"x": torch.zeros(3)}):
        with pytest.raises(TalkbenchError, match="fits no method; bench weights list"):
            checkpoint_store.add(saved(tmp_path / "x.pth", content))


def test_what_is_added_is_found_and_watched(tmp_path: Path, home: Path) -> None:
    path = saved(tmp_path / "downloaded.bin", official("fomm@vox-256"))
    added = checkpoint_store.add(path, "fomm")
    assert added.path == home / "weights" / "fomm" / "vox-cpk.pth.tar"
    assert added.sha256 == sha256_file(path) == sha256_file(added.path)
    assert cards.find_weights("fomm").path == added.path

    def status() -> str:
        return next(file.status for file in checkpoint_store.listed("fomm") if file.method == "fomm@vox-256")

    assert status() == "as added"
    with added.path.open("ab") as file:
        file.write(b"x")
    assert status() == "damaged"
    added.path.with_name("vox-cpk.pth.tar.sha256").unlink()
    assert status() == "present"


def test_the_published_hash_makes_a_file_official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "vox256.pth", official("mraa@vox256"))
    real = cards.card("mraa")
    official_file = real.weights.model_copy(update={"sha256": sha256_file(path)})
    monkeypatch.setattr(checkpoint_store, "card", lambda name: real.model_copy(update={"weights": official_file}))
    checkpoint_store.add(path, "mraa@vox256")
    assert {file.method: file.status for file in checkpoint_store.listed("mraa")}["mraa@vox256"] == "official"


def test_one_of_ours_is_found_where_no_official_file_is_known(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(TalkbenchError, match="no weights of mcnet@baseline are published"):
        cards.find_weights("mcnet@baseline")
    states = official("mcnet@baseline")
    with pytest.raises(TalkbenchError, match="convert it to safetensors first: bench weights convert"):
        checkpoint_store.add(saved(tmp_path / "mine.pth", states))
    checkpoint_store.convert(tmp_path / "mine.pth", path)
    checkpoint_store.add(path)
    found = cards.find_weights("mcnet@baseline").path
    assert found is not None
    assert found.name == "baseline.safetensors"
    assert [file.method for file in checkpoint_store.listed("mcnet") if file.path == found] == ["mcnet@baseline"]


def test_a_converted_checkpoint_gives_the_same_method(tmp_path: Path) -> None:
    shipped = cards.find_weights("mcnet@demo").path
    assert shipped is not None
    trained = methods.create("mcnet@demo", weights=shipped)
    states = {name: network.state_dict() for name, network in trained.networks.items()}
    path = saved(tmp_path / "demo.pth.tar", {**states, "epoch": 3})
    match, out = checkpoint_store.convert(path)
    assert (match.method, out.name) == ("mcnet@demo", "mcnet-demo.safetensors")
    converted = methods.create("mcnet@demo", weights=out)
    for name, state in states.items():
        for key, value in converted.networks[name].state_dict().items():
            assert torch.equal(value, state[key])
    metadata = read_metadata(out)
    assert metadata == {"method": "mcnet@demo", "converted_from": "demo.pth.tar", "sha256": sha256_file(path)}
    with pytest.raises(TalkbenchError, match=r"--out .*x.pth is not a .safetensors file"):
        checkpoint_store.convert(path, tmp_path / "x.pth")


def test_a_checkpoint_in_half_precision_has_the_same_numbers_rounded(tmp_path: Path) -> None:
    trained = methods.create("mcnet@demo")
    path, out = tmp_path / "best.safetensors", tmp_path / "half.safetensors"
    save_networks(trained.networks, path, {"method": "mcnet@demo", "epochs": 100})
    checkpoint_store.convert(path, out, half=True)
    assert out.stat().st_size < 0.55 * path.stat().st_size
    assert read_metadata(out)["epochs"] == 100  # what its training noted stays
    small = methods.create("mcnet@demo", weights=out)
    for name, network in trained.networks.items():
        for key, value in small.networks[name].state_dict().items():
            own = network.state_dict()[key]
            assert torch.equal(value, own.half().to(own.dtype) if own.is_floating_point() else own)
    with torch.no_grad():
        next(trained.networks["generator"].parameters()).fill_(1e5)
    save_networks(trained.networks, path, {"method": "mcnet@demo"})
    with pytest.raises(TalkbenchError, match=r"has numbers beyond half precision in .*weight; leave --half out"):
        checkpoint_store.convert(path, out, half=True)


def test_a_state_of_a_training_becomes_weights_before_it_is_stored(tmp_path: Path) -> None:
    trained = methods.create("mcnet@demo")
    flat = {f"{name}.{key}": value for name, net in trained.networks.items() for key, value in net.state_dict().items()}
    recipe = {"method": "mcnet@demo", "dataset": "folder"}
    path = saved(tmp_path / "00000007.pt", {"step": 7, "config": recipe, "networks": flat, "average": None})
    with pytest.raises(
        TalkbenchError, match=r"00000007.pt is the state of a training; make weights of it first: bench"
    ):
        checkpoint_store.add(path)
    match, out = checkpoint_store.convert(path)
    assert match.method == "mcnet@demo"
    metadata = read_metadata(out)
    assert (metadata["steps"], metadata["config"], metadata["converted_from"]) == (7, recipe, "00000007.pt")
    converted = methods.create("mcnet@demo", weights=out).networks
    for name, net in trained.networks.items():
        assert all(torch.equal(value, converted[name].state_dict()[key]) for key, value in net.state_dict().items())


def test_what_was_trained_here_can_be_written_as_the_authors_do(tmp_path: Path) -> None:
    trained = methods.create("mcnet@demo")
    path = tmp_path / "best.safetensors"
    save_networks(trained.networks, path, {"method": "mcnet@demo", "epochs": 100})
    match, out = checkpoint_store.convert_official(path)
    assert (match.method, out.name) == ("mcnet@demo", "00000099-checkpoint.pth.tar")
    content = torch.load(out, weights_only=True)
    assert set(content) == {"generator", "kp_detector", "discriminator", "epoch"}
    assert content["epoch"] == 99
    for name, network in trained.networks.items():
        assert list(content[name]) == [f"module.{key}" for key in network.state_dict()]
    again = methods.create("mcnet@demo", weights=out)
    for key, value in again.networks["generator"].state_dict().items():
        assert torch.equal(value, trained.networks["generator"].state_dict()[key])


def test_a_discriminator_that_learned_is_written_as_it_is(tmp_path: Path) -> None:
    method, path = skeleton("fomm@vox-adv")[0], tmp_path / "weights.safetensors"
    judge = method.discriminator()
    states = {name: flat(network) for name, network in method.networks.items()}
    save_states({**states, "discriminator": judge.state_dict()}, path, {"method": "fomm@vox-adv", "epochs": 50})
    _, out = checkpoint_store.convert_official(path)
    content = torch.load(out, weights_only=True)
    assert list(content["discriminator"]) == list(judge.state_dict())
    assert all(torch.equal(content["discriminator"][key], value) for key, value in judge.state_dict().items())


def test_files_of_several_parts_are_converted_into_one(tmp_path: Path) -> None:
    name = "dagan@vox-adv-256"
    main = official(name, without=("depth_encoder", "depth_decoder"))
    path = saved(tmp_path / "DaGAN_vox_adv_256.pth.tar", main)
    with pytest.raises(TalkbenchError, match=r"encoder.pth does not exist.* which wants its depth_encoder"):
        checkpoint_store.convert(path, name=name)
    folder = tmp_path / "depth_resnet18"
    folder.mkdir()
    for file, part in (("encoder", "depth_encoder"), ("depth", "depth_decoder")):
        saved(folder / f"{file}.pth", flat(skeleton(name)[0].networks[part]))
    match, out = checkpoint_store.convert(path, name=name)
    shutil.rmtree(folder)
    assert (match.method, out.name) == (name, "dagan-vox-adv-256.safetensors")
    assert methods.create(name, weights=out).checkpoint_sha256 == sha256_file(out)
