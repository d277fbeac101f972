"""TPSM against the reference outputs (tests/golden/tpsm; what each array is: tests/golden/tpsm/golden.md)."""

from collections.abc import Iterator

import golden_models
import pytest
import torch
from goldens import Golden, Recorder, assert_golden, assert_manifest, image, load, load_manifest
from torch import Tensor

from talkbench import methods
from talkbench.methods.blocks import AntiAliasDownsample
from talkbench.methods.inference import InferenceForm
from talkbench.methods.keypoints import hull_scale
from talkbench.methods.tpsm import TPSM
from talkbench.methods.tpsm.model import SourceMaps, sparse_motions
from talkbench.methods.tpsm.spline import fit_splines

POINTS, MAPS = 1e-5, 1e-4
POINT_ARRAYS = (
    "kp_",
    "bg_",
    "tps_",
    "probe_",
    "p384_kp_",
    "rel_kp_",
    "rel_source",
    "rel_driving",
    "rel_scale",
    "avd_kp_",
)
INPUTS = ("seeds", "adjustments", "probe_avd_source", "probe_avd_driving")
INPUTS += ("probe_tps_kp_driving", "probe_tps_kp_source", "probe_tps_points")
# Training: tests/training/objectives/test_tpsm_losses.py.
TRAINING = ("loss", "grad50_", "probe_avd_train_")
ARRAYS = [
    name
    for name in load("tpsm")
    if not name.startswith(TRAINING) and name not in INPUTS and not name.endswith(("_mean", "_std"))
]
NETWORKS = ("inpainting_network", "kp_detector", "dense_motion_network", "bg_predictor", "avd_network")


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load("tpsm")


@pytest.fixture(scope="module")
def tpsm() -> Iterator[TPSM]:
    with InferenceForm(method := golden_models.tpsm()):
        yield method


@pytest.fixture(scope="module")
def frames(golden: Golden) -> list[Tensor]:
    """Source, driving and a second driving frame."""
    return [image(int(seed)) for seed in golden["seeds"]]


def sharing(weights: TPSM, name: str = "tpsm", **options: bool) -> TPSM:
    """Another TPSM with the same weights."""
    with torch.device("meta"):
        method = methods.create(name, **options)
    for key, network in method.networks.items():
        network.load_state_dict(weights.networks[key].state_dict(), assign=True)
    return method


def animate(method: TPSM, encoded: SourceMaps, frame: Tensor, reference: Tensor | None = None) -> dict[str, Tensor]:
    """One image, with everything on the way to it, by the goldens' names."""
    driving, first = method.encode_motion(frame), None if reference is None else method.encode_motion(reference)
    motion = method.transfer(encoded, driving, first)
    with Recorder(method.dense_motion_network) as motions, Recorder(method.inpainting_network) as maps:
        inside = method.inspect(encoded.images, encoded, motion)
    (_, _, background), flow = motions.inputs[""][0], motions.outputs[""][0]
    stacked, masks = motions.inputs["hourglass.encoder"][0][0], flow.occlusion_maps
    fused, decoded = maps.inputs["final"][0][0], maps.outputs["up_blocks.2"][0]
    skips = [maps.inputs[f"resblock.{index}"][0][0] for index in (0, 2, 4)]
    warped = [skips[0], skips[1][:, 256:], skips[2][:, 128:], fused - decoded * (1 - masks[3])]
    transformations = sparse_motions(encoded.keypoints, motion.keypoints, background, encoded.small.shape[2:])
    return {
        "kp_source": inside.source_points,
        "kp_driving": driving.keypoints,
        "kp_norm": inside.driving_points,
        "heatmap": stacked[:, :51],
        "transformations": transformations,
        "deformed_source": stacked[:, 51:].unflatten(1, (11, 3)),
        "contribution_maps": motions.outputs["maps"][0].softmax(1),
        "deformation": inside.deformation,
        "deformed": inside.deformed,
        "prediction": inside.prediction,
        **{f"occlusion_map_{index}": mask for index, mask in enumerate(masks)},
        **{f"warped_encoder_map_{index}": features for index, features in enumerate(warped)},
    }


