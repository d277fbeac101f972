from collections.abc import Callable

import pytest


@pytest.fixture
def score(score: Callable) -> Callable:
    """With as many videos as `bench run` makes by itself."""
    return lambda *options: score("--videos", 8, *options)
