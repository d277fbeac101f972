"""Attention between feature maps, as MCNet's memory and DaGAN's depth use it
(docs/specs/mcnet.md 2.4, docs/specs/dagan.md 3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK = 256
"""Queries at once on a CPU, whose cache their weights then fit: all of MCNet's largest level have 64 MiB."""


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """softmax(scale · Q·Kᵀ)·V over positions: query (B, C, s, s), key (B, C, m, m), value (B, D, m, m) → (B, D, s, s).

    Computed in float32 even under autocast, since the logits grow with the channels (docs/specs/mcnet.md 7).
    """
    with torch.autocast(query.device.type, enabled=False):
        rows, columns, values = (x.float().flatten(2) for x in (query, key, value))
        recorded = torch.is_grad_enabled() and any(x.requires_grad for x in (rows, columns, values))
        if rows.device.type == "cpu" and not recorded:
            out = _chunked(rows, columns * scale, values.mT)
        else:
            rows, columns, values = (x.mT[:, None] for x in (rows, columns, values))
            out = F.scaled_dot_product_attention(rows, columns, values, scale=scale)[:, 0].mT
    return out.unflatten(2, query.shape[2:])


def _chunked(rows: Tensor, columns: Tensor, values: Tensor) -> Tensor:
    """softmax(rowsᵀ·columns)·values: (B, C, n), (B, C, m), (B, m, D) → (B, D, n), laid out as the rows are."""
    shape = len(rows), values.shape[2], rows.shape[2]
    out = rows.new_empty(shape) if rows.is_contiguous() else rows.new_empty(shape[0], shape[2], shape[1]).mT
    for own, result in zip(rows.split(CHUNK, 2), out.split(CHUNK, 2), strict=True):
        result.copy_(torch.bmm(torch.bmm(own.mT, columns).softmax(2), values).mT)
    return out
