"""The inference form computes what the plain networks compute."""

from typing import Any

import pytest
import torch
from goldens import image
from small_methods import SMALL, small
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.inference import InferenceForm, operators
from talkbench.methods.interface import Method

TOLERANCE = 5e-5  # of float32 in small fresh networks, where a flow that leaves the image magnifies rounding


def trained(name: str) -> Method[Any, Any]:
    """Small, its norms with statistics as if it had learned."""
    method = small(name)
    for network in method.networks.values():
        for module in network.eval().modules():
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
                for value in (module.running_var, module.weight):
                    nn.init.uniform_(value, 0.5, 1.5)
                for value in (module.running_mean, module.bias):
                    nn.init.uniform_(value, -0.3, 0.3)
    return method


def rendered(method: Method[Any, Any]) -> Tensor:
    first, *drivings = (F.avg_pool2d(image(seed), 256 // method.resolution) for seed in (1, 2, 3))
    source = method.encode_source(first).expand(2)
    return method.render(source, method.transfer(source, method.encode_motion(torch.cat(drivings)), None))


@pytest.mark.parametrize("name", SMALL)
def test_the_inference_form_gives_the_same_images_and_ends_with_its_block(name: str) -> None:
    method = trained(name)
    plain, keys = rendered(method), [list(network.state_dict()) for network in method.networks.values()]
    form = InferenceForm(method)
    for _ in range(2):
        with form:
            torch.testing.assert_close(rendered(method), plain, rtol=0, atol=TOLERANCE)
            assert [list(network.state_dict()) for network in method.networks.values()] == keys
        assert torch.equal(rendered(method), plain)


def test_in_training_the_form_computes_nothing() -> None:
    method = trained("fomm")
    generator, frame = method.networks["generator"].first, image(1)[..., ::4, ::4]
    with torch.enable_grad(), InferenceForm(method):
        generator(frame).sum().backward()
        assert generator.conv.weight.grad is not None
        with torch.no_grad():
            assert torch.equal(generator.train()(frame), F.relu(generator.norm(generator.conv(frame))))


def test_without_the_operators_of_onednn_plain_convolutions_are_used_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    method = trained("fomm")
    plain = rendered(method)
    operators.available.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(torch.ops, "mkldnn", object())
        for _ in range(2):
            with InferenceForm(method):
                torch.testing.assert_close(rendered(method), plain, rtol=0, atol=TOLERANCE)
    operators.available.cache_clear()
    assert [record.getMessage() for record in caplog.records] == [
        f"torch {torch.__version__} lacks oneDNN's packed convolutions; plain ones take up to 1.5 times as long"
    ]
