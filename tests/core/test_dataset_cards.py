"""What cards say together."""

import pytest

from talkbench.core.dataset_cards import DatasetCard, may_have_seen

WHOLE, OTHER = DatasetCard(name="whole"), DatasetCard(name="other")
ANEW = DatasetCard(name="anew", resplit_of="whole")


@pytest.mark.parametrize(
    ("trained", "tested", "held_out", "seen"),
    [
        (WHOLE, WHOLE, True, False),
        (WHOLE, WHOLE, False, True),
        (WHOLE, OTHER, False, None),
        (DatasetCard(), OTHER, False, None),
        (ANEW, ANEW, True, False),  # the same people, as is meant
        (ANEW, ANEW, False, True),
        (WHOLE, ANEW, True, True),  # the very clips
        (ANEW, WHOLE, True, False),
        (ANEW, WHOLE, False, True),
        (OTHER, ANEW, False, None),
    ],
)
def test_what_weights_may_have_seen(trained, tested, held_out, seen):
    assert may_have_seen(trained, tested, held_out) is seen
