"""FOMM and its variant with MCNet's memory: cost, motion, and what training needs."""

import pytest
import torch
from goldens import image
from small_methods import small
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.keypoints import Keypoints
from talkbench.methods.mcnet import MCNet
from talkbench.methods.mcnet.memory import MemoryConfig
from talkbench.methods.mcnet.model import Generator, MCNetConfig


def test_a_driving_frame_costs_at_most_90_gflop() -> None:
    """Counted without doing it."""
    with FakeTensorMode():
        method, images = methods.create("fomm"), torch.empty(1, 3, 256, 256)
        source = method.encode_source(images)
        with FlopCounterMode(display=False) as counter:
            method.render(source, method.transfer(source, method.encode_motion(images), None))
    assert 80 <= counter.get_total_flops() / 1e9 <= 90


def test_the_default_is_what_the_paper_was_made_with() -> None:
    with torch.device("meta"):
        fomm = methods.create("fomm")
    assert fomm.name == "fomm@vox-256"
    assert fomm.settings == {"align_corners": True, "adapt_scale": True}


def test_no_change_since_the_reference_leaves_the_source_where_it_is() -> None:
    fomm = small("fomm")
    first, second = (F.avg_pool2d(image(seed), 4) for seed in (1, 2))
    source, motion = fomm.encode_source(first), fomm.encode_motion(second)
    moved = fomm.transfer(source, motion, motion)
    torch.testing.assert_close(moved.value, source.keypoints.value, rtol=0, atol=0)
    torch.testing.assert_close(moved.jacobian, source.keypoints.jacobian, rtol=1e-4, atol=1e-5)


def test_an_unknown_variant_is_answered_with_the_nearest() -> None:
    with pytest.raises(TalkbenchError, match=r"unknown method .fomm@vox-25.: did you mean .*fomm@vox-256"):
        methods.create("fomm@vox-25")


def test_the_memory_sits_in_a_generator_of_fomms_depth() -> None:
    with torch.device("meta"):
        method = methods.create("fomm@memory")
    assert methods.class_of("fomm@memory") is MCNet
    assert method.name == methods.registry.resolve("mcnet@fomm_backbone") == "fomm@memory"
    assert method.config.levels == {64: 256, 128: 128}
    assert method.networks["generator"].mbUnit.style_route[0].in_features == 512 + 30


@torch.enable_grad()
def test_the_memory_learns() -> None:
    """Forward and backward at small sizes: gradients reach the memory and the keypoints."""
    hourglass = HourglassConfig(8, max_features=32, num_blocks=3, scale_factor=0.5)
    memory = MemoryConfig(channels=16, side=8)
    config = MCNetConfig(32, 4, hourglass, hourglass, 8, 32, num_down_blocks=2, memory=memory)
    generator = Generator(config)
    torch.manual_seed(0)
    places = torch.rand(2, 2, 4, 2, requires_grad=True)
    identity = torch.eye(2).expand(2, 4, 2, 2)
    images = torch.rand(2, 3, 32, 32)
    source = generator.encode(images, Keypoints(places[0], identity), generator.dense_motion_network.down(images))
    generated = generator(source, Keypoints(places[1], identity))
    assert [c.output.shape[-1] for c in generated.compensations] == [8, 16]
    generated.prediction.mean().backward()
    assert generator.mbUnit.mb.grad.abs().sum() > 0
    assert places.grad.abs().sum() > 0
