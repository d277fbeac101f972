"""What holds for every method that can be trained: the frames of a batch know nothing of each other."""

import pytest
import torch
from goldens import image
from small_methods import SMALL, small
from torch import Tensor
from torch.nn import functional as F


@pytest.mark.parametrize("name", SMALL)
def test_drivings_of_one_source_together_equal_each_on_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64, where rounding is far below what little fresh networks make of a motion."""
    monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)  # networks leave half precision by it
    method = small(name)
    for network in method.networks.values():
        network.eval().double()
    first, *drivings = (F.avg_pool2d(image(seed).double(), 256 // method.resolution) for seed in (1, 2, 3, 5))
    source = method.encode_source(first)

    def render(frames: Tensor) -> Tensor:
        sources = source.expand(len(frames))
        return method.render(sources, method.transfer(sources, method.encode_motion(frames), None))

    together, alone = render(torch.cat(drivings)), torch.cat([render(frame) for frame in drivings])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-9)
    assert all((alone[index] - alone[index - 1]).abs().max() > 1e-5 for index in range(3))
