"""TPSM beyond its goldens, with small networks: options, checkpoints, splines, and MCNet's memory in it."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from goldens import Recorder
from reference_fill import image
from torch import Tensor, nn

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods.avd import AVDNetwork
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.mcnet.memory import MemoryConfig
from talkbench.methods.tpsm import TPSM, VARIANTS, KeypointMotion, TPSMConfig
from talkbench.methods.tpsm.model import sparse_motions
from talkbench.methods.tpsm.spline import fit_splines

SMALL = TPSMConfig(
    resolution=128, dense_motion=HourglassConfig(8, 32, num_blocks=3), block_expansion=8, max_features=64
)


@pytest.fixture(scope="module", autouse=True)
def _small_variants() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VARIANTS, "small", SMALL)
        patch.setitem(VARIANTS, "small-memory", replace(SMALL, memory=MemoryConfig(channels=32, side=8)))
        yield
    states.cache_clear()


@pytest.fixture
def gradients() -> Iterator[None]:
    with torch.enable_grad():
        yield


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Writes a checkpoint as the authors' second stage does, less the networks in `without`."""

    def write(method: TPSM, without: str = "", **options: bool) -> Path:
        states = {name: network.state_dict() for name, network in method.networks.items() if name != without}
        path = tmp_path / "checkpoint.pth.tar"
        torch.save({**states, "optimizer_avd": {"state": {}, "param_groups": []}, "epoch": 199}, path, **options)
        return path

    return write


@cache
def states(variant: str) -> dict[str, dict[str, Tensor]]:
    """Random weights, with a background predictor that does not predict the identity."""
    torch.manual_seed(0)
    method = TPSM(variant)
    nn.init.normal_(method.bg_predictor.bg_encoder.fc.weight, std=0.02)
    return {name: network.state_dict() for name, network in method.networks.items()}


def create(variant: str = "small", **options: bool) -> TPSM:
    """The same weights at every call."""
    with torch.device("meta"):
        method = TPSM(variant, **options)
    for name, network in method.networks.items():
        network.load_state_dict(states(variant)[name], assign=True)
    return method


def frames(*seeds: int, size: int = 128) -> Tensor:
    return torch.cat([image(seed, size) for seed in seeds])


def animate(method: TPSM, sources: Tensor, driving: Tensor) -> Tensor:
    encoded = method.encode_source(sources)
    return method.render(encoded, method.transfer(encoded, method.encode_motion(driving), None))


def test_images_are_in_range_and_nothing_of_the_source_is_done_again() -> None:
    method = create()
    source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
    with Recorder(method.inpainting_network) as inpainting, Recorder(method.dense_motion_network) as dense:
        out = method.render(source, method.transfer(source, motion, None))
    assert out.shape == (1, 3, 128, 128)
    assert 0 <= out.min() < out.max() <= 1
    assert not {"first", "down_blocks.0", "down"} & (set(inpainting.outputs) | set(dense.outputs))


def test_a_batch_equals_its_items_each_on_its_own() -> None:
    method = create(background=True)
    sources, driving = frames(1, 2, size=256), frames(3, 4, size=256)
    together = animate(method, sources, driving)
    for item in ([0], [1]):
        torch.testing.assert_close(together[item], animate(method, sources[item], driving[item]), rtol=0, atol=1e-5)


def test_the_name_is_full_and_the_settings_are_recorded() -> None:
    with torch.device("meta"):
        method = methods.create("tpsm", background=True)
    assert (method.name, method.settings) == ("tpsm@vox-256", {"avd": False, "background": True})


def test_an_unknown_variant_is_answered_with_the_nearest() -> None:
    with pytest.raises(TalkbenchError, match=r"unknown variant tpsm@ted: did you mean ted-384"):
        TPSM("ted")


def test_without_torchvision_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(TalkbenchError, match=r"^tpsm needs torchvision: pip install torchvision$"):
        TPSM()


def test_relative_motion_moves_by_the_hulls_ratio() -> None:
    method, points = create(), torch.rand(1, 50, 2) - 0.5
    source = replace(method.encode_source(frames(1)), keypoints=2 * points)
    reference, driving = KeypointMotion(points, None), KeypointMotion(points + torch.tensor([0.1, -0.2]), None)
    still, moved = (method.transfer(source, motion, reference).keypoints for motion in (reference, driving))
    torch.testing.assert_close(still, source.keypoints)
    torch.testing.assert_close(moved, source.keypoints + torch.tensor([0.2, -0.4]))


def test_avd_is_absolute_alone() -> None:
    method = create(avd=True)
    source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
    disentangled = method.avd_network(source.keypoints.flatten(1), motion.keypoints.flatten(1))
    torch.testing.assert_close(method.transfer(source, motion, None).keypoints, disentangled.view(1, 50, 2))
    with pytest.raises(TalkbenchError, match="leave avd out for relative motion"):
        method.transfer(source, motion, motion)


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_checkpoints_load_in_both_serialisations(checkpoint: Callable[..., Path], options: dict[str, bool]) -> None:
    method = create()
    loaded = TPSM("small", weights=checkpoint(method, **options))
    for name, network in method.networks.items():
        torch.testing.assert_close(loaded.networks[name].state_dict(), network.state_dict(), rtol=0, atol=0)
    assert loaded.checkpoint_sha256 is not None


