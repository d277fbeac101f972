"""The three networks of MTCNN (Zhang et al., IEEE SPL 2016) as facenet-pytorch trained them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Stage(nn.Module):
    """Convolutions with PReLU and pooling, a dense layer (none: everything stays a map), and the heads.

    Keys are facenet-pytorch's. The results of convolutions depend on the number and layout of what is convolved at once
    in the last bit: a caller who wants the library's gives the crops of one image, as it does.

    Args:
        convolutions: channels, kernel, and kernel of the pooling behind it (0: none) of each.
        dense: features in and out.
        heads: names and results; the first gives two, which softmax turns into the score of a face.
    """

    def __init__(
        self,
        convolutions: tuple[tuple[int, int, int], ...],
        dense: tuple[int, int] | None,
        heads: dict[str, int],
    ) -> None:
        super().__init__()
        channels, self.pools, self.dense, self.heads = 3, [pool for _, _, pool in convolutions], None, list(heads)
        for number, (out, kernel, _) in enumerate(convolutions, 1):
            self.add_module(f"conv{number}", nn.Conv2d(channels, out, kernel))
            self.add_module(f"prelu{number}", nn.PReLU(out))
            channels = out
        if dense:
            self.dense, channels = len(convolutions) + 1, dense[1]
            self.add_module(f"dense{self.dense}", nn.Linear(*dense))
            self.add_module(f"prelu{self.dense}", nn.PReLU(channels))
        for name, results in heads.items():
            self.add_module(name, nn.Linear(channels, results) if dense else nn.Conv2d(channels, results, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W), ``(x - 127.5) / 128`` of x in 0..255, to what each head gives, the face's score first:
        (B,) and (B, K), for the first network (B, H', W') and (B, K, H', W')."""
        x = images
        for number, pool in enumerate(self.pools, 1):
            x = self._modules[f"prelu{number}"](self._modules[f"conv{number}"](x))  # type: ignore[misc]
            if pool:
                x = _pooled(x, pool)
        if self.dense:
            x = x.permute(0, 3, 2, 1).flatten(1)
            x = self._modules[f"prelu{self.dense}"](self._modules[f"dense{self.dense}"](x))  # type: ignore[misc]
        classes, *others = (self._modules[head](x) for head in self.heads)  # type: ignore[misc]
        return classes.softmax(1)[:, 1], *others


def _pooled(x: Tensor, size: int) -> Tensor:
    """The largest of size x size values in steps of 2. Channels last, where PyTorch compares many at once: the same
    values five times as fast."""
    last = x.contiguous(memory_format=torch.channels_last)
    return functional.max_pool2d(last, size, 2, ceil_mode=True).contiguous()


def networks() -> dict[str, Stage]:
    """By the names of their files, without weights: they propose, refine, and place the face and its points."""
    return {
        "pnet": Stage(((10, 3, 2), (16, 3, 0), (32, 3, 0)), None, {"conv4_1": 2, "conv4_2": 4}),
        "rnet": Stage(((28, 3, 3), (48, 3, 3), (64, 2, 0)), (576, 128), {"dense5_1": 2, "dense5_2": 4}),
        "onet": Stage(
            ((32, 3, 3), (64, 3, 3), (64, 3, 2), (128, 2, 0)),
            (1152, 256),
            {"dense6_1": 2, "dense6_2": 4, "dense6_3": 10},
        ),
    }
