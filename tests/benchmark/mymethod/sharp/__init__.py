from dataclasses import replace

from talkbench.methods.mcnet import SIZES, MCNet

CONFIG = replace(SIZES["demo"], resolution=64)


class Sharp(MCNet):
    def __init__(self, weights=None, **options):
        super().__init__(("sharp", CONFIG), weights, **options)
