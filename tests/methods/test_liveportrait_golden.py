"""LivePortrait against the reference outputs (tests/golden/liveportrait; what each array is:
tests/golden/liveportrait/golden.md)."""

from collections.abc import Iterator
from dataclasses import replace
from unittest import mock

import golden_models
import numpy as np
import pytest
import torch
from goldens import Golden, Recorder, assert_golden, assert_manifest, image, load, load_manifest
from torch import Tensor
from torch.nn import functional as F

from talkbench import methods
from talkbench.methods.facevid2vid import model
from talkbench.methods.facevid2vid.head import bins_to_degrees
from talkbench.methods.inference import InferenceForm
from talkbench.methods.liveportrait import LivePortrait, openness
from talkbench.methods.liveportrait.model import Portrait
from talkbench.methods.liveportrait.motion import FIRST_BIN, Head
from talkbench.methods.liveportrait.retargeting import retargeting_shift

EXACT, MAPS, LOGITS, PREDICTIONS, DEGREES = 1e-5, 1e-5, 1e-4, 1e-4, 1e-3
FEATURES = 1e-3  # relative to the standard deviation
FRAMES = {"source": 1, "driving": 2, "driving2": 3}
EXTRACTED = ("m_stem", "m_first_block", "m_first_grn", *(f"m_stage{stage}" for stage in range(4)), "m_pooled")
PROBES = ("probe_layernorm_first", "probe_block", "probe_norm")
PARTS = ("pitch", "yaw", "roll", "t", "exp", "scale", "kp")
HEADS = tuple(
    f"{frame}_{part}"
    for frame in FRAMES
    for part in (*(f"info_{part}" for part in ("kp", "exp", "t", "scale")), "degrees", "rot", "kp")
)
REGIONS = ("all", "exp", "pose", "lip", "eyes")
EYES, LIPS = {"retarget": "eyes"}, {"retarget": "lips"}
PIPELINE, STITCHED, CLOSED = {"form": "pipeline"}, {"stitching": True}, {"retarget": "close-lips"}
# The settings with which image(2) drives image(1), and those with which the change from image(2) to image(3) does.
ABSOLUTE = {
    **{f"kp_absolute_{region}": {"region": region, **PIPELINE} for region in REGIONS},
    "kp_absolute_training": {},
    "kp_absolute_training_stitched": STITCHED,
    "kp_absolute_all_stitched": {**PIPELINE, **STITCHED},
    "kp_absolute_eye_lip_retargeted_stitched": {"retarget": "eyes-lips", **PIPELINE, **STITCHED},
}
RELATIVE = {
    **{f"kp_relative_{region}": {"region": region, **PIPELINE} for region in REGIONS},
    "kp_relative_all_expression_friendly": {},
    "kp_relative_all_stitched": STITCHED,
    "kp_relative_all_stitched_default": STITCHED,
    "kp_relative_all_stitched_multiplier_1.5": {"multiplier": 1.5, **STITCHED},
    "kp_relative_all_lip_normalised": CLOSED,
    "kp_relative_all_stitched_lip_normalised": {**CLOSED, **STITCHED},
    "kp_relative_eye_retargeted": EYES,
    "kp_relative_lip_retargeted": LIPS,
}
RATIOS = ("eye_ratios", "lip_ratios", *(f"{name}_input" for name in ("eye_ratio", "lip_ratio", "lip_normalise")))
SHIFTS = ("stitch_output", "eye_delta", "lip_delta", "lip_normalise_delta")
RENDERED = (
    *("feature_3d", "compressed", "sparse_motion", "heatmap", "deformed_feature", "hourglass_out", "mask"),
    *("deformation", "occlusion_map", "warped_feature", "prediction_logits"),
    *("prediction_absolute", "prediction_absolute_512"),
)
# A full-size image takes half a minute. These are made by the networks of `RENDERED` from keypoints that are tested.
FROM_OTHER_KEYPOINTS = ("prediction_", "batch_", "decoder_in_relative")
# Driven by a single picture, which talkbench does not do; the last is a constant of the authors' for it.
BY_A_PICTURE = ("kp_image_driven_", "neutral_expression")


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load("liveportrait")


@pytest.fixture(scope="module")
def released() -> Iterator[LivePortrait]:
    with InferenceForm(method := golden_models.liveportrait()):
        yield method


@pytest.fixture(scope="module")
def source(released: LivePortrait) -> Portrait:
    return released.encode_source(image(1))


@pytest.fixture(scope="module")
def heads(released: LivePortrait) -> tuple[dict[str, tuple[Tensor, Head]], Recorder]:
    with torch.no_grad(), Recorder(released.extractor.detector) as recorder:
        return {name: released.extractor(image(seed)) for name, seed in FRAMES.items()}, recorder


