"""Attention between feature maps, as MCNet's memory and DaGAN's depth use it
(docs/specs/mcnet.md 2.4, docs/specs/dagan.md 3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """softmax(scale · Q·Kᵀ)·V over positions: query (B, C, s, s), key (B, C, m, m), value (B, D, m, m) → (B, D, s, s).

    Computed in float32 even under autocast, since the logits grow with the channels (docs/specs/mcnet.md 7).
    """
    with torch.autocast(query.device.type, enabled=False):
        rows, columns, values = (x.float().flatten(2).transpose(1, 2)[:, None] for x in (query, key, value))
        out = F.scaled_dot_product_attention(rows, columns, values, scale=scale)
    return out[:, 0].transpose(1, 2).unflatten(2, query.shape[2:])
