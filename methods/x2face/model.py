"""X2Face's two U-Nets: one unwraps the source into a mosaic, the other says where to sample it
(docs/specs/x2face.md 2, 3).

Everything bilinear has ``align_corners=True``, as in the torch 0.2 of the weights' training (docs/specs/x2face.md 1.3).
Attribute names are the keys of the authors' checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.blocks import Conv2d
from talkbench.methods.keypoints import coordinate_grid


@dataclass(frozen=True)
class X2FaceConfig:
    """Sizes of X2Face; the defaults are the released model's (docs/specs/x2face.md 2).

    Attributes:
        widths: channels after the down convolutions of all levels but the innermost, whose are the code.
        embedding_code, driving_code: size of each network's code.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512, 512, 512, 512)
    embedding_code: int = 512
    driving_code: int = 128

    @property
    def resolution(self) -> int:
        """Side of the images, which each level halves down to a single pixel."""
        return int(2 ** (len(self.widths) + 1))


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
    """Levels from the full size to a code of one pixel and back: (B, 3, H, W) → (B, outputs, H, W)."""

    def __init__(self, widths: Sequence[int], outputs: int, code: int, skips: bool) -> None:
        super().__init__()
        self.netG = nn.ModuleDict({"model": Level([3, *widths, code], outputs, skips, outermost=True)})

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.netG["model"](images)
        return out


class X2FaceNetwork(nn.Module):
    """The embedding and the driving network; grids are (x, y), ±1 the centres of the outermost pixels."""

    def __init__(self, config: X2FaceConfig | None = None) -> None:
        super().__init__()
        config = config or X2FaceConfig()
        self.pix2pixUnwrapped = UNet(config.widths, outputs=3, code=config.embedding_code, skips=True)
        self.pix2pixSampler = UNet(config.widths, outputs=2, code=config.driving_code, skips=False)
        self.apply(_initialise)

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


def _initialise(module: nn.Module) -> None:
    """Fresh weights as the authors draw them (docs/specs/x2face.md 5)."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_normal_(module.weight)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.uniform_(module.weight, 0.02, 1.0)


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
