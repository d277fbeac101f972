"""DaGAN beyond its goldens: its files, its options, and what is computed once; on a small configuration."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from goldens import Recorder, image
from torch import Tensor

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.methods import cards, checkpoint_store
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.checkpoints import save_networks
from talkbench.methods.dagan import DEPTH_FILES, VARIANTS
from talkbench.methods.dagan.depth import DepthDecoder
from talkbench.methods.dagan.model import DaGANConfig
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import hull_scale

HOURGLASS = HourglassConfig(8, max_features=32, num_blocks=2)
SMALL = DaGANConfig(64, 10, HOURGLASS, HOURGLASS, block_expansion=8, max_features=32, num_bottleneck_blocks=1)
DECODERS = ("small", "small-spade")


@pytest.fixture(autouse=True, scope="module")
def _small_variants() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VARIANTS, "small", SMALL)
        patch.setitem(VARIANTS, "small-spade", replace(SMALL, spade=True))
        yield
    trained.cache_clear()


def create(variant: str = "small", **options: object) -> Method:
    return methods.registry.get("dagan")(variant=variant, **options)


@cache
def trained(variant: str = "small") -> Method:
    """A method whose attention shows, and whose spectral vectors have come near those of their matrices."""
    torch.manual_seed(0)
    method = create(variant)
    generator = method.networks["generator"]
    generator.AttnModule.gamma.fill_(1)
    if variant == "small-spade":
        generator.decoder.train()
        for _ in range(5):  # one power iteration each
            generator.decoder(torch.rand(1, 32, 8, 8), torch.rand(1, 3, 32, 32))
        generator.decoder.eval()
    return method


def frames(*seeds: int) -> Tensor:
    return torch.cat([image(seed)[..., ::4, ::4] for seed in seeds])


def publish(method: Method, folder: Path, zipped: bool = True, prefix: str = "module.") -> Path:
    """Write the files as the authors do: the model's with everything else of its training, the depth network's
    as two bare state dicts, the encoder's with three entries that are no tensors."""
    states = {name: network.state_dict() for name, network in method.networks.items()}
    wrapped = {
        name: {prefix + key: value for key, value in states[name].items()} for name in ("generator", "kp_detector")
    }
    rest = {"discriminator": {f"{prefix}discs.1.conv.bias": torch.zeros(1)}, "optimizer_generator": {}, "epoch": 149}
    path, depth = folder / "DaGAN_vox_adv_256.pth.tar", folder / "depth_resnet18"
    depth.mkdir()
    torch.save({**wrapped, **rest}, path, _use_new_zipfile_serialization=zipped)
    extras = {"height": 224, "width": 224, "use_stereo": False}
    torch.save({**states["depth_encoder"], **extras}, depth / "encoder.pth", _use_new_zipfile_serialization=zipped)
    torch.save(states["depth_decoder"], depth / "depth.pth", _use_new_zipfile_serialization=zipped)
    return path


def assert_same_weights(found: Method, wanted: Method) -> None:
    for name, network in wanted.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(found.networks[name].state_dict()[key], value), key


@pytest.mark.parametrize(("zipped", "prefix"), [(True, "module."), (False, "")], ids=["zip, wrapped", "old, bare"])
@pytest.mark.parametrize("variant", DECODERS)
def test_the_authors_files_load(tmp_path: Path, variant: str, zipped: bool, prefix: str) -> None:
    path = publish(trained(variant), tmp_path, zipped, prefix)
    loaded = create(variant, weights=path)
    assert_same_weights(loaded, trained(variant))
    assert loaded.checkpoint_sha256 == sha256_file(path)
    depth = {f"{part}_sha256": sha256_file(tmp_path / "depth_resnet18" / name) for part, name in DEPTH_FILES.items()}
    assert loaded.settings == {"adapt_scale": False, **depth}


def test_the_depth_files_may_lie_elsewhere(tmp_path: Path) -> None:
    path = publish(trained(), tmp_path)
    elsewhere = (tmp_path / "depth_resnet18").rename(tmp_path / "elsewhere")
    assert_same_weights(create(weights=path, depth=elsewhere), trained())


@pytest.mark.parametrize("name", DEPTH_FILES.values())
def test_a_missing_depth_file_is_named_with_its_source(tmp_path: Path, name: str) -> None:
    path = publish(trained(), tmp_path)
    (tmp_path / "depth_resnet18" / name).unlink()
    with pytest.raises(TalkbenchError) as caught:
        create(weights=path)
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(tmp_path / "depth_resnet18" / name), "dagan@small", "depth_face_model", "CVPR2022-DaGAN"):
        assert part in message


def test_a_depth_network_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TalkbenchError, match="belongs to a checkpoint of dagan@small"):
        create(depth=tmp_path)


def test_the_other_depth_network_does_not_fit(tmp_path: Path) -> None:
    path = publish(trained(), tmp_path)
    torch.save(DepthDecoder(50).state_dict(), tmp_path / "depth_resnet18" / "depth.pth")
    with pytest.raises(TalkbenchError, match=r"depth\.pth does not fit .* depth_decoder has 4 misshapen keys"):
        create(weights=path)


