"""MRAA against the reference outputs (tests/golden/mraa; what each array is: tests/golden/mraa/golden.md)."""

from collections.abc import Iterator

import golden_models
import pytest
import torch
from goldens import Golden, Recorder, assert_golden, assert_manifest, image, load, load_manifest
from torch import Tensor

from talkbench import methods
from talkbench.methods.inference import InferenceForm
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import _hull_volume, hull_scale
from talkbench.methods.mraa import RegionMotion
from talkbench.methods.mraa.model import SourceMaps, sparse_motions
from talkbench.methods.mraa.regions import Regions, principal_affine

TOLERANCE = 1e-4
FLOW = "pixelwise_flow_predictor"
# Losses and what only they need: tests/training. The matrices `svd_in` are given.
OTHERS = ("tps_", "eq_", "pyramid_", "perceptual_", "loss_", "gradnorm_", "avdtrain_", "svd_in")
NAMES = [name for name in load("mraa") if not name.startswith(OTHERS) and not name.endswith(("_mean", "_std"))]

Arrays = dict[str, Tensor]


def sharing(filled: Method, name: str, **options: object) -> Method:
    """Another configuration with the weights of `filled`."""
    method = methods.create(name, **options)
    for key, network in method.networks.items():
        network.load_state_dict(filled.networks[key].state_dict(), assign=True)
    return method


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load("mraa")


@pytest.fixture(scope="module")
def mraa() -> Iterator[Method]:
    with InferenceForm(method := golden_models.mraa()):
        yield method


@pytest.fixture(scope="module")
def ted(mraa: Method) -> Iterator[Method]:
    with InferenceForm(method := sharing(mraa, "mraa@ted384", background=True)):
        yield method


def prefixed(prefix: str, arrays: Arrays) -> Arrays:
    return {f"{prefix}_{name}": value for name, value in arrays.items()}


def axes(affine: Tensor) -> tuple[Tensor, Tensor]:
    """U (N, 2, 2) and √S (N, 2) of (..., 2, 2)."""
    lengths = affine.norm(dim=-2, keepdim=True)
    return (affine / lengths).flatten(0, -3), lengths.view(-1, 2)


def region_arrays(method: Method, frame: Tensor) -> Arrays:
    with Recorder(method.networks["region_predictor"]) as recorder:
        regions = method.encode_motion(frame).regions
    logits = recorder.outputs["regions"][0]
    u, roots = axes(regions.affine)
    heatmap = (logits.flatten(2) / 0.1).softmax(-1).view_as(logits)
    return {**vars(regions), "u": u, "d": torch.diag_embed(roots), "heatmap": heatmap}


@torch.no_grad()
def moved_background(method: Method, source: Tensor, driving: Tensor) -> tuple[Tensor, Tensor]:
    """As predicted (1, 2, 3), and as the 3×3 matrix that is stored."""
    affine = method.networks["bg_predictor"](source, driving)
    return affine, torch.cat([affine, torch.tensor([[[0.0, 0.0, 1.0]]])], dim=1)


@torch.no_grad()
def rendered_arrays(method: Method, source: SourceMaps, driving: Regions, background: Tensor | None = None) -> Arrays:
    with Recorder(method.networks["generator"]) as recorder:
        generated = method.networks["generator"](source, driving, background)
    stacked = recorder.inputs[f"{FLOW}.hourglass"][0][0].unflatten(1, (11, 4))
    return {
        "heatmap_repr": stacked[:, :, :1],
        "sparse_motion": sparse_motions(source.regions, driving, background, source.small.shape[2:]),
        "deformed_source": stacked[:, :, 1:],
        "mask": recorder.outputs[f"{FLOW}.mask"][0].softmax(1),
        "flow": generated.motion.deformation,
        "occlusion": generated.motion.occlusion_map,
        "deformed": generated.deformed,
        "prediction": generated.prediction,
        "feat_bottleneck": recorder.outputs["bottleneck"][0],
        "feat_up0": recorder.outputs["up_blocks.0"][0],
        "feat_up1": recorder.outputs["up_blocks.1"][0],
        **dict(zip(("feat_first", "feat_down0", "feat_down1"), source.maps, strict=True)),
    }


