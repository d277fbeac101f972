import pytest
import torch

from talkbench.methods.attention import attend


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_attention_over_chunks_equals_attention_at_once(layout: torch.memory_format) -> None:
    """In float64 as the textbook has it; 18² queries are not a multiple of a chunk's."""
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(2, 8, side, side, generator=generator) for side in (18, 6))
    value = torch.randn(2, 12, 6, 6, generator=generator)
    query, key, value = (x.contiguous(memory_format=layout) for x in (query, key, value))
    rows, columns, values = (x.double().flatten(2) for x in (query, key, value))
    expected = (values @ (0.25 * rows.mT @ columns).softmax(-1).mT).view(2, 12, 18, 18)
    for inputs in ((query, key, value), (query.clone().requires_grad_(), key, value)):
        with torch.enable_grad():
            torch.testing.assert_close(attend(*inputs, scale=0.25).double(), expected, rtol=0, atol=1e-6)
