"""face-vid2vid beyond its goldens, on small networks: the options, the algebra of heads, checkpoints, the cost."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from goldens import image
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from talkbench import methods
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.methods import cards
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.checkpoints import save_networks
from talkbench.methods.facevid2vid import VARIANTS, FaceVid2Vid, FaceVid2VidConfig
from talkbench.methods.facevid2vid.blocks3d import DownBlock3d, UpBlock3d
from talkbench.methods.facevid2vid.head import Head, bins_to_degrees, rotation_matrix
from talkbench.methods.keypoints import relative_values

SPADE = FaceVid2VidConfig(
    resolution=64,
    num_kp=6,
    depth=4,
    kp_detector=HourglassConfig(4, num_blocks=2),
    dense_motion=HourglassConfig(4, num_blocks=2),
    volume_channels=4,
    head_expansion=4,
    block_expansion=8,
    num_resblocks=2,
)
ORIGINAL = replace(SPADE, spade=False)
BETA = replace(
    ORIGINAL, kp_detector=replace(SPADE.kp_detector, scale_factor=1), legacy_3d_blocks=True, legacy_rotation=True
)
SMALL = {"spade": SPADE, "original": ORIGINAL, "beta": BETA}


@pytest.fixture(autouse=True)
def _small_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, config in SMALL.items():
        monkeypatch.setitem(VARIANTS, name, config)


def small(variant: str = "spade", **options: object) -> FaceVid2Vid:
    torch.manual_seed(0)
    return FaceVid2Vid(variant, **options)


def frames(*seeds: int) -> Tensor:
    return F.avg_pool2d(torch.cat([image(seed) for seed in seeds]), 4)


def head(count: int, num_kp: int = 6) -> Head:
    degrees = torch.empty(count, 3).uniform_(-60, 60)
    translation, expression = torch.randn(count, 3), torch.randn(count, num_kp, 3)
    return Head(degrees, rotation_matrix(degrees, legacy=False), translation, expression)


@pytest.mark.parametrize("variant", SMALL)
def test_images_are_in_range_and_of_the_sources_size(variant: str) -> None:
    method = small(variant)
    out = method.render(method.encode_source(frames(1)), method.encode_motion(frames(2)))
    assert out.shape == (1, 3, 64, 64)
    assert 0 <= out.min() < out.max() <= 1


@pytest.mark.parametrize("variant", SMALL)
def test_a_batch_equals_its_single_pairs(variant: str) -> None:
    method = small(variant)
    sources, motions = method.encode_source(frames(1, 2, 3)), method.encode_motion(frames(4, 5, 1))
    together = method.render(sources, method.transfer(sources, motions, motions.select(torch.tensor([2, 0, 1]))))
    for index, (seeds, reference) in enumerate(zip(((1, 4), (2, 5), (3, 1)), (1, 4, 5), strict=True)):
        source, motion = method.encode_source(frames(seeds[0])), method.encode_motion(frames(seeds[1]))
        moved = method.transfer(source, motion, method.encode_motion(frames(reference)))
        torch.testing.assert_close(method.render(source, moved)[0], together[index], rtol=0, atol=5e-5)


def test_nothing_is_remembered_between_calls() -> None:
    method = small()
    source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
    first = method.render(source, motion)
    method.render(method.encode_source(frames(3)), method.encode_motion(frames(4)))
    assert torch.equal(method.render(source, motion), first)


@pytest.mark.parametrize("adapt", [True, False])
def test_relative_motion_without_change_leaves_the_source(adapt: bool) -> None:
    method = small(adapt_scale=adapt)
    source, motion = method.encode_source(frames(1, 2)), method.encode_motion(frames(3, 4))
    moved = method.transfer(source, motion, motion).keypoints(source.canonical)
    torch.testing.assert_close(moved, source.keypoints, rtol=0, atol=1e-6)


@pytest.mark.parametrize("adapt", [True, False])
def test_relative_heads_move_keypoints_as_the_rule_for_positions_does(adapt: bool) -> None:
    method = small(adapt_scale=adapt)
    source, driving, reference = method.encode_source(frames(1, 2)), head(2), head(2)
    moved = method.transfer(source, driving, reference).keypoints(source.canonical)
    places = (head.keypoints(source.canonical) for head in (driving, reference))
    torch.testing.assert_close(moved, relative_values(source.keypoints, *places, adapt), rtol=0, atol=1e-5)


def test_keypoints_in_a_plane_are_a_failure_of_the_pair() -> None:
    method = small()
    source, flat = method.encode_source(frames(1)), head(1)
    flat = replace(flat, rotation=torch.zeros(1, 3, 3), expression=flat.expression * torch.tensor([1.0, 1.0, 0.0]))
    with pytest.raises(PairError, match="convex hull"):
        method.transfer(source, head(1), flat)


@pytest.mark.parametrize(
    ("angle", "current", "legacy"),
    [  # which axis goes where in a quarter turn
        ("yaw", ([0, 0, -1], [0, 1, 0], [1, 0, 0]), ([0, 1, 0], [-1, 0, 0], [0, 0, 1])),
        ("pitch", ([1, 0, 0], [0, 0, 1], [0, -1, 0]), ([0, 0, -1], [0, 1, 0], [1, 0, 0])),
        ("roll", ([0, 1, 0], [-1, 0, 0], [0, 0, 1]), ([1, 0, 0], [0, 0, 1], [0, -1, 0])),
    ],
)
def test_quarter_turns(angle: str, current: tuple, legacy: tuple) -> None:
    degrees = torch.tensor([[90.0 if name == angle else 0.0 for name in ("yaw", "pitch", "roll")]])
    for rule, images_of_axes in ((False, current), (True, legacy)):
        columns = torch.tensor(images_of_axes, dtype=torch.float32).T
        torch.testing.assert_close(rotation_matrix(degrees, rule)[0], columns, rtol=0, atol=1e-3)  # 3.14, not π


def test_rotations_are_composed_in_order_and_keep_lengths() -> None:
    degrees = torch.tensor([[20.0, -35.0, 50.0]])
    x, y, z = (rotation_matrix(degrees * torch.eye(3)[i], legacy=False) for i in (1, 0, 2))
    rotation = rotation_matrix(degrees, legacy=False)
    torch.testing.assert_close(rotation, x @ y @ z)
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3)[None])
    assert torch.linalg.det(rotation).item() == pytest.approx(1)


def test_bins_are_three_degrees_wide() -> None:
    certain = 100 * torch.eye(66)
    torch.testing.assert_close(bins_to_degrees(certain), torch.arange(-99.0, 99.0, 3.0))
    assert bins_to_degrees(torch.zeros(1, 66)).item() == pytest.approx(-1.5)


def test_given_angles_replace_the_drivers_in_absolute_motion() -> None:
    source, motion = small().encode_source(frames(1)), small().encode_motion(frames(2))
    turned = small(yaw=30.0, roll=0).transfer(source, motion, None)
    assert turned.degrees.tolist() == [[30.0, pytest.approx(motion.degrees[0, 1].item()), 0.0]]
    torch.testing.assert_close(turned.rotation, rotation_matrix(turned.degrees, legacy=False))
    assert torch.equal(turned.expression, motion.expression)
    assert small().transfer(source, motion, None) is motion


def test_given_angles_leave_the_reference_alone() -> None:
    method = small(yaw=30, adapt_scale=False)
    source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
    moved = method.transfer(source, motion, motion)
    yawed = rotation_matrix(torch.cat([torch.tensor([[30.0]]), motion.degrees[:, 1:]], dim=1), legacy=False)
    torch.testing.assert_close(moved.rotation, source.head.rotation + yawed - motion.rotation)


def test_the_beta_model_turns_by_its_own_rule() -> None:
    method = small("beta", pitch=25)
    source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
    turned = method.transfer(source, motion, None)
    torch.testing.assert_close(turned.rotation, rotation_matrix(turned.degrees, legacy=True))


@pytest.mark.parametrize("angle", ["left", math.nan, math.inf])
def test_an_angle_must_be_a_number(angle: object) -> None:
    with pytest.raises(TalkbenchError, match=r"pitch=.* is no angle; give a number of degrees"):
        small(pitch=angle)


def test_settings_are_recorded() -> None:
    assert small(yaw=20).settings == {"adapt_scale": True, "yaw": 20, "pitch": None, "roll": None}


def test_names() -> None:
    with torch.device("meta"):
        assert methods.create("facevid2vid").name == "facevid2vid@vox-256"
        assert methods.create("facevid2vid@vox-256-beta").name == "facevid2vid@vox-256-beta"
    with pytest.raises(TalkbenchError, match=r"unknown variant facevid2vid@vox-265: did you mean vox-256"):
        FaceVid2Vid("vox-265")


@pytest.mark.parametrize("legacy", [False, True])
def test_3d_blocks_resize_the_plane_alone(legacy: bool) -> None:
    volume = torch.randn(1, 2, 3, 8, 8)
    assert DownBlock3d(2, 5, legacy).eval()(volume).shape == (1, 5, 3, 4, 4)
    assert UpBlock3d(2, 5, legacy).eval()(volume).shape == (1, 5, 3, 16, 16)


def official(method: FaceVid2Vid) -> dict[str, object]:
    """The dictionary that the repository's trainer saves."""
    states: dict[str, object] = {name: network.state_dict() for name, network in method.networks.items()}
    optimiser = torch.optim.Adam(method.estimator.parameters()).state_dict()
    judge = {"discriminator": method.discriminator().state_dict()}
    return {**states, **judge, "optimizer_he_estimator": optimiser, "epoch": 189}


