"""The methods of the tree: what their cards declare is what their modules register, and what their models are."""

import json
import subprocess
import sys

import pytest

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods import cards
from talkbench.methods.recognition import skeleton
from talkbench.methods.registration import declared_families, families

NAMES = sorted(declared_families())


def test_what_is_declared_is_what_is_registered() -> None:
    """Each name, what it stands for, and whether lists show it."""
    program = """
import importlib, json
from talkbench import methods
from talkbench.methods import registration
from talkbench.core.registry import Registry
declared, folders = registration.registry, sorted(registration.families())
registered = registration.registry = methods.registry = Registry("method")
for folder in folders:
    importlib.import_module(f"talkbench.methods.{folder}")
names = json.loads(input())
print(json.dumps([[{name: registry.resolve(name) for name in names if name in registry}, registry.names()]
                  for registry in (declared, registered)]))
"""
    call = [sys.executable, "-P", "-c", program]
    answer = subprocess.run(call, input=json.dumps(NAMES), capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    declared, registered = json.loads(answer.stdout)
    assert declared == registered
    assert set(declared[0]) == set(NAMES)


def test_a_module_that_registers_otherwise_than_its_card_says_is_refused() -> None:
    assert "mcnet@full" in methods.registry
    with pytest.raises(TalkbenchError, match="method 'mcnet@full' is registered already"):
        methods.registry.alias("mcnet@full", "fomm")


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("-demo")])
def test_cards_hold_the_numbers_of_their_models(name: str) -> None:
    own, (method, _) = cards.card(name), skeleton(cards.full_name(name))
    counts = {part: sum(value.numel() for value in net.parameters()) for part, net in method.networks.items()}
    assert (own.networks, own.resolution) == (counts, method.resolution)
    assert own.parameters in (None, sum(counts.values()))
    assert cards.family(name).motions == method.motions
    assert cards.is_ranked(name) == method.ranked


def test_an_ablation_is_one_by_every_name() -> None:
    ablations = {name for card in families().values() for name in card.ablations}
    assert {name for name in methods.registry.names() if cards.is_ablation(name)} == ablations
    assert {"mcnet@full", "fomm@memory", "mcnet@fomm_backbone"} <= ablations