@pytest.fixture(scope="module")
def ratios() -> Tensor:
    drawn = [np.random.RandomState(100 + seed).uniform(0, 256, (203, 2)) for seed in FRAMES.values()]
    return openness(torch.from_numpy(np.float32(drawn)))


def with_settings(released: LivePortrait, settings: dict[str, object]) -> LivePortrait:
    """Good for `transfer`, with the small networks of `released`."""
    landmarks = torch.zeros if "retarget" in settings else None
    with torch.device("meta"):
        method = methods.create("liveportrait", landmarks=landmarks, **settings)
    method.networks |= {name: released.networks[name] for name in method.optional}
    return method


@pytest.fixture(scope="module")
def portrait(source: Portrait, ratios: Tensor) -> Portrait:
    """The source with eyes and lips as open as its landmarks say."""
    return replace(source, head=replace(source.head, openness=ratios[:1]))


@pytest.fixture(scope="module")
def drivers(heads: tuple[dict[str, tuple[Tensor, Head]], Recorder], ratios: Tensor) -> tuple[Head, Head]:
    """The heads of image(2) and image(3), likewise."""
    return tuple(
        replace(heads[0][name][1], openness=ratios[index : index + 1])
        for index, name in enumerate(FRAMES)
        if name != "source"
    )


@pytest.mark.parametrize("name", load_manifest("liveportrait")["subnetworks"])
def test_keys_and_shapes_are_the_manifests(name: str) -> None:
    manifest = load_manifest("liveportrait")["subnetworks"]
    with torch.device("meta"):
        networks = methods.create("liveportrait").networks
    assert list(networks) == list(manifest)
    assert_manifest(networks[name], manifest[name]["entries"])
    assert sum(parameter.numel() for parameter in networks[name].parameters()) == manifest[name]["parameters"]


def test_every_array_is_tested(golden: Golden) -> None:
    raw = tuple(f"raw_source_{part}" for part in PARTS)
    tested = {"source_sample", *EXTRACTED, *PROBES, *raw, *HEADS, *ABSOLUTE, *RELATIVE, *RATIOS, *SHIFTS, *RENDERED}
    tested.add("kp_relative_all_first")
    stored = {
        name
        for name in golden
        if name in tested or not name.startswith((*FROM_OTHER_KEYPOINTS, *BY_A_PICTURE, "meta_json"))
    }
    assert stored == tested | {f"{name}_{part}" for name in tested for part in ("mean", "std")} & stored


def test_the_input_image_is_the_goldens(golden: Golden) -> None:
    np.testing.assert_array_equal(image(1)[..., ::32, ::32].numpy(), golden["source_sample"])


def test_maps_of_the_motion_extractor(golden: Golden, heads: tuple[dict[str, tuple[Tensor, Head]], Recorder]) -> None:
    outputs = heads[1].outputs
    layers = {
        "m_stem": "downsample_layers.0",
        "m_first_block": "stages.0.0",
        "m_first_grn": "stages.0.0.grn",
        **{f"m_stage{stage}": f"stages.{stage}" for stage in range(4)},
        "m_pooled": "norm",
    }
    for name, layer in layers.items():
        assert_golden(golden, name, outputs[layer][0], FEATURES, relative=True)
    for part in PARTS:
        exact = part in ("t", "exp", "scale", "kp")
        assert_golden(golden, f"raw_source_{part}", outputs[f"fc_{part}"][0], EXACT if exact else LOGITS)


def test_norms_of_small_numbers_show_their_epsilon(golden: Golden, released: LivePortrait) -> None:
    def small(seed: int, *shape: int) -> Tensor:
        return torch.from_numpy(np.float32(1e-3 * np.random.RandomState(seed).standard_normal(shape)))

    detector, maps = released.extractor.detector, small(7, 1, 96, 8, 8)
    with torch.no_grad():
        assert_golden(golden, "probe_layernorm_first", detector.downsample_layers[1][0](maps), EXACT)
        assert_golden(golden, "probe_block", detector.stages[0][0](maps) - maps, EXACT)
        assert_golden(golden, "probe_norm", detector.norm(small(8, 1, 768)), EXACT)


