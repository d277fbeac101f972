"""Every method that can be trained, with all of its parts, at a size that takes a step in moments."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from toy_training import tiny

from talkbench.methods import dagan, facevid2vid, fomm, mraa, tpsm, x2face
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.dagan.model import DaGANConfig
from talkbench.methods.facevid2vid.model import FaceVid2VidConfig
from talkbench.methods.fomm.model import FOMMConfig
from talkbench.methods.interface import Method
from talkbench.methods.mcnet.memory import MemoryConfig
from talkbench.methods.mraa.model import MRAAConfig
from talkbench.methods.tpsm.model import TPSMConfig
from talkbench.methods.x2face.model import X2FaceConfig

HOURGLASS = HourglassConfig(8, max_features=16, num_blocks=2, scale_factor=0.5)


def variant(module: Any, build: Callable[[str], Method], config: Any) -> Callable[[], Method]:
    """Builds a method of a configuration of its own."""

    def make() -> Method:
        with mock.patch.dict(module.VARIANTS, {"small": config}):
            return build("small")

    return make


SMALL: dict[str, Callable[[], Method]] = {
    "dagan": variant(
        dagan,
        dagan.DaGAN,
        DaGANConfig(
            resolution=64,
            num_kp=5,
            kp_detector=HOURGLASS,
            dense_motion=HOURGLASS,
            block_expansion=8,
            max_features=32,
            num_bottleneck_blocks=1,
        ),
    ),
    "facevid2vid": variant(
        facevid2vid,
        facevid2vid.FaceVid2Vid,
        FaceVid2VidConfig(
            resolution=64,
            num_kp=5,
            depth=4,
            kp_detector=HourglassConfig(8, max_features=16, num_blocks=2),
            dense_motion=HourglassConfig(8, max_features=16, num_blocks=2),
            volume_channels=4,
            compressed_channels=2,
            head_expansion=4,
            block_expansion=4,
            num_resblocks=1,
        ),
    ),
    "fomm": variant(
        fomm,
        fomm.FOMM,
        FOMMConfig(
            resolution=64,
            kp_detector=HOURGLASS,
            dense_motion=HOURGLASS,
            block_expansion=8,
            max_features=32,
            num_bottleneck_blocks=1,
        ),
    ),
    "mcnet": tiny,
    "mraa": variant(
        mraa,
        mraa.MRAA,
        MRAAConfig(
            resolution=64,
            num_regions=5,
            region_predictor=HOURGLASS,
            background_predictor=HOURGLASS,
            flow_predictor=HOURGLASS,
            block_expansion=8,
            max_features=32,
            num_bottleneck_blocks=1,
        ),
    ),
    "tpsm": variant(
        tpsm,
        tpsm.TPSM,
        TPSMConfig(
            resolution=128,
            resnet_width=8,
            dense_motion=HourglassConfig(8, 32, num_blocks=3),
            block_expansion=8,
            max_features=64,
            memory=MemoryConfig(channels=32, side=8),
        ),
    ),
    "x2face": variant(x2face, x2face.X2Face, X2FaceConfig((8, 16, 16, 16), embedding_code=8, driving_code=8)),
}


def small(name: str) -> Method:
    """The method that the objective `name` trains, small, with weights from a fixed seed."""
    torch.manual_seed(0)
    return SMALL[name]()
