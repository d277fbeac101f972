"""The recipes of the demo's contest are equal in all terms."""

import pytest

from talkbench.methods import cards
from talkbench.training.config import load_config

FAMILIES = [name.partition("@")[0] for name in cards.defaults(trained=True)]


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_method_differs(family: str) -> None:
    recipe, first = load_config("demo", family=family), load_config("mcnet/demo")
    assert recipe.method == f"{family}@demo"
    assert recipe.model_copy(update={"method": first.method}) == first
