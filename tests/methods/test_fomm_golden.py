"""FOMM against the reference outputs (tests/golden/fomm; what each array is: tests/golden/fomm/golden.md)."""

from collections.abc import Iterator

import golden_models
import numpy as np
import pytest
import torch
from goldens import Golden, Recorder, assert_golden, image, load, load_manifest

from talkbench import methods
from talkbench.methods.blocks import AntiAliasDownsample
from talkbench.methods.dense_motion import affine_motions
from talkbench.methods.fomm.model import Generated
from talkbench.methods.inference import InferenceForm
from talkbench.methods.inside import Inside
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import Keypoints, coordinate_grid, gaussian_heatmap, hull_scale, relative_motion
from talkbench.methods.warping import warp

KEYPOINTS, MAPS, WARPED, FEATURES = 1e-5, 1e-4, 5e-4, 1e-3
FRAMES = {"source": 1, "driving": 2, "driving2": 3}


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load("fomm")


@pytest.fixture(scope="module")
def fomm() -> Iterator[Method]:
    with InferenceForm(method := golden_models.fomm(align_corners=False)):
        yield method


@pytest.fixture(scope="module")
def aligned(fomm: Method) -> Iterator[Method]:
    method = methods.create("fomm", align_corners=True)
    for name, network in method.networks.items():
        network.load_state_dict(fomm.networks[name].state_dict())
        network.eval()
    with InferenceForm(method):
        yield method


@pytest.fixture(scope="module")
def keypoints(fomm: Method) -> dict[str, Keypoints]:
    return {name: fomm.encode_motion(image(seed)) for name, seed in FRAMES.items()}


@torch.no_grad()
def generate(method: Method, motion: Keypoints) -> Generated:
    return method.networks["generator"](method.encode_source(image(1)), motion)


@pytest.fixture(scope="module")
def absolute(fomm: Method, keypoints: dict[str, Keypoints]) -> tuple[Inside, Recorder]:
    with Recorder(fomm.networks["generator"]) as recorder:
        return fomm.inspect(image(1), fomm.encode_source(image(1)), keypoints["driving"]), recorder


@pytest.mark.parametrize("network", ["generator", "kp_detector"])
def test_keys_and_shapes_are_the_manifests(fomm: Method, network: str) -> None:
    entry = load_manifest("fomm")["subnetworks"][network]
    state = fomm.networks[network].state_dict()
    assert list(state) == list(entry["entries"])
    assert {key: [*value.shape] for key, value in state.items()} == {k: e[:-1] for k, e in entry["entries"].items()}
    assert sum(parameter.numel() for parameter in fomm.networks[network].parameters()) == entry["parameters"]


def test_the_input_images_are_the_goldens(golden: Golden) -> None:
    np.testing.assert_array_equal(image(1)[..., ::32, ::32].numpy(), golden["source_sample"])
    for name, seed in FRAMES.items():
        assert image(seed).double().mean().item() == pytest.approx(float(golden[f"image_{name}_mean"]), abs=1e-7)
        std = image(seed).double().std(correction=0).item()
        assert std == pytest.approx(float(golden[f"image_{name}_std"]), abs=1e-7)


@pytest.mark.parametrize("factor", [0.5, 0.25, 0.125])
def test_anti_alias_kernels(golden: Golden, factor: float) -> None:
    kernel = AntiAliasDownsample(3, factor).weight[0, 0]
    np.testing.assert_allclose(kernel, golden[f"antialias_kernel_{factor}".replace(".", "p")], rtol=0, atol=1e-7)


def test_keypoints(fomm: Method, golden: Golden, keypoints: dict[str, Keypoints]) -> None:
    for name, found in keypoints.items():
        assert_golden(golden, f"kp_{name}_value", found.value, KEYPOINTS)
        assert_golden(golden, f"kp_{name}_jacobian", found.jacobian, KEYPOINTS)
    with Recorder(fomm.networks["kp_detector"]) as recorder:
        fomm.encode_motion(image(1))
    logits = recorder.outputs["kp"][0]
    assert_golden(golden, "antialias_source_64", recorder.outputs["down"][0], MAPS)
    assert_golden(golden, "kp_feature_map", recorder.outputs["predictor"][0], FEATURES, relative=True)
    assert_golden(golden, "kp_logits", logits, FEATURES, relative=True)
    assert_golden(golden, "kp_heatmap", (logits.flatten(2) / 0.1).softmax(-1).view_as(logits), MAPS)


