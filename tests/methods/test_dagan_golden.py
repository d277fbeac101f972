"""DaGAN against the reference outputs (tests/golden/dagan; what each array is: tests/golden/dagan/golden.md)."""

import re
from collections.abc import Iterator

import golden_models
import pytest
import torch
from goldens import (
    Golden,
    Recorder,
    assert_golden,
    assert_manifest,
    assert_statistics,
    image,
    load,
    load_manifest,
    scale,
)
from reference_fill import tensor_for
from torch import Tensor, nn

from talkbench import methods
from talkbench.methods.dagan.depth import DepthDecoder, DepthEncoder
from talkbench.methods.inference import InferenceForm
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import Keypoints, hull_scale, relative_motion

FRAMES = {"source": 1, "driving": 2, "driving2": 3}
SPADE_STAGES = ("compress", "fc", "G_middle_2", "up_0", "up_1")
# The arrays of the training part; all others are checked here, each by its name.
TRAINING = (
    *("transform_", "transformed_", "warped_transformed_", "loss_", "pyramid_", "perceptual_", "feature_matching_"),
    *("disc_map_", "kp_scale_raw", "depth_constraint_raw", "grad_norm_"),
)
NAMES = sorted({re.sub("_(mean|std)$", "", name) for name in load("dagan") if not name.startswith(TRAINING)})


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load("dagan")


@pytest.fixture(scope="module")
def dagan() -> Iterator[Method]:
    with InferenceForm(method := golden_models.dagan()):
        yield method


@pytest.fixture(scope="module")
def spade(dagan: Method) -> Iterator[Method]:
    with InferenceForm(method := filled_spade(dagan)):
        yield method


@torch.no_grad()
def filled_spade(dagan: Method) -> Method:
    """The SPADE model with the weights of the goldens: all but its decoder is filled as the paper's model is."""
    method = methods.create("dagan@spade")
    for name in ("kp_detector", "depth_encoder", "depth_decoder"):
        method.networks[name].load_state_dict(dagan.networks[name].state_dict())
    generator, filled = method.networks["generator"], dagan.networks["generator"].state_dict()
    for key, value in generator.state_dict().items():
        fresh = filled[key] if key in filled else torch.from_numpy(tensor_for("a/generator", key, tuple(value.shape)))
        value.copy_(fresh)
    scale(generator, {"mlp_gamma.weight": 0.25, "mlp_beta.weight": 0.25})
    for layer in spectral_layers(generator):
        matrix = layer.weight_orig.flatten(1)
        v = nn.functional.normalize(matrix.T @ nn.functional.normalize(layer.weight_u, dim=0), dim=0)
        layer.weight_u.copy_(nn.functional.normalize(matrix @ v, dim=0))
        layer.weight_v.copy_(v)
    return method


def spectral_layers(generator: nn.Module) -> list[nn.Module]:
    return [module for module in generator.decoder.modules() if hasattr(module, "weight_orig")]


def depth_arrays(name: str, encoder: nn.Module, decoder: nn.Module) -> dict[str, Tensor]:
    maps = encoder(image(1))
    with Recorder(decoder) as recorder:
        found = {f"{name}_source_disp0": decoder(maps)}
    for level in (1, 2, 3):  # heads that DaGAN does not run
        head, finest = decoder.decoder[10 + level], recorder.outputs[f"decoder.{9 - 2 * level}"][0]
        found[f"{name}_source_disp{level}"] = head(finest).sigmoid()
    return found | {f"{name}_source_feature{index}": features for index, features in enumerate(maps)}


def keypoint_arrays(keypoints: dict[str, Keypoints], disparities: list[Tensor]) -> dict[str, Tensor]:
    found = {}
    for index, (name, points) in enumerate(keypoints.items()):
        found |= {f"kp_{name}_value": points.value, f"kp_{name}_jacobian": points.jacobian}
        found[f"depth18_{name}_disp0"] = disparities[index]
        found[f"input_{name}"] = image(FRAMES[name])
    source, first, current = keypoints.values()
    for name, adapt in (("kp_norm", False), ("kp_norm_adapt", True)):
        moved = relative_motion(source, current, first, adapt)
        found |= {f"{name}_value": moved.value, f"{name}_jacobian": moved.jacobian}
    return found | {"adapt_scale": hull_scale(source.value, first.value)[0]}