@pytest.fixture(scope="module")
def source(tpsm: TPSM, frames: list[Tensor]) -> SourceMaps:
    return tpsm.encode_source(frames[0])


@pytest.fixture(scope="module")
def animations(tpsm: TPSM, source: SourceMaps, frames: list[Tensor]) -> dict[str, dict[str, Tensor]]:
    """The forward passes by their prefix in the goldens."""
    _, driving, driving2 = frames
    avd, ted = sharing(tpsm, avd=True), sharing(tpsm, "tpsm@ted-384", background=True)
    return {
        "std": animate(tpsm, source, driving),
        "rec": animate(sharing(tpsm, background=True), source, driving),
        "rel": animate(tpsm, source, driving2, reference=driving),
        "avd": animate(avd, avd.encode_source(frames[0]), driving2),
        "p384": animate(ted, ted.encode_source(image(1, 384)), image(2, 384)),
    }


def points(tpsm: TPSM, frames: list[Tensor], golden: Golden) -> dict[str, Tensor]:
    """Keypoints, hulls, background matrices, splines and the AVD network."""
    source, driving, driving2 = (tpsm.encode_motion(frame).keypoints for frame in frames)
    square = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]])
    splines = fit_splines(driving.unflatten(1, (10, 5)), source.unflatten(1, (10, 5)))
    probe = {name: torch.from_numpy(golden[name]) for name in INPUTS if name.startswith("probe_")}
    probed = fit_splines(probe["probe_tps_kp_driving"], probe["probe_tps_kp_source"])
    return {
        "kp_source": source,
        "kp_driving": driving,
        "kp_driving2": driving2,
        "rel_source_area": hull_scale(source, square)[0].square(),
        "rel_driving_initial_area": hull_scale(driving, square)[0].square(),
        "rel_scale": hull_scale(source, driving)[0],
        "bg_param": tpsm.bg_predictor(frames[0], frames[1]),
        "bg_param_reverse": tpsm.bg_predictor(frames[1], frames[0]),
        "tps_theta": splines.affine,
        "tps_control_params": splines.weights,
        "probe_tps_theta": probed.affine,
        "probe_tps_control_params": probed.weights,
        "probe_tps_warped": probed(probe["probe_tps_points"][0]),
        "probe_avd_out": tpsm.avd_network(
            probe["probe_avd_source"].flatten(1), probe["probe_avd_driving"].flatten(1)
        ).unflatten(1, (50, 2)),
    }


@pytest.fixture(scope="module")
def found(tpsm: TPSM, source: SourceMaps, frames: list[Tensor], animations: dict, golden: Golden) -> dict[str, Tensor]:
    """Our value of every array."""
    driving = frames[1]
    images = {f"pyramid_{factor}": AntiAliasDownsample(3, factor)(driving) for factor in (0.5, 0.25, 0.125)}
    images["source_down"] = source.small
    masks = [animations["rec"][f"occlusion_map_{index}"] for index in (3, 2, 1, 0)]
    # The target of the warp loss: the driving image's features where the masks keep the source's.
    encoded = tpsm.encode_source(driving).maps
    targets = {f"rec_encode_map_{index}": encoded[index] * mask for index, mask in enumerate(masks)}
    passes = {f"{prefix}_{name}": value for prefix, values in animations.items() for name, value in values.items()}
    return {**points(tpsm, frames, golden), **images, **targets, **passes}


@pytest.mark.parametrize("network", NETWORKS)
def test_keys_and_shapes_are_the_manifests(tpsm: TPSM, network: str) -> None:
    manifest = load_manifest("tpsm")
    assert_manifest(tpsm.networks[network], manifest["subnetworks"][network])
    parameters = sum(parameter.numel() for parameter in tpsm.networks[network].parameters())
    assert parameters == manifest["parameter_counts"][network]


def test_the_networks_are_the_manifests(tpsm: TPSM) -> None:
    assert tuple(tpsm.networks) == NETWORKS == tuple(load_manifest("tpsm")["subnetworks"])


@pytest.mark.parametrize("name", ARRAYS)
def test_array(golden: Golden, found: dict[str, Tensor], name: str) -> None:
    assert_golden(golden, name, found[name], POINTS if name.startswith(POINT_ARRAYS) else MAPS)
