"""``fomm@memory``: MCNet's memory in a generator of FOMM's depth, the paper's "FOMM + IICM + MCM".

That MCNet's generator of FOMM's depth hosts the memory is inferred from the paper (docs/specs/mcnet.md 8.1): FOMM's own
generator has no maps that the memory could compensate. So everything but the depth is MCNet's, the training too.
"""

from __future__ import annotations

from dataclasses import replace

from talkbench.methods.mcnet import SIZES
from talkbench.methods.mcnet.model import MCNetConfig


def of_fomms_depth(config: MCNetConfig) -> MCNetConfig:
    """`config` with two steps down instead of three, as in FOMM's generator."""
    return replace(config, num_down_blocks=2, max_features=4 * config.block_expansion)


CONFIGS: dict[str, MCNetConfig] = {
    "fomm@memory": of_fomms_depth(SIZES[""]),
    "fomm@demo-memory": of_fomms_depth(replace(SIZES["demo"], block_expansion=24)),
}
