"""MCNet beyond its goldens: the options, the algebra that batching relies on, and the cost."""

from dataclasses import replace

import pytest
import torch
from reference_fill import image
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from talkbench import methods
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import Keypoints, relative_motion
from talkbench.methods.mcnet import SIZES, MCNet
from talkbench.methods.mcnet.parts import encode_positions, grouped_convolution, product_convolution
from talkbench.methods.recognition import skeleton
from talkbench.training.config import LossWeights
from talkbench.training.objectives import create as create_objective
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.state.draw import Draw


def small(**options: object) -> Method:
    torch.manual_seed(0)
    method = methods.create("mcnet@demo", **options)
    with torch.no_grad():
        method.networks["generator"].mbUnit.styleconv.weight.fill_(2.0)  # a noise that shows
    return method


def frames(*seeds: int) -> torch.Tensor:
    return torch.cat([image(seed, 128) for seed in seeds])


def test_a_driving_frame_costs_at_most_350_gflop() -> None:
    """Counted without doing it."""
    with FakeTensorMode():
        method, images = methods.create("mcnet"), torch.empty(1, 3, 256, 256)
        source = method.encode_source(images)
        with FlopCounterMode(display=False) as counter:
            method.render(source, method.transfer(source, method.encode_motion(images), None))
    assert 300e9 < counter.get_total_flops() < 350e9


def test_the_model_for_384_is_the_papers_with_its_levels_half_as_large_again() -> None:
    paper, large = (skeleton(name)[0] for name in ("mcnet", "mcnet@ted-384"))
    assert large.resolution == 384
    assert large.config.levels == {48: 512, 96: 256, 192: 128}
    named = {"_32": "_48", "_64": "_96", "_128": "_192"}

    def renamed(key: str) -> str:
        head, sign, tail = key.partition(".")
        unit, dot, rest = tail.partition(".")
        stem, line, side = unit.rpartition("_")
        return f"{head}{sign}{stem}{named[line + side]}{dot}{rest}" if line + side in named else key

    for name, network in paper.networks.items():
        wanted = {renamed(key): value.shape for key, value in network.state_dict().items()}
        assert {key: value.shape for key, value in large.networks[name].state_dict().items()} == wanted
    assert large.memory().shape == paper.memory().shape == (1, 512, 32, 32)


def test_a_model_of_another_size_renders_and_trains_on_its_own_levels() -> None:
    """Half as large again as the small model, as the one for 384 is beside the paper's; the memory keeps its side."""
    method = MCNet(("mcnet@large", replace(SIZES["demo"], resolution=192)), noise="fixed")
    source, driving = image(1, 192), image(2, 192)
    out = method.render(method.encode_source(source), method.encode_motion(driving))
    assert out.shape == (1, 3, 192, 192)
    inside = method.inspect(source, method.encode_source(source), method.encode_motion(driving))
    sides = {level: (one.output.shape[-1], one.value.shape[-1]) for level, one in inside.compensations.items()}
    assert sides == {24: (24, 16), 48: (48, 16), 96: (96, 16)}
    objective = create_objective(method, MultiScaleL1(), LossWeights())
    random = objective.random(Draw(0, 0, 1, 0, 1, torch.device("cpu"), 0))
    with torch.enable_grad():
        objective.terms(source, driving, random)["consistency"].backward()
    assert method.memory().grad.abs().sum() > 0


def test_images_are_in_range_and_of_the_sources_size() -> None:
    method = small()
    out = method.render(method.encode_source(frames(1)), method.encode_motion(frames(2)))
    assert out.shape == (1, 3, 128, 128)
    assert out.min() >= 0
    assert out.max() <= 1


def test_a_batch_of_sources_equals_each_on_its_own() -> None:
    method = small()
    together = method.encode_source(frames(1, 2))
    motion = method.encode_motion(frames(3, 4))
    both = method.render(together, motion)
    for index, seed in enumerate((1, 2)):
        alone = method.render(method.encode_source(frames(seed)), motion.select(torch.tensor([index])))
        torch.testing.assert_close(both[index : index + 1], alone, rtol=0, atol=5e-5)