def motion_arrays(dagan: Method, driving: Keypoints, relative: Keypoints) -> dict[str, Tensor]:
    generator = dagan.networks["generator"]
    with Recorder(generator) as recorder:
        source = dagan.encode_source(image(1))
        inside = dagan.inspect(image(1), source, driving)
    stacked = recorder.inputs["dense_motion_network.hourglass"][0][0]
    query, warped = recorder.inputs["AttnModule"][0]
    key = recorder.outputs["AttnModule.key_conv"][0].relu()
    return {
        "motion_input": stacked,
        "sparse_deformed": stacked.unflatten(1, (16, 4))[:, :, 1:],
        "motion_hourglass": recorder.outputs["dense_motion_network.hourglass"][0],
        "mask": recorder.outputs["dense_motion_network.mask"][0].softmax(1),
        "deformation": inside.deformation.permute(0, 3, 1, 2),
        "occlusion_map": inside.occlusion,
        "deformed": inside.deformed,
        "source_features": source.features,
        "depth_features": recorder.outputs["src_down_blocks.1"][0],
        "warped_features": warped,
        "attention": (query.flatten(2).mT @ key.flatten(2)).softmax(-1),
        "attended_features": recorder.outputs["AttnModule"][0],
        "prediction": inside.prediction,
        "prediction_relative": dagan.render(source, relative),
    }


def spade_arrays(spade: Method, driving: Keypoints, relative: Keypoints) -> dict[str, Tensor]:
    generator, found = spade.networks["generator"], {}
    handles = [
        generator.decoder.get_submodule(stage).register_forward_hook(
            lambda _module, _inputs, output, name=f"spade_{stage}": found.update({name: output})
        )
        for stage in SPADE_STAGES
    ]
    source = spade.encode_source(image(1))
    found["spade_prediction"] = spade.render(source, driving)
    for handle in handles:
        handle.remove()
    sigmas = [layer.weight_orig.norm() / layer.weight.norm() for layer in spectral_layers(generator)]
    return found | {
        "spade_sigma": torch.stack(sigmas),
        "spade_prediction_relative": spade.render(source, relative),
    }


@pytest.fixture(scope="module")
@torch.no_grad()
def found(dagan: Method, spade: Method) -> dict[str, Tensor]:
    """Our value of every array of inference, in full."""
    names = ("depth_encoder", "depth_decoder")
    deeper = DepthEncoder(50), DepthDecoder(50)
    golden_models.fill_depth(*deeper)
    with Recorder(dagan.networks["kp_detector"]) as detector, Recorder(dagan.networks["depth_decoder"]) as decoder:
        keypoints = {name: dagan.encode_motion(image(seed)) for name, seed in FRAMES.items()}
    source, first, current = keypoints.values()
    relative = relative_motion(source, current, first, adapt_scale=True)
    return {
        **depth_arrays("depth18", *(dagan.networks[name] for name in names)),
        **depth_arrays("depth50", *deeper),
        **keypoint_arrays(keypoints, decoder.outputs[""]),
        "kp_source_logits": detector.outputs["kp"][0],
        **motion_arrays(dagan, first, relative),
        **spade_arrays(spade, first, relative),
    }


@pytest.mark.parametrize("variant", ["vox-adv-256", "spade", "vox-adv-256-depth50", "spade-depth50"])
def test_keys_and_shapes_are_the_manifests(variant: str) -> None:
    with torch.device("meta"):
        method = methods.create(f"dagan@{variant}")
    depth = "resnet50" if variant.endswith("depth50") else "resnet18"
    parts = {
        "generator": "generator_spade" if variant.startswith("spade") else "generator",
        "kp_detector": "kp_detector",
        "depth_encoder": f"depth_encoder_{depth}",
        "depth_decoder": f"depth_decoder_{depth}",
    }
    manifest = load_manifest("dagan")
    assert list(method.networks) == list(parts)
    for name, part in parts.items():
        assert_manifest(method.networks[name], manifest["subnetworks"][part])
        parameters = sum(parameter.numel() for parameter in method.networks[name].parameters())
        assert parameters == manifest["counts"][part]["parameters"]
    assert_manifest(method.discriminator(), manifest["subnetworks"]["discriminator"])


@pytest.mark.parametrize("name", NAMES)
def test_golden(found: dict[str, Tensor], golden: Golden, name: str) -> None:
    tolerance = 3e-4 if name in ("deformed", "sparse_deformed") else 1e-4  # tests/golden/dagan/golden.md
    if name in golden:
        assert_golden(golden, name, found[name], tolerance)
    else:
        assert_statistics(golden, name, found[name], tolerance)