def relative_arrays(mraa: Method, source: SourceMaps, driving: RegionMotion, first: RegionMotion) -> Arrays:
    moved = mraa.transfer(source, driving, first).regions
    shifts = source.regions.shift, first.regions.shift
    areas = [torch.tensor(_hull_volume(shift[0].numpy()), dtype=torch.float64) for shift in shifts]
    found = {"area_source": areas[0], "area_initial": areas[1], "movement_scale": hull_scale(*shifts)[0]}
    return {**found, **vars(moved), **rendered_arrays(mraa, source, moved)}


def avd_arrays(mraa: Method, source: SourceMaps, driving: RegionMotion) -> Arrays:
    method = sharing(mraa, "mraa", avd=True)
    with Recorder(method.networks["avd_network"]) as recorder:
        moved = method.transfer(source, driving, None).regions
    given = recorder.inputs["id_encoder"][0][0].view(1, 10, 6)[..., 2:]
    codes = {f"{part}_emb": recorder.outputs[f"{part}_encoder"][0] for part in ("id", "pose")}
    sign = (given * source.regions.affine.flatten(2)).sum(-1).sign()
    return {"id_sign": sign, **codes, **vars(moved), **rendered_arrays(method, source, moved)}


@pytest.fixture(scope="module")
def found(mraa: Method, ted: Method, golden: Golden) -> Arrays:
    """Everything that the golden file has of inference, by its names there."""
    images, wide = [image(seed) for seed in (1, 2, 3)], [image(seed, 384) for seed in (1, 3)]
    source, driving, driving2 = mraa.encode_source(images[0]), *map(mraa.encode_motion, images[1:])
    background, matrix = moved_background(mraa, images[0], images[1])
    wide_background, wide_matrix = moved_background(ted, *wide)
    wide_driving = ted.encode_motion(wide[1]).regions
    taichi = sharing(mraa, "mraa@taichi256")
    u, roots = axes(principal_affine(torch.from_numpy(golden["svd_in"])))
    return {
        **prefixed("src", region_arrays(mraa, images[0])),
        **prefixed("drv1", region_arrays(mraa, images[1])),
        **prefixed("drv2", region_arrays(mraa, images[2])),
        **prefixed("pad0_src", region_arrays(taichi, images[0])),
        **prefixed("pad0_drv2", region_arrays(taichi, images[2])),
        **prefixed("ted384_src", region_arrays(ted, wide[0])),
        **prefixed("ted384_drv2", region_arrays(ted, wide[1])),
        **prefixed("svd", {"u": u, "s": roots.square()}),
        **prefixed("bg", {"drv1": matrix, "drv2": moved_background(mraa, images[0], images[2])[1]}),
        "src_down4": source.small,
        "ted384_bg": wide_matrix,
        **prefixed("recon", rendered_arrays(mraa, source, driving.regions, background)),
        **prefixed("standard", rendered_arrays(mraa, source, driving2.regions)),
        **prefixed("relative", relative_arrays(mraa, source, driving2, driving)),
        **prefixed("avd", avd_arrays(mraa, source, driving2)),
        **prefixed("ted384_recon", rendered_arrays(ted, ted.encode_source(wide[0]), wide_driving, wide_background)),
    }


@pytest.mark.parametrize("name", NAMES)
def test_array(found: Arrays, golden: Golden, name: str) -> None:
    assert_golden(golden, name, found[name], TOLERANCE)


@pytest.mark.parametrize("variant", ["vox256", "taichi256", "ted384", "ted-youtube384"])
def test_keys_and_shapes_are_the_manifests(variant: str) -> None:
    manifest, networks = load_manifest("mraa"), methods.create(f"mraa@{variant}").networks
    assert list(networks) == list(manifest["subnetworks"])
    other = manifest["variants"].get(variant, {"difference_from_main": {}, "counts": manifest["counts"]})
    for name, network in networks.items():
        changed = other["difference_from_main"].get(name, {}).get("changed_entries", {})
        assert_manifest(network, {**manifest["subnetworks"][name], **changed})
        parameters = sum(parameter.numel() for parameter in network.parameters())
        assert parameters == other["counts"][name]["parameters"]
