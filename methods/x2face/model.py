"""X2Face's two U-Nets: one unwraps the source into a mosaic, the other says where to sample it
(docs/specs/x2face.md 2, 3).

Everything bilinear has ``align_corners=True``, as in the torch 0.2 of the weights' training (docs/specs/x2face.md 1.3).
Attribute names are the keys of the authors' checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.blocks import Conv2d
from talkbench.methods.keypoints import coordinate_grid

# Channels after the down convolutions of the levels L0 to L6 (docs/specs/x2face.md 2); the innermost's are the code.
WIDTHS = (64, 128, 256, 512, 512, 512, 512)
RESOLUTION = 2 ** (len(WIDTHS) + 1)


class Level(nn.Module):
    """A level of a U-Net with all the deeper ones inside it: (B, in, n, n) → (B, outputs, n, n).

    Args:
        channels: of this level's input, after its down convolution, after the next deeper one's, ….
        skips: whether a deeper level's input is concatenated to its output.
    """

    def __init__(self, channels: Sequence[int], outputs: int, skips: bool, outermost: bool = False) -> None:
        super().__init__()
        inputs, width, *deeper = channels
        joined = 2 * width if deeper and skips else width
        down: list[nn.Module] = [nn.Conv2d(inputs, width, 4, stride=2, padding=1, bias=False)]
        up: list[nn.Module] = [
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            Conv2d(joined, outputs, 3, padding=1, bias=False),
        ]
        if not outermost:
            down.insert(0, nn.LeakyReLU(0.2))
            up.append(nn.BatchNorm2d(outputs))
            if deeper:  # the innermost map is a single pixel, which cannot be normalised
                down.append(nn.BatchNorm2d(width))
        self.up = nn.Sequential(*up)
        self.down = nn.Sequential(*down)
        self.submodule = Level([width, *deeper], width, skips) if deeper else None
        self.skips = skips

    def forward(self, x: Tensor) -> Tensor:
        inner = self.down(x)
        if self.submodule is not None:
            returned = self.submodule(inner)
            inner = torch.cat([returned, inner], dim=1) if self.skips else returned
        out: Tensor = self.up(inner)
        return out


class UNet(nn.Module):
    """Eight levels, from 256×256 to a code of one pixel and back: (B, 3, 256, 256) → (B, outputs, 256, 256)."""

    def __init__(self, outputs: int, code: int, skips: bool) -> None:
        super().__init__()
        self.netG = nn.ModuleDict({"model": Level([3, *WIDTHS, code], outputs, skips, outermost=True)})

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.netG["model"](images)
        return out


class X2FaceNetwork(nn.Module):
    """The embedding and the driving network; grids are (x, y), ±1 the centres of the outermost pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.pix2pixUnwrapped = UNet(outputs=3, code=512, skips=True)
        self.pix2pixSampler = UNet(outputs=2, code=128, skips=False)

    def embed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Each image (B, 3, H, W) unwrapped, (B, 3, H, W), and the log-confidence of its pixels (B, 1, H, W)."""
        # Half precision would blur the sampling positions and overflow the exponential.
        raw = self.pix2pixUnwrapped(images).float()
        return sample(images.float(), displaced_grid(raw[:, :2])), raw[:, 2:]

    def mosaic(self, images: Tensor) -> Tensor:
        """The embedded face (B, 3, H, W) of N source images (B, N, 3, H, W) of one person."""
        count = images.shape[1]
        embedded, confidence = self.embed(images.flatten(0, 1))
        return combine(embedded.unflatten(0, (-1, count)), confidence.unflatten(0, (-1, count)))

    def driving_grid(self, images: Tensor) -> Tensor:
        """The position in the mosaic of each pixel of the driving frames (B, 3, H, W): (B, H, W, 2)."""
        # The network ends with a tanh of its own, and the offsets get a second one (docs/specs/x2face.md 3, step 4).
        return displaced_grid(self.pix2pixSampler(images).float().tanh())


def displaced_grid(offsets: Tensor) -> Tensor:
    """The identity grid moved by tanh of `offsets` (B, 2, H, W): (B, H, W, 2)."""
    return offsets.tanh().permute(0, 2, 3, 1) + coordinate_grid(offsets.shape[2:], offsets)


def combine(embedded: Tensor, confidence: Tensor, floor: float = 0.1) -> Tensor:
    """Mean (B, 3, H, W) of N embedded faces (B, N, 3, H, W), weighted by exp(`confidence`) + `floor`.

    The forward pass adds 0.1; the authors' ``get_unwrapped``, which shows a mosaic, adds nothing
    (docs/specs/x2face.md 3).
    """
    weights = confidence.exp() + floor
    return (weights * embedded).sum(1) / weights.sum(1)


def sample(images: Tensor, grid: Tensor) -> Tensor:
    """`images` (B, 3, H, W) at the positions `grid` (B, H, W, 2), bilinear, zero outside."""
    return F.grid_sample(images, grid, align_corners=True)
