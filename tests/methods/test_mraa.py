"""MRAA beyond its goldens: axes, modes, checkpoints and cost, on small networks but for the cost."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from goldens import Recorder
from reference_fill import image
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods import recognition
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.mraa import MRAA, VARIANTS, MRAAConfig
from talkbench.methods.mraa.model import sparse_motions
from talkbench.methods.mraa.regions import Regions, principal_affine

FULL = VARIANTS["vox256"]
HOURGLASS = HourglassConfig(4, 16, num_blocks=3)


def small(num_regions: int = 5, region_padding: int = 3) -> MRAAConfig:
    sizes = {"block_expansion": 4, "max_features": 16, "num_bottleneck_blocks": 1, "avd_bottleneck": 8}
    return MRAAConfig(64, num_regions, region_padding, HOURGLASS, HOURGLASS, HOURGLASS, **sizes)


@pytest.fixture(autouse=True)
def _small_variants(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(VARIANTS, "vox256", small())
    for name in ("taichi256", "ted384"):
        monkeypatch.setitem(VARIANTS, name, small(region_padding=0))
    monkeypatch.setitem(VARIANTS, "ted-youtube384", small(num_regions=6, region_padding=0))
    recognition.skeleton.cache_clear()
    recognition._states.cache_clear()
    yield
    recognition.skeleton.cache_clear()
    recognition._states.cache_clear()


def create(**options: object) -> MRAA:
    """A small MRAA whose weights do not depend on the options."""
    torch.manual_seed(0)
    return MRAA(**options)


def frames(*seeds: int) -> Tensor:
    return torch.cat([image(seed, 64) for seed in seeds])


def render(method: MRAA, source: Tensor, driving: Tensor) -> Tensor:
    encoded = method.encode_source(source)
    return method.render(encoded, method.transfer(encoded, method.encode_motion(driving), None))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Writes a checkpoint as the authors do after their second stage, less the entries `without`."""

    def write(method: MRAA, *without: str, name: str = "checkpoint.pth", zipped: bool = False) -> Path:
        states = {key: network.state_dict() for key, network in method.networks.items()}
        adam = {"state": {}, "param_groups": [{"lr": 1e-3, "params": [0]}]}
        rest = {"optimizer_reconstruction": adam, "optimizer_avd": adam, "epoch_reconstruction": 99, "epoch_avd": 29}
        kept = {key: value for key, value in {**states, **rest}.items() if key not in without}
        torch.save(kept, tmp_path / name, _use_new_zipfile_serialization=zipped)
        return tmp_path / name

    return write


