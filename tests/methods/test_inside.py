"""What methods show of how they work, on small networks of each architecture; MCNet's own is in its goldens."""

from dataclasses import replace

import pytest
import torch
from reference_fill import image

from talkbench import methods
from talkbench.methods import facevid2vid, fomm, mraa
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.inside import Inside
from talkbench.methods.keypoints import coordinate_grid
from talkbench.methods.mcnet.memory import MemoryInside, MemoryMethod

SMALL = HourglassConfig(4, max_features=16, num_blocks=2, scale_factor=0.25)
SIZES = {"resolution": 64, "block_expansion": 8, "max_features": 16}
CONFIGS = {
    fomm: replace(fomm.VARIANTS[fomm.DEFAULT], kp_detector=SMALL, dense_motion=SMALL, **SIZES),
    mraa: replace(
        mraa.VARIANTS[mraa.DEFAULT],
        region_predictor=SMALL,
        background_predictor=SMALL,
        flow_predictor=SMALL,
        **SIZES,
    ),
    facevid2vid: replace(
        facevid2vid.VARIANTS[facevid2vid.DEFAULT],
        kp_detector=SMALL,
        dense_motion=SMALL,
        resolution=64,
        block_expansion=8,
        head_expansion=4,
    ),
}


@pytest.fixture
def small(monkeypatch):
    """Builds a method of few channels for images of 64×64."""

    def build(module):
        monkeypatch.setitem(module.VARIANTS, module.DEFAULT, CONFIGS[module])
        torch.manual_seed(0)
        return methods.create(module.__name__.rpartition(".")[2])

    return build


@pytest.mark.parametrize("module", CONFIGS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_face_that_drives_itself_stays_where_it_is(small, module):
    method, face = small(module), image(1, 64)
    source, motion = method.encode_source(face), method.encode_motion(face)
    inside = method.inspect(face, source, motion)
    torch.testing.assert_close(inside.prediction, method.render(source, motion))
    torch.testing.assert_close(inside.source_points, inside.driving_points)
    assert inside.source_points.shape[2] == 2
    still = coordinate_grid(inside.deformation.shape[1:3], inside.deformation)
    torch.testing.assert_close(inside.deformation, still.expand_as(inside.deformation), rtol=0, atol=1e-4)
    assert inside.occlusion.shape == (1, 1, *inside.deformation.shape[1:3])
    assert inside.occlusion.min() >= 0
    assert inside.occlusion.max() <= 1
    assert type(inside) is Inside
    assert not isinstance(method, MemoryMethod)


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("mcnet@demo", [16, 32, 64]),
        ("fomm@demo-memory", [32, 64]),
        ("tpsm@demo-memory", [16, 32, 64]),
        ("mcnet@baseline-demo", []),
        ("tpsm@demo", []),
    ],
)
def test_a_memory_shows_what_it_is_for_a_face(name, sides):
    method, face = methods.create(name), image(1, 128)
    inside = method.inspect(face, method.encode_source(face), method.encode_motion(face))
    assert isinstance(method, MemoryMethod)
    assert isinstance(inside, MemoryInside)
    assert list(inside.compensations) == sides
    assert (method.memory() is not None) == bool(sides)
    for compensation in inside.compensations.values():
        assert compensation.memory.shape == method.memory().shape == (1, 32, 16, 16)


def test_the_flow_goes_from_the_driving_to_the_source_points(small):
    """Where all motions are the same shift, so is the flow."""
    method = small(fomm)
    source = method.encode_source(image(1, 64))
    shifted = replace(source.keypoints, value=source.keypoints.value + torch.tensor([0.25, 0.0]))
    bias = method.networks["generator"].dense_motion_network.mask.bias
    with torch.no_grad():
        bias[0] = -1e3  # no background
    inside = method.inspect(image(1, 64), source, shifted)
    still = coordinate_grid(inside.deformation.shape[1:3], inside.deformation)
    torch.testing.assert_close(inside.deformation, still - torch.tensor([0.25, 0.0]) + torch.zeros(1, 1, 1, 2))


def test_a_method_that_says_nothing_shows_its_image_alone():
    method, face = methods.create("copy-source"), image(1, 64)
    inside = method.inspect(face, method.encode_source(face), method.encode_motion(face))
    assert inside.prediction is face
    assert inside.driving_points is inside.deformation is inside.occlusion is None
    assert not isinstance(method, MemoryMethod)
