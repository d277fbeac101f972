"""MCNet against the reference outputs (tests/golden/mcnet; what each array is: tests/golden/mcnet/golden.md)."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from goldens import Golden, Recorder, image
from torch import Tensor

from talkbench.methods.attention import attend
from talkbench.methods.dense_motion import DenseMotion
from talkbench.methods.inside import Inside
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import Keypoints, relative_motion
from talkbench.methods.mcnet.memory import ATTENTION_SCALE
from talkbench.methods.mcnet.model import Generated, Generator, SourceMaps
from talkbench.methods.warping import resize_to

LEVELS = (32, 64, 128)
VARIANTS = {
    "baseline": (),
    "fomm_backbone": (64, 128),
    "single_layer": (32,),
    **dict.fromkeys(("mcm_no_split", "mcm", "pe10", "pe20", "iicm_no_feature", "iicm_no_keypoints"), LEVELS),
    **dict.fromkeys(("mcm_no_dynamic", "memory16", "memory64"), LEVELS),
}


def assert_close(golden: Golden, name: str, found: Tensor) -> None:
    """`found` strided as the stored array, within max(1e-5, 8 · float32 error) or 1e-4 for images."""
    error = json.loads(str(golden["fp32_error"]))[name]
    stored = golden[name]
    strides = [-(-full // kept) for full, kept in zip(found.shape, stored.shape, strict=True)]
    part = found[tuple(slice(None, None, stride) for stride in strides)]
    assert part.shape == stored.shape, name
    tolerance = 1e-4 if name.endswith("prediction") else max(1e-5, 8 * error)
    np.testing.assert_allclose(part.numpy(), stored, rtol=0, atol=tolerance, err_msg=name)
    if f"{name}_mean" in golden:  # of the whole tensor, so that what lies between the samples counts too
        assert found.double().mean() == pytest.approx(float(golden[f"{name}_mean"]), abs=tolerance), name
        assert found.double().std(correction=0) == pytest.approx(float(golden[f"{name}_std"]), abs=tolerance), name


def stored_keypoints(golden: Golden, frame: str) -> Keypoints:
    return Keypoints(*(torch.from_numpy(golden[f"kp_{frame}_{part}"]) for part in ("value", "jacobian")))


def generate(method: Method, source: Tensor, driving: Tensor, reference: Tensor | None = None) -> Generated:
    """The four steps, keeping what `render` discards."""
    encoded = method.encode_source(source)
    frame = None if reference is None else method.encode_motion(reference)
    motion = method.transfer(encoded, method.encode_motion(driving), frame)
    return method.networks["generator"](encoded, motion)


@pytest.mark.parametrize("network", ["generator", "kp_detector"])
def test_keys_and_shapes_are_the_manifests(mcnet: Method, manifest: dict, network: str) -> None:
    wanted = {key: tuple(entry[:-1]) for key, entry in manifest["subnetworks"][network]["entries"].items()}
    state = mcnet.networks[network].state_dict()
    assert list(state) == list(wanted)
    assert {key: tuple(value.shape) for key, value in state.items()} == wanted
    parameters = sum(parameter.numel() for parameter in mcnet.networks[network].parameters())
    assert parameters == manifest["subnetworks"][network]["parameters"]


def test_the_input_images_are_the_goldens(golden: Golden) -> None:
    for seed, name in enumerate(("source", "driving", "driving2"), start=1):
        np.testing.assert_array_equal(image(seed)[..., ::32, ::32].numpy(), golden[f"image_{name}_sample"])


def test_keypoints(mcnet: Method, golden: Golden) -> None:
    detector = mcnet.networks["kp_detector"]
    frames = ((1, "source"), (2, "driving"), (3, "driving2"))
    with Recorder(detector) as recorder:
        found = {name: mcnet.encode_motion(image(seed)) for seed, name in frames}
    for name, keypoints in found.items():
        assert_close(golden, f"kp_{name}_value", keypoints.value)
        assert_close(golden, f"kp_{name}_jacobian", keypoints.jacobian)
    logits = recorder.outputs["kp"][0]
    assert_close(golden, "kp_source_down", recorder.outputs["down"][0])
    assert_close(golden, "kp_source_feature", recorder.outputs["predictor"][0])
    assert_close(golden, "kp_source_logits", logits)
    assert_close(golden, "kp_source_heatmap", (logits.flatten(2) / 0.1).softmax(-1).view_as(logits))


def test_relative_motion(golden: Golden) -> None:
    source, first, driving = (stored_keypoints(golden, name) for name in ("source", "driving", "driving2"))
    for name, adapt in (("rel", False), ("rel_adapt", True)):
        moved = relative_motion(source, driving, first, adapt)
        assert_close(golden, f"kp_norm_{name}_value", moved.value)
        assert_close(golden, f"kp_norm_{name}_jacobian", moved.jacobian)
    areas = golden["hull_area_source"] / golden["hull_area_first_driving"]
    assert np.sqrt(areas) == pytest.approx(float(golden["adapt_scale"]))


@pytest.fixture(scope="module")
def absolute(mcnet: Method) -> tuple[Generated, Recorder, tuple[Tensor, ...], Inside]:
    """image(2) drives image(1), with everything that the generator's modules saw, and what there is to look at."""
    with torch.no_grad(), Recorder(mcnet.networks["generator"]) as recorder:
        encoded = mcnet.encode_source(image(1))
        inside = mcnet.inspect(image(1), encoded, mcnet.encode_motion(image(2)))
    return recorder.outputs[""][0], recorder, encoded.maps, inside


