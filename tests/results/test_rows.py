"""A row as it is stored."""

import json

import pytest
from pydantic import ValidationError

from talkbench.results import Row


@pytest.mark.parametrize(
    ("value", "reason"),
    [(float("inf"), "infinite"), (float("-inf"), "infinite"), (float("nan"), "not-a-number")],
)
def test_values_that_are_not_finite_become_null_with_a_reason(value: float, reason: str) -> None:
    frame = {"source_clip": "a", "source_index": 0, "driving_clip": "a", "driving_index": 1}
    row = Row(pair=0, metric="psnr", value=value, **frame)
    assert (row.value, row.reason, row.message) == (None, reason, str(value))
    assert json.loads(row.to_json())["value"] is None
    with pytest.raises(ValidationError, match="needs a reason"):
        Row(pair=0, metric="psnr", value=None, **frame)