@pytest.mark.parametrize("variant", SMALL)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old serialisation"])
def test_the_repositorys_checkpoints_load(tmp_path: Path, variant: str, zipped: bool) -> None:
    trained = small(variant)
    torch.save(official(trained), tmp_path / "x.pth.tar", _use_new_zipfile_serialization=zipped)
    torch.manual_seed(1)
    loaded = FaceVid2Vid(variant, weights=tmp_path / "x.pth.tar")
    assert_same_images(loaded, trained)
    assert loaded.checkpoint_sha256


def test_the_networks_alone_are_enough(tmp_path: Path) -> None:
    trained = small()
    states = {
        name: {key: value for key, value in network.state_dict().items() if "num_batches" not in key}
        for name, network in trained.networks.items()
    }
    torch.save(states, tmp_path / "x.pth.tar")
    save_networks(trained.networks, tmp_path / "x.safetensors", {})
    for name in ("x.pth.tar", "x.safetensors"):
        assert_same_images(FaceVid2Vid("spade", weights=tmp_path / name), trained)


def assert_same_images(found: FaceVid2Vid, wanted: FaceVid2Vid) -> None:
    images = [
        method.render(method.encode_source(frames(1)), method.encode_motion(frames(2))) for method in (found, wanted)
    ]
    assert torch.equal(*images)


