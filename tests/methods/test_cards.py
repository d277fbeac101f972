"""What cards say of methods: each configuration for itself, and faulty cards by the place of the fault."""

import inspect
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods import cards

CARD = """
title: The Paper
short: what all have in common
licence: {code: MIT, weights: ask them}
default: mine@large
variants:
  mine@large:
    training_data: voxceleb1
    resolution: 256
    parameters: 7
    published: mine
    weights: {file: large.pth, source: a link}
    notes: [take care]
  mine@small:
    short: the small one
    licence: {weights: CC0}
    training_data: demo
  mine@tiny: the tiny one
notes: [of all]
"""


def test_licences_that_forbid_commerce_are_marked() -> None:
    licences = {name: cards.card(name).licence for name in methods.registry.names()}
    worded = {name for name, licence in licences.items() if re.search(r"\bNC\b|non-commercial", licence.weights)}
    assert worded == {name for name, licence in licences.items() if licence.non_commercial}
    assert "dagan" in worded
    assert "dagan@demo" not in worded


def test_every_method_of_the_tree_has_a_card() -> None:
    for name in methods.registry.names():
        assert Path(inspect.getfile(methods.class_of(name))).with_name("card.yaml").is_file(), name
        assert len(cards.card(name).short) > 10
        assert name not in cards.published_only()


def test_a_configuration_has_what_it_says_itself(method_plugin: Callable[..., Path]) -> None:
    method_plugin(CARD)
    large, small, tiny = (cards.card(name) for name in ("mine", "mine@small", "mine@tiny"))
    assert (large.name, large.short, large.notes) == ("mine@large", "what all have in common", ("of all", "take care"))
    assert (large.training_data, large.published, large.parameters, large.resolution) == ("voxceleb1", "mine", 7, 256)
    assert str(large.licence) == "code: MIT; weights: ask them"
    assert (small.short, small.training_data, small.published, small.parameters) == ("the small one", "demo", "", None)
    assert (str(small.licence), small.weights, small.notes) == ("code: MIT; weights: CC0", None, ("of all",))
    assert (tiny.training_data, tiny.published, str(tiny.licence)) == ("", "", "code: MIT; weights: ask them")
    assert (large.variants, small.variants) == ({"mine@small": "the small one", "mine@tiny": "the tiny one"}, {})


def test_what_is_known_of_mcnet_is_not_said_of_its_variants() -> None:
    plain, demo, ablation, small = map(cards.card, ("mcnet", "mcnet@demo", "mcnet@mcm", "mcnet@mcm-demo"))
    assert (plain.parameters, plain.training_data, plain.published) == (101841273, "voxceleb1", "mcnet")
    assert (demo.parameters, demo.training_data, demo.published) == (None, "demo", "")
    assert plain.licence.weights == "none stated"
    assert (demo.licence.weights, demo.notes) == ("Apache-2.0", ())
    assert (ablation.weights, ablation.training_data, ablation.licence.weights) == (None, "", "")
    assert small.short == f"{ablation.short}; in proportion at demo size (128x128 images)"
    assert "OneDrive" in plain.weights.source


def test_another_name_has_the_same_card() -> None:
    assert cards.card("mcnet@full") == cards.card("MCNet") == cards.card("mcnet")
    assert cards.card("fomm") == cards.card("fomm@vox-256")


@pytest.mark.parametrize("ranked", [True, False])
def test_a_method_without_a_card_is_told_by_its_docstring(method_plugin: Callable[..., Path], ranked: bool) -> None:
    method_plugin(body=f"ranked = {ranked}")
    card = cards.card("mine")
    assert (card.name, card.short, card.title, card.yardstick) == ("mine", "Moves nothing. Or does it?", "", not ranked)
    assert cards.find_weights("mine").origin == "needs no weights"
    assert "mine" in cards.known_names()


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("short: x\nlicense: {}", "unknown key 'license': did you mean licence"),
        ("short: x\nlicence: {codes: MIT}", "unknown key 'licence.codes': did you mean code?"),
        (
            "short: x\nvariants: {mine@a: {training-data: x}}",
            "unknown key 'variants.mine@a.training-data': did you mean training_data?",
        ),
        (
            "short: x\nvariants: {mine@a: {weights: {file: a, source: b, sha: c}}}",
            "unknown key 'variants.mine@a.weights.sha': did you mean sha256?",
        ),
        ("title: x", "short: field required"),
        ("short: x\nyear: soon", "year: input should be a valid integer"),
        ("- short", "input should be a valid mapping"),
    ],
)
def test_a_faulty_card_is_refused_in_one_line(method_plugin: Callable[..., Path], wrong: str, complaint: str) -> None:
    path = method_plugin(wrong)
    with pytest.raises(TalkbenchError) as caught:
        cards.card("mine")
    assert str(caught.value).startswith(f"{path} does not fit: {complaint}")
    assert "\n" not in str(caught.value)


def test_a_faulty_card_is_named_once_and_hides_no_other_method(
    method_plugin: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    before = cards.known_names()
    path = method_plugin("short: x\nlicense: {}")
    with caplog.at_level(logging.WARNING, "talkbench"):
        assert cards.known_names() == cards.known_names() == before
    (message,) = caplog.messages
    assert message.startswith(f"method 'mine' is left out: {path} does not fit: unknown key 'license'")


def test_what_a_recipe_trains_needs_weights(method_plugin: Callable[..., Path]) -> None:
    method_plugin("short: x\nrecipe: mine/first")
    with pytest.raises(TalkbenchError, match="no weights of mine are published; train them with bench train"):
        cards.find_weights("mine")
