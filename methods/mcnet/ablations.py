"""The rows of the paper's ablation tables, each a change of a configuration of any size (docs/specs/mcnet.md 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from talkbench.methods.mcnet.model import MCNetConfig
from talkbench.methods.mcnet.parts import AllChannels, PooledFeature, Positions, StaticConv

Change = Callable[[MCNetConfig], MCNetConfig]


def _memory(**parts: Any) -> Change:
    """A change of the memory's parts, which go by their names in `MemoryConfig`."""

    def change(config: MCNetConfig) -> MCNetConfig:
        assert config.memory is not None
        return replace(config, memory=replace(config.memory, **parts))

    return change


def _side(of_paper: int) -> Change:
    """A change of the meta memory's side to `of_paper` where the paper has 32, and in proportion at other sizes."""

    def change(config: MCNetConfig) -> MCNetConfig:
        assert config.memory is not None
        return _memory(side=config.memory.side * of_paper // 32)(config)

    return change


# The rows "full" and "memory32" are the paper's model itself; those of other hosts are in the folders of their methods.
ABLATIONS: dict[str, Change] = {
    "baseline": lambda config: replace(config, memory=None),
    "mcm": _memory(style=()),
    "mcm_no_split": _memory(style=(), share=AllChannels()),
    "pe10": _memory(style=(PooledFeature(), Positions(10))),
    "pe20": _memory(style=(PooledFeature(), Positions(20))),
    "iicm_no_feature": _memory(style=(Positions(),)),
    "iicm_no_keypoints": _memory(style=(PooledFeature(),)),
    "mcm_no_dynamic": _memory(convolution=StaticConv, padding=0),
    "single_layer": _memory(deepest_only=True),
    "memory16": _side(16),
    "memory64": _side(64),
    "no_consistency": lambda config: replace(config, consistent=False),
    # In the authors' compiled classes, in no table:
    "no_split": _memory(share=AllChannels()),
    "mcm_static": _memory(style=(), convolution=StaticConv),
}