def test_a_driving_frame_costs_at_most_90_gflop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted without doing it."""
    monkeypatch.setitem(VARIANTS, "vox256", FULL)
    with FakeTensorMode():
        method, images = create(), torch.empty(1, 3, 256, 256)
        source = method.encode_source(images)
        with FlopCounterMode(display=False) as counter:
            method.render(source, method.transfer(source, method.encode_motion(images), None))
    assert 80e9 < counter.get_total_flops() < 90e9


def covariances(count: int) -> Tensor:
    roots = torch.rand(count, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 0.5
    return roots @ roots.mT


def test_the_axes_are_those_of_lapack() -> None:
    covar = covariances(1000).float()
    u, s, _ = torch.linalg.svd(covar)
    affine = principal_affine(covar)
    torch.testing.assert_close(affine, u * s.sqrt()[:, None], rtol=0, atol=1e-5)
    torch.testing.assert_close(affine @ affine.mT, covar)


def test_gradients_through_the_axes_are_those_through_lapack() -> None:
    torch.set_grad_enabled(True)
    weight = torch.rand(100, 2, 2, dtype=torch.float64)
    ours, theirs = covariances(100).requires_grad_(), covariances(100).requires_grad_()
    (principal_affine(ours) * weight).sum().backward()
    u, s, _ = torch.linalg.svd(theirs)
    (u * s.sqrt()[:, None] * weight).sum().backward()
    # The two differ in how they share out what belongs to the entry that stands in a covariance twice.
    np.testing.assert_allclose(symmetric(ours.grad), symmetric(theirs.grad), rtol=1e-6)


def symmetric(gradient: Tensor) -> Tensor:
    return gradient + gradient.mT


def test_images_are_in_range_and_the_sources_work_is_done_once() -> None:
    method = create(background=True)
    source = method.encode_source(frames(1))
    with Recorder(method.generator) as recorder, Recorder(method.region_predictor) as regions:
        out = method.render(source, method.transfer(source, method.encode_motion(frames(2)), None))
    assert out.shape == (1, 3, 64, 64)
    assert 0 <= out.min() < out.max() <= 1
    assert len(regions.outputs["predictor"]) == 1
    assert not {"first", "down_blocks.0", "pixelwise_flow_predictor.down"} & set(recorder.outputs)


@pytest.mark.parametrize("options", [{}, {"background": True}, {"avd": True}])
def test_a_batch_equals_its_items_each_on_its_own(options: dict[str, bool]) -> None:
    method = create(**options)
    method.background_predictor.fc.weight.normal_(std=0.02)
    together = render(method, frames(1, 2, 3), frames(3, 4, 5))
    for index in range(3):
        alone = render(method, frames(1 + index), frames(3 + index))
        torch.testing.assert_close(together[index : index + 1], alone, rtol=0, atol=1e-5)


def test_a_driver_that_stays_leaves_the_source_as_it_is() -> None:
    method = create()
    source, motion = method.encode_source(frames(1, 2)), method.encode_motion(frames(3, 4))
    moved = method.transfer(source, motion, motion).regions
    torch.testing.assert_close(moved.shift, source.regions.shift)
    torch.testing.assert_close(moved.affine, source.regions.affine, rtol=0, atol=1e-5)
    assert torch.equal(moved.covar, motion.regions.covar)


def test_an_axis_that_flips_its_sign_moves_nothing() -> None:
    regions = create().encode_motion(frames(1)).regions
    flipped = Regions(regions.shift, regions.covar, -regions.affine)
    size = torch.Size((16, 16))
    still = sparse_motions(regions, flipped, None, size)
    torch.testing.assert_close(still[:, 1:], still[:, :1].expand(-1, 5, -1, -1, -1))


def test_the_background_moves_by_its_affine_map() -> None:
    regions = create().encode_motion(frames(1)).regions
    background = torch.tensor([[[2.0, 0.0, 0.1], [1.0, -1.0, 0.0]]])
    z, moved = (sparse_motions(regions, regions, h, torch.Size((8, 12)))[0, 0] for h in (None, background))
    assert z[0, 0].tolist() == [-1, -1]
    assert z[0, 11].tolist() == [1, -1]
    x, y = z.unbind(-1)
    torch.testing.assert_close(moved, torch.stack([2 * x + 0.1, x - y], dim=-1))


def test_driving_frames_are_kept_for_the_background_alone() -> None:
    driving = frames(2)
    assert create().encode_motion(driving).images is None
    method = create(background=True)
    motion = method.encode_motion(driving)
    assert motion.images is driving
    assert method.transfer(method.encode_source(frames(1)), motion, motion).images is driving


def test_a_fresh_background_predictor_leaves_the_background_still() -> None:
    still = render(create(), frames(1), frames(2))
    method = create(background=True)
    torch.testing.assert_close(render(method, frames(1), frames(2)), still, rtol=0, atol=1e-4)
    method.background_predictor.fc.bias[2] += 0.5
    assert (render(method, frames(1), frames(2)) - still).abs().max() > 0.01


def test_avd_moves_absolutely_alone() -> None:
    method = create(avd=True)
    source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
    moved = method.transfer(source, motion, None).regions
    torch.testing.assert_close(moved.covar, moved.affine @ moved.affine.mT)
    assert (moved.shift - motion.regions.shift).abs().max() > 1e-3
    with pytest.raises(TalkbenchError, match="leave avd out for relative motion"):
        method.transfer(source, motion, motion)


def test_regions_and_flows_keep_float32_under_autocast() -> None:
    method = create(background=True)
    with torch.autocast("cpu", torch.bfloat16):
        source, motion = method.encode_source(frames(1)), method.encode_motion(frames(2))
        moved = method.transfer(source, motion, motion).regions
        background = method.background_predictor(source.image, frames(2))
        generated = method.generator(source, moved, background)
    exact = [*vars(motion.regions).values(), *vars(moved).values(), source.heatmap, background]
    assert {value.dtype for value in [*exact, *vars(generated.motion).values(), generated.prediction]} == {
        torch.float32
    }


def test_settings_are_recorded_with_the_full_name() -> None:
    method = methods.create("mraa", background=True)
    assert (method.name, method.settings) == ("mraa@vox256", {"avd": False, "background": True})


def test_an_unknown_variant_is_answered_with_the_nearest() -> None:
    with pytest.raises(TalkbenchError, match="unknown variant mraa@ted: did you mean ted384"):
        MRAA("ted")


@pytest.mark.parametrize("zipped", [False, True], ids=["old serialisation", "zip"])
def test_the_authors_layout_loads(checkpoint: Callable[..., Path], zipped: bool) -> None:
    method = create()
    loaded = MRAA(weights=checkpoint(method, zipped=zipped), avd=True)
    for name, network in method.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(loaded.networks[name].state_dict()[key], value), (name, key)
    assert loaded.checkpoint_sha256 is not None


def test_avd_needs_a_checkpoint_that_has_it(checkpoint: Callable[..., Path]) -> None:
    path = checkpoint(create(), "avd_network", "optimizer_avd", "epoch_avd")
    assert MRAA(weights=path).name == "mraa@vox256"
    with pytest.raises(TalkbenchError, match="has no avd_network, which avd=True needs; leave avd out"):
        MRAA(weights=path, avd=True)


def test_a_checkpoint_must_have_the_background_predictor(checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(TalkbenchError, match="no bg_predictor among its parts"):
        MRAA(weights=checkpoint(create(), "bg_predictor"))


def test_the_padding_of_a_checkpoint_is_told_by_its_name(checkpoint: Callable[..., Path]) -> None:
    path = checkpoint(create(), name="ted384.pth")
    assert MRAA("ted384", weights=path).region_predictor.regions.padding == (0, 0)
    with pytest.raises(TalkbenchError, match=r"ted384\.pth is mraa@ted384; expected mraa@vox256"):
        MRAA(weights=path)


def test_a_checkpoint_of_more_regions_is_named(checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(TalkbenchError, match="is mraa@ted-youtube384; expected mraa@vox256"):
        MRAA(weights=checkpoint(create(variant="ted-youtube384")))