def test_the_other_generator_does_not_fit(tmp_path: Path) -> None:
    path = publish(trained("small-spade"), tmp_path)
    with pytest.raises(TalkbenchError, match=r"generator has .* missing keys: up_blocks.* unexpected keys: decoder\."):
        create("small", weights=path)


def test_ours_hold_the_depth_network_too(tmp_path: Path) -> None:
    path = tmp_path / "dagan.safetensors"
    save_networks(trained().networks, path, {})
    loaded = create(weights=path)
    assert_same_weights(loaded, trained())
    assert loaded.settings == {"adapt_scale": False}


def test_without_torchvision_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(TalkbenchError, match="dagan needs torchvision: pip install torchvision"):
        create()


def test_of_the_larger_depth_network_no_generator_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    name = "dagan@spade-depth50"
    wanted = {file.part: file.path for file in checkpoint_store.listed("dagan") if file.method == name}
    folder = tmp_path / "weights" / "dagan" / "depth_resnet50"
    assert wanted == {part: folder / file for part, file in DEPTH_FILES.items()}
    with pytest.raises(TalkbenchError, match=f"no weights of {name} are published"):
        cards.find_weights(name)


def test_an_unknown_variant_is_answered_with_the_nearest() -> None:
    with pytest.raises(TalkbenchError, match=r"unknown variant dagan@spad: did you mean spade"):
        create("spad")


def test_the_bare_name_is_the_papers_model() -> None:
    with torch.device("meta"):
        method = methods.create("dagan")
    assert (method.name, method.config) == ("dagan@vox-adv-256", DaGANConfig())


@pytest.mark.parametrize("variant", DECODERS)
def test_images_are_in_range_and_of_the_sources_size(variant: str) -> None:
    method = trained(variant)
    out = method.render(method.encode_source(frames(1)), method.encode_motion(frames(2)))
    assert out.shape == (1, 3, 64, 64)
    assert out.min() >= 0
    assert out.max() <= 1


@pytest.mark.parametrize("variant", DECODERS)
def test_a_batch_of_sources_equals_each_on_its_own(variant: str) -> None:
    method = trained(variant)
    sources, drivings = frames(1, 2, 3), frames(4, 5, 1)
    together = method.render(method.encode_source(sources), method.encode_motion(drivings))
    for index in range(3):
        one = slice(index, index + 1)
        alone = method.render(method.encode_source(sources[one]), method.encode_motion(drivings[one]))
        torch.testing.assert_close(alone, together[one], rtol=0, atol=1e-5)


@pytest.mark.parametrize("variant", DECODERS)
def test_select_rearranges_every_part_of_a_source(variant: str) -> None:
    method = trained(variant)
    source, motion = method.encode_source(frames(1, 2)), method.encode_motion(frames(3))
    assert (source.image is None) == (variant == "small")
    swapped = method.render(source.select(torch.tensor([1, 0])), motion.expand(2))
    torch.testing.assert_close(swapped, method.render(source, motion.expand(2)).flip(0), rtol=0, atol=1e-5)


def test_rendering_repeats_nothing_of_the_source() -> None:
    method = trained()
    source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
    recorders = {name: Recorder(network) for name, network in method.networks.items()}
    with contextlib.ExitStack() as stack:
        for recorder in recorders.values():
            stack.enter_context(recorder)
        method.render(source, motion)
    ran = {name: set(recorder.outputs) for name, recorder in recorders.items()}
    generator = ran.pop("generator")
    assert not any(ran.values())
    blocks = {name.split(".")[0] for name in generator} - {""}
    assert blocks == {"dense_motion_network", "AttnModule", "bottleneck", "up_blocks", "final"}
    assert not {"AttnModule.query_conv", "dense_motion_network.down"} & generator


def test_only_the_finest_disparity_is_computed() -> None:
    method = trained()
    with Recorder(method.networks["depth_decoder"]) as recorder:
        method.encode_motion(frames(1))
    assert "decoder.10" in recorder.outputs
    assert not {"decoder.11", "decoder.12", "decoder.13"} & set(recorder.outputs)


def test_relative_motion_without_change_leaves_the_source() -> None:
    method = trained()
    source, driving = method.encode_source(frames(1)), method.encode_motion(frames(2))
    moved = method.transfer(source, driving, driving)
    torch.testing.assert_close(moved.value, source.keypoints.value)
    torch.testing.assert_close(moved.jacobian, source.keypoints.jacobian)


def test_the_scale_is_adapted_only_on_request() -> None:
    plain, adapting = trained(), create(adapt_scale=True)
    assert (plain.settings, adapting.settings) == ({"adapt_scale": False}, {"adapt_scale": True})
    source = plain.encode_source(frames(1))
    reference, driving = plain.encode_motion(frames(2)), plain.encode_motion(frames(3))
    shift = driving.value - reference.value
    ratio = hull_scale(source.keypoints.value, reference.value)
    for method, wanted in ((plain, shift), (adapting, shift * ratio)):
        moved = method.transfer(source, driving, reference)
        torch.testing.assert_close(moved.value - source.keypoints.value, wanted)