def test_relative_motion(golden: Golden, keypoints: dict[str, Keypoints]) -> None:
    source, first, driving = keypoints["source"], keypoints["driving"], keypoints["driving2"]
    for name, adapt in (("relative", False), ("relative_adapt", True)):
        moved = relative_motion(source, driving, first, adapt)
        assert_golden(golden, f"kp_norm_{name}_value", moved.value, KEYPOINTS)
        assert_golden(golden, f"kp_norm_{name}_jacobian", moved.jacobian, KEYPOINTS)
    assert hull_scale(source.value, first.value).item() == pytest.approx(float(golden["movement_scale"]), abs=1e-5)
    areas = golden["hull_area_source"] / golden["hull_area_driving_initial"]
    assert np.sqrt(areas) == pytest.approx(float(golden["movement_scale"]))


def assert_motion(golden: Golden, inside: Inside, suffix: str) -> None:
    assert_golden(golden, f"deformation{suffix}", inside.deformation, MAPS)
    assert_golden(golden, f"occlusion_map{suffix}", inside.occlusion, MAPS)


def test_dense_motion(absolute: tuple[Inside, Recorder], golden: Golden, keypoints: dict[str, Keypoints]) -> None:
    inside, recorder = absolute
    stacked = recorder.inputs["dense_motion_network.hourglass"][0][0].unflatten(1, (11, 4))
    assert_golden(golden, "heatmap_representation", stacked[:, :, :1], MAPS)
    assert_golden(golden, "sparse_deformed", stacked[:, :, 1:], WARPED)
    assert_golden(golden, "mask", recorder.outputs["dense_motion_network.mask"][0].softmax(1), MAPS)
    assert_motion(golden, inside, "")
    difference = [gaussian_heatmap(keypoints[name].value, (64, 64)) for name in ("driving", "source")]
    torch.testing.assert_close(stacked[:, 1:, 0], difference[0] - difference[1])


def test_sparse_motions(golden: Golden, keypoints: dict[str, Keypoints]) -> None:
    source, driving = keypoints["source"], keypoints["driving"]
    jacobian = source.jacobian @ torch.inverse(driving.jacobian)
    moved = affine_motions(source.value, driving.value, jacobian, torch.Size((64, 64)))
    motions = torch.cat([coordinate_grid((64, 64), moved).expand(1, 1, -1, -1, -1), moved], dim=1)
    assert_golden(golden, "sparse_motion", motions.permute(0, 1, 4, 2, 3), MAPS)


def test_features_and_images(absolute: tuple[Inside, Recorder], golden: Golden) -> None:
    inside, recorder = absolute
    features = {"encoder_first": "first", "encoder_down0": "down_blocks.0", "encoder_down1": "down_blocks.1"}
    for name, module in features.items():
        assert_golden(golden, name, recorder.outputs[module][0], FEATURES, relative=True)
    deepest, flow = recorder.outputs["down_blocks.1"][0], inside.deformation
    warped = warp(deepest, flow, align_corners=False, resize_corners=False)
    assert_golden(golden, "warped_features", warped, FEATURES, relative=True)
    assert_golden(golden, "bottleneck_out", recorder.outputs["bottleneck"][0], FEATURES, relative=True)
    assert_golden(golden, "deformed", inside.deformed, WARPED)
    assert_golden(golden, "prediction", inside.prediction, MAPS)
    error = (inside.prediction - image(2)).abs().mean().item()
    assert error == pytest.approx(float(golden["l1_prediction_vs_driving"]), abs=1e-5)


def test_aligned_corners(aligned: Method, golden: Golden, keypoints: dict[str, Keypoints]) -> None:
    with Recorder(aligned.networks["generator"]) as recorder:
        inside = aligned.inspect(image(1), aligned.encode_source(image(1)), keypoints["driving"])
    suffix = "_align_corners_true"
    assert_golden(golden, f"prediction{suffix}", inside.prediction, MAPS)
    assert_golden(golden, f"deformed{suffix}", inside.deformed, WARPED)
    assert_golden(golden, f"mask{suffix}", recorder.outputs["dense_motion_network.mask"][0].softmax(1), MAPS)
    assert_motion(golden, inside, suffix)


@pytest.mark.parametrize("adapt", [False, True])
def test_relative_modes(fomm: Method, aligned: Method, golden: Golden, keypoints: dict, adapt: bool) -> None:
    moved = relative_motion(keypoints["source"], keypoints["driving2"], keypoints["driving"], adapt)
    name = "relative_adapt" if adapt else "relative"
    generated = generate(fomm, moved)
    assert_golden(golden, f"prediction_{name}", generated.prediction, MAPS)
    assert_golden(golden, f"deformation_{name}", generated.motion.deformation, MAPS)
    assert_golden(golden, f"prediction_{name}_align_corners_true", generate(aligned, moved).prediction, MAPS)