@pytest.mark.parametrize("frame", FRAMES)
def test_heads(golden: Golden, heads: tuple[dict[str, tuple[Tensor, Head]], Recorder], frame: str) -> None:
    (canonical, head), outputs = heads[0][frame], heads[1].outputs
    logits = [outputs[f"fc_{angle}"][list(FRAMES).index(frame)] for angle in ("pitch", "yaw", "roll")]
    degrees = torch.stack([bins_to_degrees(value, FIRST_BIN) for value in logits], dim=1)
    assert_golden(golden, f"{frame}_degrees", degrees, DEGREES)
    arrays = {
        "info_kp": canonical,
        "info_exp": head.expression,
        "info_t": head.translation,
        "info_scale": head.scale,
        "rot": head.rotation,
        "kp": head.keypoints(canonical),
    }
    for name, value in arrays.items():
        assert_golden(golden, f"{frame}_{name}", value, EXACT)


@pytest.mark.parametrize("name", ABSOLUTE)
def test_absolute_motion(
    golden: Golden, released: LivePortrait, portrait: Portrait, drivers: tuple[Head, Head], name: str
) -> None:
    motion = with_settings(released, ABSOLUTE[name]).transfer(portrait, drivers[0], None)
    assert_golden(golden, name, motion.keypoints(portrait.canonical), EXACT)


@pytest.mark.parametrize("name", [*RELATIVE, "kp_relative_all_first"])
def test_relative_motion(
    golden: Golden, released: LivePortrait, portrait: Portrait, drivers: tuple[Head, Head], name: str
) -> None:
    driving = drivers[0] if name == "kp_relative_all_first" else drivers[1]
    motion = with_settings(released, RELATIVE.get(name, {})).transfer(portrait, driving, drivers[0])
    assert_golden(golden, name, motion.keypoints(portrait.canonical), EXACT)


def test_stitching_and_retargeting(
    golden: Golden, released: LivePortrait, source: Portrait, drivers: tuple[Head, Head], ratios: Tensor
) -> None:
    assert_golden(golden, "eye_ratios", ratios[:, :2], EXACT)
    assert_golden(golden, "lip_ratios", ratios[:, 2:], EXACT)
    left, right, lips = ratios.T
    cases = {
        ("eye_ratio_input", "eye_delta", "retarget_eye"): (left[:1], right[:1], left[2:]),
        ("lip_ratio_input", "lip_delta", "retarget_mouth"): (lips[:1], lips[2:]),
        ("lip_normalise_input", "lip_normalise_delta", "retarget_mouth"): (lips[:1], torch.zeros(1)),
    }
    driven = with_settings(released, PIPELINE).transfer(source, drivers[0], None).keypoints(source.canonical)
    with torch.no_grad():
        for (inputs, shift, network), values in cases.items():
            assert_golden(golden, inputs, torch.stack(values, dim=1), EXACT)
            assert_golden(golden, shift, retargeting_shift(released.networks[network], source.keypoints, values), EXACT)
        stitched = released.networks["retarget_shoulder"](torch.cat([source.keypoints, driven], 1).flatten(1))
    assert_golden(golden, "stitch_output", stitched, EXACT)


def test_rendering(golden: Golden, released: LivePortrait, source: Portrait, drivers: tuple[Head, Head]) -> None:
    motion = with_settings(released, PIPELINE).transfer(source, drivers[0], None)
    warping, generator = Recorder(released.warping), Recorder(released.generator.conv_img)
    with warping, generator, mock.patch.object(model, "sparse_warps", wraps=model.sparse_warps) as warps:
        prediction = released.render(source, motion)
    _, flow, occlusion = warping.outputs[""][0]
    prefix = "dense_motion_network."
    inputs = warping.inputs[f"{prefix}hourglass"][0][0].unflatten(1, (22, 5))
    logits = generator.outputs[""][0]
    assert_golden(golden, "sparse_motion", warps.call_args.args[1], MAPS, strides=(1, 1, 5, 8, 8, 1))
    maps = {"heatmap": inputs[:, :, 0], "mask": warping.outputs[f"{prefix}mask"][0].softmax(1)}
    for name, value in {**maps, "deformation": flow, "occlusion_map": occlusion}.items():
        assert_golden(golden, name, value, MAPS)
    features = {
        "feature_3d": source.volume,
        "compressed": source.compressed,
        "deformed_feature": inputs[:, :, 1:],
        "hourglass_out": warping.outputs[f"{prefix}hourglass"][0],
        "warped_feature": warping.inputs["third"][0][0].unflatten(1, (32, 16)),
        "prediction_logits": logits,
    }
    for name, value in features.items():
        assert_golden(golden, name, value, FEATURES, relative=True)
    assert_golden(golden, "prediction_absolute", prediction, PREDICTIONS)
    assert_golden(golden, "prediction_absolute_512", logits.sigmoid(), PREDICTIONS)
    torch.testing.assert_close(prediction, F.avg_pool2d(logits.sigmoid(), 2))