def test_dense_motion(absolute: tuple, golden: Golden) -> None:
    generated, recorder, *_ = absolute
    stacked = recorder.inputs["dense_motion_network.hourglass"][0][0]
    logits = recorder.outputs["dense_motion_network.mask"][0]
    found = {
        "dm_input": stacked,
        "sparse_deformed": stacked.unflatten(1, (16, 4))[:, :, 1:],
        "dm_feature": recorder.outputs["dense_motion_network.hourglass"][0],
        "mask_logits": logits,
        "mask": logits.softmax(1),
        "occlusion_map": generated.motion.occlusion_map,
        "deformation": generated.motion.deformation,
    }
    for name, tensor in found.items():
        assert_close(golden, f"abs/{name}", tensor)


def test_encoder_and_warped_maps(absolute: tuple, golden: Golden) -> None:
    generated, recorder, maps, _ = absolute
    for size, features in zip((256, 128, 64, 32), (maps[0][:, :-3], *maps[1:]), strict=True):
        assert_close(golden, f"abs/encoder_{size}", features)
    keep = resize_to(generated.motion.occlusion_map, generated.prediction, align_corners=True)
    fused, decoded = recorder.inputs["final"][0][0], recorder.outputs["up_blocks.2"][0]
    assert_close(golden, "abs/warped_256", fused - decoded * (1 - keep))
    calls = recorder.inputs["mbUnit"]
    assert [level for level, *_ in calls] == list(LEVELS)
    for level, warped, *_ in calls:
        assert_close(golden, f"abs/warped_{level}", warped)


@pytest.mark.parametrize("index", range(3))
def test_memory_unit(absolute: tuple, golden: Golden, index: int) -> None:
    generated, recorder, *_ = absolute
    level, compensation = LEVELS[index], generated.compensations[index]
    residual = attend(compensation.query, compensation.key, compensation.value, ATTENTION_SCALE)
    summed = recorder.inputs[f"mbUnit.conv_{level}"][0][0]
    found = {
        "feat": compensation.feature,
        "style_in": recorder.inputs["mbUnit.style_route"][index][0],
        "style_code": recorder.outputs["mbUnit.style_route"][index],
        "modulation": recorder.outputs["mbUnit.styleconv.modulated_conv.modulation"][index],
        "modconv": recorder.outputs["mbUnit.styleconv.modulated_conv"][index],
        "memory": compensation.memory,
        "mixture": recorder.outputs["mbUnit.conv_kv.attention"][index],
        "key": compensation.key,
        "value": compensation.value,
        "query": compensation.query,
        "residual": residual,
        "diff": summed - compensation.feature,
        "conv": recorder.outputs[f"mbUnit.conv_{level}"][0],
        "norm": recorder.outputs[f"mbUnit.norm_{level}"][0],
        "after": compensation.output,
    }
    for name, tensor in found.items():
        assert_close(golden, f"abs/L{level}/{name}", tensor)
    stride = {32: 32, 64: 128, 128: 512}[level]
    logits = compensation.query.flatten(2).mT[:, ::stride] @ compensation.key.flatten(2) / 4
    stored = golden[f"abs/L{level}/attention"]
    np.testing.assert_allclose(logits.softmax(-1)[..., ::32].numpy(), stored, rtol=0, atol=8e-5)


def test_what_there_is_to_look_at(absolute: tuple, mcnet: Method, golden: Golden) -> None:
    inside = absolute[3]
    assert list(inside.compensations) == list(LEVELS)
    assert mcnet.memory() is mcnet.networks["generator"].mbUnit.mb
    for level in LEVELS:
        assert_close(golden, f"abs/L{level}/memory", inside.compensations[level].memory)
    assert_close(golden, "abs/L32/attention", inside.compensations[32].attention())
    found = {"kp_source_value": inside.source_points, "kp_driving_value": inside.driving_points}
    found |= {f"abs/{name}": getattr(inside, name) for name in ("deformation", "deformed", "prediction")}
    for name, tensor in found.items():
        assert_close(golden, name, tensor)
    assert_close(golden, "abs/occlusion_map", inside.occlusion)


