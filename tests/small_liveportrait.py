"""LivePortrait at a size that renders in moments, and its files as the authors publish theirs."""

from pathlib import Path

import torch
from torch import Tensor

from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.liveportrait import LivePortrait
from talkbench.methods.liveportrait.model import LivePortraitConfig

CONFIG = LivePortraitConfig(
    resolution=32,
    depth=4,
    dense_motion=HourglassConfig(4, num_blocks=2),
    volume_channels=4,
    compressed_channels=2,
    block_expansion=8,
    num_resblocks=1,
    motion_widths=(8, 8, 8, 16),
    motion_depths=(1, 1, 1, 1),
)
MAIN = Path("base_models") / "spade_generator.pth"
STITCHING = Path("retargeting_models") / "stitching_retargeting_module.pth"


def published(method: LivePortrait, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Writes the five files into `folder`; gives the path of the main one."""
    states: dict[str, dict[str, Tensor]] = {
        name: {key: value.to(dtype) if value.is_floating_point() else value for key, value in net.state_dict().items()}
        for name, net in method.networks.items()
    }
    for name in ("base_models", "retargeting_models"):
        (folder / name).mkdir(parents=True)
    parallel = {name: {f"module.{key}": value for key, value in states.pop(name).items()} for name in method.optional}
    torch.save(parallel, folder / STITCHING)
    for name, state in states.items():
        torch.save(state, folder / "base_models" / f"{name}.pth")
    return folder / MAIN
