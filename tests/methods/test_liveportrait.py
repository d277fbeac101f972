"""LivePortrait beyond its goldens, on small networks: settings, ways of moving, sizes, the cost."""

from dataclasses import replace

import pytest
import small_liveportrait
import torch
from goldens import image
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods import cards
from talkbench.methods.liveportrait import VARIANTS, LivePortrait
from talkbench.methods.liveportrait.motion import Head, rotation_matrix
from talkbench.methods.liveportrait.retargeting import openness
from talkbench.methods.liveportrait.transfer import EYES, LIPS


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIANTS, "small", small_liveportrait.CONFIG)


def small(**options: object) -> LivePortrait:
    torch.manual_seed(0)
    method = LivePortrait("small", **options)
    torch.nn.init.ones_(method.extractor.detector.fc_scale.bias)  # as large as a trained head
    return method


def frames(*seeds: int, side: int = 32) -> Tensor:
    return F.avg_pool2d(torch.cat([image(seed) for seed in seeds]), 256 // side)


def marks(images: Tensor) -> Tensor:
    """203 points that depend on the image."""
    return F.adaptive_avg_pool2d(images, (203, 2))[:, 0] * 100


def moved(method: LivePortrait, source: int, driving: int, reference: int | None = None) -> tuple[Tensor, Head]:
    """The keypoints of a source driven by a frame, and the source's head."""
    portrait, head = method.encode_source(frames(source)), method.encode_motion(frames(driving))
    other = None if reference is None else method.encode_motion(frames(reference))
    return method.transfer(portrait, head, other).keypoints(portrait.canonical), portrait.head


def test_images_are_in_range_and_of_the_inputs_size() -> None:
    method = small()
    rendered = method.render(method.encode_source(frames(1)), method.encode_motion(frames(2)))
    assert rendered.shape == (1, 3, 32, 32)
    assert 0 <= rendered.min() < rendered.max() <= 1


def test_the_native_output_is_of_frames_of_that_size_and_its_blocks_mean_is_the_default() -> None:
    native, area = small(output="native-512"), small()
    assert (native.resolution, area.resolution) == (64, 32)
    sources, drivings = frames(1, side=64), frames(2, side=64)
    large = native.render(native.encode_source(sources), native.encode_motion(drivings))
    assert large.shape == (1, 3, 64, 64)
    rendered = area.render(area.encode_source(F.avg_pool2d(sources, 2)), area.encode_motion(F.avg_pool2d(drivings, 2)))
    torch.testing.assert_close(F.avg_pool2d(large, 2), rendered)


def test_images_of_twice_the_size_are_shrunk_and_others_refused() -> None:
    method = small()
    large = method.encode_source(frames(1, side=64))
    torch.testing.assert_close(large.volume, method.encode_source(frames(1, side=32)).volume)
    with pytest.raises(TalkbenchError, match=r"takes images of 32 or 64 pixels, not 256x256; resize them"):
        method.encode_motion(image(1))


@pytest.mark.parametrize(
    "settings", [{}, {"form": "pipeline"}, {"stitching": True, "retarget": "eyes-lips", "landmarks": marks}]
)
def test_a_batch_equals_its_single_pairs(settings: dict[str, object]) -> None:
    method = small(**settings)
    sources, motions = method.encode_source(frames(1, 2)), method.encode_motion(frames(4, 5))
    for reference in (None, (1, 0)):
        others = None if reference is None else motions.select(torch.tensor(reference))
        together = method.render(sources, method.transfer(sources, motions, others))
        for index in range(2):
            source, motion = (record.select(torch.tensor([index])) for record in (sources, motions))
            other = None if others is None else others.select(torch.tensor([index]))
            alone = method.render(source, method.transfer(source, motion, other))[0]
            torch.testing.assert_close(alone, together[index], rtol=0, atol=5e-5)


def test_the_form_driver_takes_every_parameter_from_the_driver() -> None:
    method = small()
    source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
    assert method.transfer(source, motion, None) is motion


def test_the_form_pipeline_keeps_the_sources_scale_and_part_of_its_expression() -> None:
    method = small(form="pipeline")
    source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
    head = method.transfer(source, motion, None)
    assert torch.equal(head.scale, source.head.scale)
    assert torch.equal(head.rotation, motion.rotation)
    own, driven = head.expression == source.head.expression, head.expression == motion.expression
    assert int(own.sum()) == 18
    assert torch.equal(own, ~driven)


@pytest.mark.parametrize("reference", [None, 3])
@pytest.mark.parametrize(("region", "points"), [("lip", LIPS), ("eyes", EYES)])
def test_a_region_moves_its_own_points_alone(region: str, points: tuple[int, ...], reference: int | None) -> None:
    method = small(form="pipeline", region=region)
    keypoints, head = moved(method, 1, 2, reference)
    still = head.keypoints(method.encode_source(frames(1)).canonical)
    changed = (keypoints != still).any(2)[0].nonzero().flatten().tolist()
    assert changed == sorted(points)


@pytest.mark.parametrize("region", ["all", "exp", "pose", "lip", "eyes"])
def test_relative_motion_without_change_leaves_the_source(region: str) -> None:
    method = small(form="pipeline", region=region)
    source = method.encode_source(frames(1))
    keypoints, _ = moved(method, 1, 2, 2)
    torch.testing.assert_close(keypoints, source.keypoints, rtol=0, atol=1e-6)


def test_the_multiplier_scales_the_way_from_the_source() -> None:
    source = small().encode_source(frames(1)).keypoints
    once, _ = moved(small(stitching=True), 1, 2)
    double, _ = moved(small(stitching=True, multiplier=2), 1, 2)
    torch.testing.assert_close(double - source, 2 * (once - source))
    still, _ = moved(small(multiplier=0), 1, 2)
    torch.testing.assert_close(still, source)


def test_retargeted_eyes_replace_relative_motion_and_join_absolute_motion() -> None:
    eyes = {"retarget": "eyes", "landmarks": marks}
    source = small().encode_source(frames(1)).keypoints
    shift = moved(small(**eyes), 1, 2, 3)[0] - source
    torch.testing.assert_close(moved(small(**eyes), 1, 2)[0], moved(small(), 1, 2)[0] + shift)
    assert shift.abs().max() > 0


def test_lips_are_closed_unless_they_are_closed_already() -> None:
    def shut(images: Tensor) -> Tensor:
        points = torch.zeros(len(images), 203, 2)
        points[:, 66] = 1.0
        return points

    plain, _ = moved(small(), 1, 2, 3)
    assert torch.equal(moved(small(landmarks=shut, retarget="close-lips"), 1, 2, 3)[0], plain)
    assert not torch.equal(moved(small(landmarks=marks, retarget="close-lips"), 1, 2, 3)[0], plain)
    with pytest.raises(TalkbenchError, match="close-lips of liveportrait is for relative motion"):
        moved(small(landmarks=marks, retarget="close-lips"), 1, 2)


def test_openness_is_height_by_width_at_any_scale() -> None:
    points = torch.zeros(1, 203, 2)
    points[0, [6, 30, 90], 1] = torch.tensor([1.0, 2.0, 3.0])
    points[0, [12, 36, 66], 0] = 4.0
    for scale in (1, 50):
        torch.testing.assert_close(openness(scale * points), torch.tensor([[0.25, 0.5, 0.75]]), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("degrees", "rows"),
    [  # where the axes go, as row vectors times R
        ([90.0, 0.0, 0.0], ([1, 0, 0], [0, 0, 1], [0, -1, 0])),
        ([0.0, 90.0, 0.0], ([0, 0, -1], [0, 1, 0], [1, 0, 0])),
        ([0.0, 0.0, 90.0], ([0, 1, 0], [-1, 0, 0], [0, 0, 1])),
    ],
)
def test_quarter_turns(degrees: list[float], rows: tuple[list[int], ...]) -> None:
    expected = torch.tensor(rows, dtype=torch.float32)
    torch.testing.assert_close(rotation_matrix(torch.tensor([degrees]))[0], expected, rtol=0, atol=1e-6)


def test_the_depth_of_the_translation_is_not_used() -> None:
    source, motion = small().encode_source(frames(1)), small().encode_motion(frames(2))
    deeper = replace(motion, translation=motion.translation + torch.tensor([0.0, 0.0, 5.0]))
    assert torch.equal(deeper.keypoints(source.canonical), motion.keypoints(source.canonical))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"form": "drivers"}, "unknown form=drivers of liveportrait: did you mean driver"),
        ({"output": "512"}, "unknown output=512 of liveportrait: .*native-512"),
        ({"region": "lip"}, "region=lip needs form=pipeline"),
        ({"multiplier": float("nan")}, "multiplier=nan of liveportrait is no number"),
        ({"retarget": "eyes"}, "retarget=eyes of liveportrait needs landmarks=, a function of Python"),
        ({"landmarks": marks}, "retarget=none of liveportrait needs to be something else"),
    ],
)
def test_faulty_settings_are_refused_in_one_line(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(TalkbenchError, match=problem):
        small(**settings)


def test_landmarks_of_another_shape_are_refused() -> None:
    with pytest.raises(TalkbenchError, match=r"landmarks gives the shape \(1, 68, 2\), not \(B, 203, 2\)"):
        small(retarget="eyes", landmarks=lambda images: torch.zeros(len(images), 68, 2)).encode_motion(frames(1))


def test_settings_are_recorded() -> None:
    plain = {"form": "driver", "region": "all", "stitching": False, "output": "area-256", "multiplier": 1.0}
    assert small().settings == {**plain, "retarget": "none"}
    assert small(retarget="lips", landmarks=marks).settings == {**plain, "retarget": "lips", "landmarks": "marks"}


def test_half_precision_keeps_keypoints_flow_and_image_in_single() -> None:
    method = small(stitching=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
        keypoints = method.transfer(source, motion, motion).keypoints(source.canonical)
        _, flow, occlusion = method.warping(source, keypoints)
        rendered = method.render(source, motion)
    for tensor in (source.canonical, source.volume, keypoints, flow, occlusion, rendered):
        assert tensor.dtype == torch.float32


def test_inspection_shows_points_flow_and_occlusion() -> None:
    method = small()
    source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
    inside = method.inspect(frames(1), source, motion)
    assert torch.equal(inside.prediction, method.render(source, motion))
    assert torch.equal(inside.source_points, source.keypoints[..., :2])
    assert inside.driving_points.shape == (1, 21, 2)
    assert inside.deformation.shape == (1, 8, 8, 2)
    assert inside.occlusion.shape == (1, 1, 8, 8)


def test_a_driving_frame_does_none_of_the_sources_work() -> None:
    """Multiplications and additions in 10⁹, counted without doing them (docs/specs/liveportrait.md 6.1)."""
    with FakeTensorMode():
        method, images = methods.create("liveportrait"), torch.empty(1, 3, 256, 256)
        with FlopCounterMode(display=False) as counter:
            source = method.encode_source(images)
            once = counter.get_total_flops()
            method.render(source, method.transfer(source, method.encode_motion(images), None))
    total = counter.get_total_flops()
    assert (total - once) / 1e9 == pytest.approx(1245.27, abs=0.05)
    assert total / 1e9 == pytest.approx(1321.04, abs=0.05)


def test_the_card_tells_the_size_and_the_motions() -> None:
    with torch.device("meta"):
        method = methods.create("liveportrait")
    card = cards.card("liveportrait")
    counts = {name: sum(value.numel() for value in net.parameters()) for name, net in method.networks.items()}
    assert (card.networks, card.parameters) == (counts, sum(counts.values()))
    assert (card.motions, card.resolution) == (method.motions, method.resolution)