@pytest.mark.parametrize(
    ("variant", "problem"),
    [("original", "generator has .* missing keys: resblocks_2d"), ("beta", "generator has .* missing keys")],
)
def test_a_checkpoint_of_another_variant_is_refused(tmp_path: Path, variant: str, problem: str) -> None:
    torch.save(official(small()), tmp_path / "x.pth.tar")
    with pytest.raises(TalkbenchError, match=problem):
        FaceVid2Vid(variant, weights=tmp_path / "x.pth.tar")


def test_beta_weights_are_told_from_those_of_the_original_by_the_missing_kernel(tmp_path: Path) -> None:
    torch.save(official(small("beta")), tmp_path / "beta.pth.tar")
    with pytest.raises(TalkbenchError, match=r"kp_detector has 1 missing keys: down\.weight"):
        FaceVid2Vid("original", weights=tmp_path / "beta.pth.tar")


def test_all_three_networks_are_needed(tmp_path: Path) -> None:
    states = official(small())
    del states["he_estimator"]
    torch.save(states, tmp_path / "half.pth.tar")
    with pytest.raises(TalkbenchError, match="no he_estimator among its parts"):
        FaceVid2Vid("spade", weights=tmp_path / "half.pth.tar")


def test_half_precision_keeps_keypoints_flow_and_image_in_single() -> None:
    method = small()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
        keypoints = method.transfer(source, motion, motion).keypoints(source.canonical)
        flow, occlusion = method.generator.dense_motion_network(source, keypoints)
        rendered = method.render(source, motion)
    for tensor in (source.canonical, source.volume, keypoints, flow, occlusion, rendered):
        assert tensor.dtype == torch.float32
    exact = method.encode_motion(frames(2)).keypoints(method.encode_source(frames(1)).canonical)
    torch.testing.assert_close(motion.keypoints(source.canonical), exact, rtol=0, atol=0.02)


@pytest.mark.parametrize(("variant", "cached", "cold"), [("vox-256", 1155, 1274), ("vox-256-beta", 308, 1007)])
def test_a_driving_frame_does_none_of_the_sources_work(variant: str, cached: int, cold: int) -> None:
    """Multiplications and additions in 10⁹, counted without doing them."""
    with FakeTensorMode():
        method, images = methods.create(f"facevid2vid@{variant}"), torch.empty(1, 3, 256, 256)
        with FlopCounterMode(display=False) as counter:
            source = method.encode_source(images)
            once = counter.get_total_flops()
            method.render(source, method.transfer(source, method.encode_motion(images), None))
    total = counter.get_total_flops()
    assert (total - once) / 1e9 < cached
    assert total / 1e9 < cold


def test_the_cards_count_of_parameters() -> None:
    with torch.device("meta"):
        networks = methods.create("facevid2vid").networks.values()
    count = sum(parameter.numel() for network in networks for parameter in network.parameters())
    assert cards.card("facevid2vid").parameters == count
