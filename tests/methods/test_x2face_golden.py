"""X2Face against the reference outputs (tests/golden/x2face; what each array is: tests/golden/x2face/golden.md)."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from goldens import Recorder, assert_golden, assert_manifest, image, load, load_manifest, scale
from reference_fill import fill_
from torch import Tensor

from talkbench.methods import cards
from talkbench.methods.x2face import DrivingGrid, Mosaic, X2Face
from talkbench.methods.x2face.model import combine, displaced_grid, sample

GOLDEN = load("x2face")
NETWORK, IMAGE = 1e-5, 1e-4
DRIVINGS = (2, 3, 5)
EMBEDDING, DRIVING = "pix2pixUnwrapped.netG.model", "pix2pixSampler.netG.model"
INNERMOST = 7 * ".submodule"


@pytest.fixture(scope="module")
def method() -> X2Face:
    method = X2Face()
    scale(fill_(method.network, "a/state_dict"), {"pix2pixUnwrapped.netG.model.up.2.weight": 0.25})
    return method


class Passes(NamedTuple):
    """What the two networks make of the images, and what their modules saw."""

    recorder: Recorder
    mosaic_two: Tensor
    source: Mosaic
    driving: DrivingGrid


@pytest.fixture(scope="module")
def passes(method: X2Face) -> Passes:
    """The mosaic of both sources and that of the first, and a batch of three drivings."""
    with torch.no_grad(), Recorder(method.network) as recorder:
        mosaic_two = method.network.mosaic(torch.stack([image(1), image(3)], dim=1))
        source = method.encode_source(image(1))
        driving = method.encode_motion(torch.cat([image(seed) for seed in DRIVINGS]))
    return Passes(recorder, mosaic_two, source, driving)


def test_keys_and_shapes_are_the_manifests(method: X2Face) -> None:
    wanted = load_manifest("x2face")["subnetworks"]["state_dict"]
    assert_manifest(method.network, wanted["entries"])
    parameters = sum(parameter.numel() for parameter in method.network.parameters())
    assert parameters == wanted["parameters"] == cards.card("x2face").parameters


def test_the_input_image_is_the_goldens() -> None:
    np.testing.assert_array_equal(image(1)[..., ::32, ::32].numpy(), GOLDEN["source_sample"])


@pytest.mark.parametrize(("index", "frame"), [(0, "source"), (1, "driving2")])
def test_embedding_network(passes: Passes, index: int, frame: str) -> None:
    raw = passes.recorder.outputs[EMBEDDING][0][index : index + 1]
    bottleneck = passes.recorder.outputs[f"{EMBEDDING}{INNERMOST}.up.0"][0][index : index + 1]
    assert_golden(GOLDEN, f"embed_raw_{frame}", raw, NETWORK)
    assert_golden(GOLDEN, f"embed_bottleneck_{frame}", bottleneck, NETWORK)
    assert_golden(GOLDEN, f"embed_grid_{frame}", displaced_grid(raw[:, :2]), NETWORK)


def test_driving_network(passes: Passes) -> None:
    recorder = passes.recorder
    assert_golden(GOLDEN, "drive_raw_driving", recorder.outputs[DRIVING][0][:1].tanh(), NETWORK)
    before = recorder.outputs[f"{DRIVING}{INNERMOST}.down"][0][:1].flatten(1)
    assert_golden(GOLDEN, "drive_code_before_relu_driving", before, NETWORK)
    code = recorder.outputs[f"{DRIVING}{INNERMOST}.up.0"][0][:1].flatten(1)
    assert_golden(GOLDEN, "drive_code_driving", code, NETWORK)
    assert_golden(GOLDEN, "drive_grid_driving", passes.driving.grid[:1], NETWORK)


def test_mosaics(passes: Passes) -> None:
    assert_golden(GOLDEN, "mosaic_one", passes.source.face, IMAGE)
    assert_golden(GOLDEN, "mosaic_two", passes.mosaic_two, IMAGE)
    raw = passes.recorder.outputs[EMBEDDING][0]
    embedded = sample(torch.cat([image(1), image(3)]), displaced_grid(raw[:, :2]))
    assert_golden(GOLDEN, "mosaic_two_noplus", combine(embedded[None], raw[None, :, 2:], floor=0.0), IMAGE)


def test_predictions(method: X2Face, passes: Passes) -> None:
    first, second = (passes.driving.select(torch.tensor([index])) for index in range(2))
    prediction = method.render(passes.source, first)
    assert_golden(GOLDEN, "prediction_one", prediction, IMAGE)
    assert (prediction - image(2)).abs().mean().item() == pytest.approx(float(GOLDEN["l1_one"]), abs=NETWORK)
    assert_golden(GOLDEN, "prediction_one_b", method.render(passes.source, second), IMAGE)
    assert_golden(GOLDEN, "prediction_two", method.render(Mosaic(passes.mosaic_two), first), IMAGE)


def test_every_array_is_tested() -> None:
    tested = {
        *("source_sample", "l1_one", "drive_raw_driving", "drive_code_driving", "drive_code_before_relu_driving"),
        *(f"embed_{part}_{frame}" for part in ("raw", "bottleneck", "grid") for frame in ("source", "driving2")),
        *("drive_grid_driving", "mosaic_one", "mosaic_two", "mosaic_two_noplus"),
        *("prediction_one", "prediction_one_b", "prediction_two"),
    }
    statistics = {f"{name}_{statistic}" for name in tested for statistic in ("mean", "std")}
    assert tested == set(GOLDEN) - statistics - {"meta_json"}
