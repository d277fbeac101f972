"""Terms of an objective's own: their weights, and what a step can be taken by."""

import pytest
import torch
from torch import nn

from talkbench.core.errors import TalkbenchError
from talkbench.training import terms
from talkbench.training.config import LossWeights, load_config
from talkbench.training.recipe_files import recipe_names


class First:
    own_terms = {"edges": 1.0, "copy": 2}  # noqa: RUF012


class Second(First):
    own_terms = {"edges": 5.0}  # noqa: RUF012


WEIGHTS = terms.complete(LossWeights(l1=3), First, "mine")
GROWN = nn.Parameter(torch.tensor(2.0))


def test_a_class_adds_to_the_terms_of_its_base():
    assert terms.own_terms(Second) == {"edges": 5, "copy": 2}
    assert terms.complete(LossWeights(edges=7), Second, "mine").model_extra == {"edges": 7, "copy": 2}


def test_weights_without_terms_of_ones_own_stay_as_they_are():
    weights = LossWeights(consistency=3)
    assert terms.complete(weights, object, "mine") is weights
    assert all(not load_config(name).weights.model_extra for name in recipe_names())


def test_terms_are_weighted_whatever_they_are_called():
    losses = terms.weighted({"l1": GROWN, "copy": GROWN, "edges": GROWN}, WEIGHTS, "mine")
    assert {name: loss.item() for name, loss in losses.items()} == {"l1": 6, "copy": 4, "edges": 2}


def test_a_weight_that_the_objective_has_no_term_for():
    with pytest.raises(TalkbenchError, match=r"^mine: there is no entry weights.edge: did you mean edges\?$"):
        terms.complete(LossWeights(edge=1), First, "mine")


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "its terms are of type NoneType; return at least one by its name, in a dict"),
        ({}, "its terms are an empty dict; return at least one by its name, in a dict"),
        (GROWN, "its terms are of type Parameter; return at least one"),
        ({"l1": 1.0}, "its term l1 is of type float; return a tensor"),
        (
            {"l1": GROWN.expand(2, 3)},
            r"its term l1 is of shape \(2, 3\) and torch.float32; return a single float, such as",
        ),
        ({"l1": torch.tensor(1)}, "its term l1 is torch.int64; return a single float, such as its mean"),
        (
            {"l2": GROWN},
            "its term 'l2' has no weight; declare it in the class, own_terms = {'l2': 1.0}; did you mean l1",
        ),
        ({3: GROWN}, "its term 3 has no weight; declare it in the class"),
        ({"l1": GROWN.detach()}, r"none of its terms \(l1\) has a gradient, so nothing would learn; compute one from"),
    ],
)
def test_what_no_step_can_be_taken_by(returned, message):
    with pytest.raises(TalkbenchError, match=f"^mine: {message}"):
        terms.weighted(returned, WEIGHTS, "mine")


def test_losses_that_are_not_finite_are_named():
    assert terms.not_finite({"l1": 1.0, "total": float("nan"), "x": float("nan")}) == " (x is not finite)"
    assert terms.not_finite({"l1": float("inf"), "x": float("nan")}) == " (l1, x are not finite)"
    assert terms.not_finite({"l1": 1.0, "total": 2.0}) == ""