def test_decoder_and_image(absolute: tuple, golden: Golden) -> None:
    generated, recorder, *_ = absolute
    blocks = {f"res{index}": f"resblock.{index}" for index in (1, 3, 5)} | {
        f"up{i}": f"up_blocks.{i}" for i in range(3)
    }
    for name, module in blocks.items():
        assert_close(golden, f"abs/{name}", recorder.outputs[module][0])
    assert_close(golden, "abs/final_in", recorder.inputs["final"][0][0])
    assert_close(golden, "abs/final_conv", recorder.outputs["final"][0])
    assert_close(golden, "abs/deformed", generated.deformed)
    assert_close(golden, "abs/prediction", generated.prediction)


def test_relative_animation(mcnet: Method, golden: Golden) -> None:
    generated = generate(mcnet, image(1), image(3), reference=image(2))
    assert_close(golden, "rel/deformation", generated.motion.deformation)
    assert_close(golden, "rel/occlusion_map", generated.motion.occlusion_map)
    assert_close(golden, "rel/prediction", generated.prediction)
    for level, compensation in zip(LEVELS, generated.compensations, strict=True):
        assert_close(golden, f"rel/L{level}/after", compensation.output)


def test_given_noise(mcnet: Method, golden: Golden) -> None:
    noise = tuple(torch.from_numpy(golden[f"noise/L{level}/noise"]) for level in LEVELS)
    source = mcnet.encode_source(image(1))
    generated = mcnet.networks["generator"](source, mcnet.encode_motion(image(2)), noise)
    assert_close(golden, "noise/prediction", generated.prediction)
    for level, compensation in zip(LEVELS, generated.compensations, strict=True):
        assert_close(golden, f"noise/L{level}/memory", compensation.memory)
        assert_close(golden, f"noise/L{level}/after", compensation.output)


def encode(generator: Generator, golden: Golden) -> SourceMaps:
    return generator.encode(image(1), stored_keypoints(golden, "source"), generator.dense_motion_network.down(image(1)))


@pytest.fixture(scope="module")
def before_memory(mcnet: Method, golden: Golden) -> tuple[SourceMaps, DenseMotion]:
    """Of the paper's model what most of its variants, which differ in the memory, compute in the same way."""
    generator = mcnet.networks["generator"]
    with torch.no_grad():
        source = encode(generator, golden)
        driving = stored_keypoints(golden, "driving")
        return source, generator.dense_motion_network(source.small, source.keypoints, driving)


@pytest.mark.parametrize("slug", VARIANTS)
def test_ablation_variant(
    variant: Callable[[str], Method],
    mcnet: Method,
    before_memory: tuple[SourceMaps, DenseMotion],
    golden: Golden,
    manifest: dict,
    slug: str,
) -> None:
    generator = variant(slug).networks["generator"]
    changed = manifest["generator_variants"][slug]
    wanted = {key: entry[:-1] for key, entry in manifest["subnetworks"]["generator"]["entries"].items()}
    wanted = {key: shape for key, shape in wanted.items() if key not in changed["removed"]}
    wanted |= {key: entry[:-1] for key, entry in changed["added_or_reshaped"].items()}
    assert {key: list(value.shape) for key, value in generator.state_dict().items()} == wanted
    paper = mcnet.networks["generator"]
    shared = all(
        str(getattr(generator, part)) == str(getattr(paper, part))
        for part in ("dense_motion_network", "first", "down_blocks")
    )
    assert shared == (slug != "fomm_backbone")
    source, motion = before_memory
    if shared:
        generator.dense_motion_network.forward = lambda *_: motion
    else:
        source = encode(generator, golden)
    generated = generator(source, stored_keypoints(golden, "driving"))
    prediction = generated.prediction[..., ::16, ::16].numpy()
    np.testing.assert_allclose(prediction, golden[f"variant/{slug}/prediction"], rtol=0, atol=1e-4)
    for level, compensation in zip(VARIANTS[slug], generated.compensations, strict=True):
        residual = attend(compensation.query, compensation.key, compensation.value, ATTENTION_SCALE)
        sampled = residual[:, ::31, :: level // 4, :: level // 4].numpy()
        np.testing.assert_allclose(sampled, golden[f"variant/{slug}/residual_{level}"], rtol=0, atol=2.4e-4)