def test_select_rearranges_every_part_of_a_source() -> None:
    source = small().encode_source(frames(1, 2))
    swapped = source.select(torch.tensor([1, 0]))
    assert len(swapped) == 2
    for ours, theirs in zip(swapped.maps, source.maps, strict=True):
        torch.testing.assert_close(ours, theirs.flip(0), rtol=0, atol=0)
    torch.testing.assert_close(swapped.keypoints.jacobian, source.keypoints.jacobian.flip(0), rtol=0, atol=0)


def test_random_noise_is_a_function_of_seed_and_frame() -> None:
    method, other_seed, none = small(noise="random"), small(noise="random", seed=1), small()
    source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2, 3))
    both = method.render(source.expand(2), motion)
    alone = method.render(source, motion.select(torch.tensor([1])))
    torch.testing.assert_close(both[1:], alone, rtol=0, atol=1e-5)
    assert (both - other_seed.render(source.expand(2), motion)).abs().max() > 1e-3
    assert (both - none.render(source.expand(2), motion)).abs().max() > 1e-3


def test_fixed_noise_is_the_same_for_all_frames() -> None:
    first, second = small(noise="fixed")._noise(small().encode_motion(frames(1, 2))), None
    second = small(noise="fixed")._noise(small().encode_motion(frames(3)))
    for ours, theirs in zip(first, second, strict=True):
        assert ours.shape == theirs.shape == (1, 1, 16, 16)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_settings_are_recorded() -> None:
    assert small(noise="fixed", seed=7).settings == {"noise": "fixed", "noise_seed": 7, "adapt_scale": True}


@pytest.mark.parametrize("options", [{"noise": "randon"}, {"variant": "mcn"}])
def test_unknown_options_are_answered_with_the_nearest(options: dict[str, str]) -> None:
    with pytest.raises(TalkbenchError, match=r"did you mean (random|mcm)"):
        methods.registry.get("mcnet")(**options)


def test_relative_motion_without_change_leaves_the_source() -> None:
    source, driving = small().encode_motion(frames(1, 2)), small().encode_motion(frames(3, 4))
    moved = relative_motion(source, driving, driving, adapt_scale=True)
    torch.testing.assert_close(moved.value, source.value)
    torch.testing.assert_close(moved.jacobian, source.jacobian)


def test_keypoints_on_a_line_are_a_failure_of_the_pair() -> None:
    value = torch.linspace(-1, 1, 10)[None, :, None].expand(1, 10, 2)
    line = Keypoints(value, torch.eye(2).expand(1, 10, 2, 2))
    with pytest.raises(PairError, match="convex hull"):
        relative_motion(line, line, line, adapt_scale=True)


def test_positions_are_encoded_in_the_specs_order() -> None:
    x, y = 0.3, -0.7
    code = encode_positions(torch.tensor([[[x, y]]]), 2)[0, 0]
    angles = torch.tensor([x, y])
    wanted = torch.cat([angles, angles.sin(), angles.cos(), (2 * angles).sin(), (2 * angles).cos()])
    torch.testing.assert_close(code, wanted)


@pytest.mark.parametrize("name", ["copy-source", "oracle"])
def test_yardsticks(name: str) -> None:
    method = methods.create(name)
    source, driving = frames(1, 2), frames(3, 4)
    out = method.render(method.encode_source(source), method.encode_motion(driving))
    assert torch.equal(out, source if name == "copy-source" else driving)
    assert method.ranked == (name == "copy-source")
    with pytest.raises(TalkbenchError, match="has no weights"):
        methods.create(name, weights="x.pth.tar")


@pytest.mark.parametrize("batch", [1, 3, 9])
@pytest.mark.parametrize("padding", [0, 1])
def test_kernels_of_each_sample_as_one_product(batch: int, padding: int) -> None:
    """As on a GPU."""
    torch.manual_seed(batch)
    x, weight, bias = torch.randn(batch, 12, 8, 7), torch.randn(batch, 24, 12, 3, 3) / 9, torch.randn(batch, 24)
    expected = grouped_convolution(x, weight, bias, padding)
    torch.testing.assert_close(product_convolution(x, weight, bias, padding), expected, rtol=1e-5, atol=1e-5)