def test_the_background_moves_where_it_is_asked_to_and_predicted(checkpoint: Callable[..., Path]) -> None:
    still, moving = (create(background=background) for background in (False, True))
    without = TPSM("small", weights=checkpoint(still, without="bg_predictor"), background=True)
    image_still, image_moving, image_without = (animate(m, frames(1), frames(2)) for m in (still, moving, without))
    assert (image_moving - image_still).abs().max() > 1e-3
    torch.testing.assert_close(image_without, image_still, rtol=0, atol=1e-4)


def test_avd_needs_a_checkpoint_that_has_it(checkpoint: Callable[..., Path]) -> None:
    path = checkpoint(create(), without="avd_network")
    assert TPSM("small", weights=path).checkpoint_sha256 is not None
    with pytest.raises(TalkbenchError, match="has no avd_network: leave avd out"):
        TPSM("small", weights=path, avd=True)


def test_the_avd_network_of_the_authors_first_revision_loads(checkpoint: Callable[..., Path]) -> None:
    method = create()
    method.networks["avd_network"] = AVDNetwork(100, 64)
    assert TPSM("small", weights=checkpoint(method), avd=True).avd_network.id_encoder[-1].out_features == 64


def test_splines_miss_their_targets_by_the_smoothing() -> None:
    driving = torch.rand(1, 2, 5, 2) * 2 - 1
    source = driving + 0.1 * torch.randn(1, 2, 5, 2)
    splines = fit_splines(driving, source)
    reached = torch.stack([splines(driving[0, k])[0, k] for k in range(2)])[None]
    torch.testing.assert_close(source - reached, 0.01 * splines.weights, rtol=0, atol=1e-5)
    assert splines(torch.zeros(7, 9, 2)).shape == (1, 2, 7, 9, 2)


@pytest.mark.usefixtures("gradients")
def test_coincident_points_have_splines_and_finite_gradients() -> None:
    source, driving = (torch.zeros(1, 50, 2, requires_grad=True) for _ in range(2))
    sparse_motions(source, driving, None, torch.Size((4, 4))).square().sum().backward()
    for points in (source, driving):
        assert points.grad is not None
        assert points.grad.isfinite().all()


def test_half_precision_leaves_motion_and_image_in_float32() -> None:
    method = create(background=True)
    exact, motion = animate(method, frames(1), frames(2)), method.encode_motion(frames(2))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(method.encode_motion(frames(2)).keypoints, motion.keypoints)
        half = animate(method, frames(1), frames(2))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, exact, rtol=0, atol=0.02)


def test_the_memory_is_mcnets_with_a_wider_style_input() -> None:
    with torch.device("meta"):
        plain, memory, mcnet = (methods.create(name) for name in ("tpsm@taichi-256", "tpsm@memory", "mcnet"))
    shapes = {
        name: {key: value.shape for key, value in network.state_dict().items()}
        for name, network in (
            ("plain", plain.networks["inpainting_network"]),
            ("memory", memory.networks["inpainting_network"]),
            ("unit", mcnet.networks["generator"].mbUnit),
        )
    }
    unit = {f"mbUnit.{key}": shape for key, shape in shapes["unit"].items()}
    assert unit.pop("mbUnit.style_route.0.weight") == (128, 512 + 2 * 15)
    assert shapes["memory"].pop("mbUnit.style_route.0.weight") == (128, 512 + 2 * 50)
    assert shapes["memory"] == {**shapes["plain"], **unit}


@pytest.mark.usefixtures("gradients")
def test_gradients_reach_every_part_of_the_memory_and_the_motion() -> None:
    method = create("small-memory")
    images, driving = frames(1, 2), frames(3, 4)
    keypoints = method.kp_detector(images)
    source = method.inpainting_network.encode(images, keypoints, method.dense_motion_network.down(images))
    flow = method.dense_motion_network(source, method.kp_detector(driving))
    noise = tuple(torch.randn(2, 1, 8, 8) for _ in range(3))
    generated = method.inpainting_network(source, flow, noise)
    assert [unit.feature.shape[2:] for unit in generated.compensations] == [(16, 16), (32, 32), (64, 64)]
    torch.testing.assert_close(animate(method, images, driving), method.inpainting_network(source, flow).prediction)
    generated.prediction.square().mean().backward()
    networks = (method.inpainting_network, method.dense_motion_network, method.kp_detector)
    parameters = [(key, parameter) for network in networks for key, parameter in network.named_parameters()]
    unreached = [key for key, parameter in parameters if parameter.grad is None or not parameter.grad.any()]
    assert unreached == []


def test_the_memory_compensates_all_maps_but_the_full_size_one() -> None:
    method = create("small-memory")
    source = method.encode_source(frames(1))
    flow = method.dense_motion_network(source, method.encode_motion(frames(2)).keypoints)
    with Recorder(method.inpainting_network) as recorder:
        method.inpainting_network(source, flow)
    calls, outputs = recorder.inputs["mbUnit"], [unit.output for unit in recorder.outputs["mbUnit"]]
    assert [level for level, *_ in calls] == [16, 32, 64]
    for (_, warped, keypoints, noise), mask in zip(calls, flow.occlusion_maps, strict=False):
        assert warped.shape[2:] == mask.shape[2:]
        assert keypoints is source.keypoints
        assert noise is None
    decoder = [recorder.inputs[f"resblock.{index}"][0][0] for index in (0, 2, 4)]
    for entered, compensated in zip(decoder, outputs, strict=True):
        assert torch.equal(entered[:, -compensated.shape[1] :], compensated)


def test_a_checkpoint_of_the_other_kind_is_refused(checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(TalkbenchError, match=r"inpainting_network has .* missing keys: mbUnit"):
        TPSM("small-memory", weights=checkpoint(create()))
