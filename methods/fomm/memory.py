"""``fomm@memory``: MCNet's memory in a generator of FOMM's depth, the paper's "FOMM + IICM + MCM".

The host is inferred from the paper (docs/specs/mcnet.md 8.1).

FOMM's own generator has no maps that the memory could compensate, so all but the depth is MCNet's, its training too.
"""

from __future__ import annotations

from dataclasses import replace

from talkbench.methods.mcnet import SIZES
from talkbench.methods.mcnet.model import MCNetConfig


def of_fomms_depth(config: MCNetConfig) -> MCNetConfig:
    """Two steps down instead of three, as FOMM's generator has it; that this is the host is inferred from the paper."""
    return replace(config, num_down_blocks=2, max_features=4 * config.block_expansion)


CONFIGS: dict[str, MCNetConfig] = {
    "fomm@memory": of_fomms_depth(SIZES[""]),
    "fomm@memory-demo": of_fomms_depth(SIZES["demo"]),
}
