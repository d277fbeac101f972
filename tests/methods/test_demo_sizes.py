"""The small models of the demo's contest have one size."""

import pytest

from talkbench import methods
from talkbench.methods import cards

SMALL = [cards.demo_name(name) for name in cards.defaults(trained=True)]


def test_every_method_that_can_be_trained_has_a_small_model() -> None:
    assert {name.partition("@")[0] for name in SMALL} >= {
        "dagan",
        "facevid2vid",
        "fomm",
        "mcnet",
        "mraa",
        "tpsm",
        "x2face",
    }


@pytest.mark.parametrize("name", [*SMALL, "fomm@demo-memory", "tpsm@demo-memory"])
def test_small_models_have_two_million_values_and_fit_into_four_megabytes_of_half_precision(name: str) -> None:
    """Of those that the first stage of their training teaches: AVD networks learn afterwards, if at all."""
    method = methods.create(name)
    networks = {part: network for part, network in method.networks.items() if part != "avd_network"}
    learned = sum(parameter.numel() for network in networks.values() for parameter in network.parameters())
    assert 0.85 * 2e6 <= learned <= 1.15 * 2e6
    assert sum(2 * value.numel() for network in networks.values() for value in network.state_dict().values()) < 4e6
    assert method.resolution == 128
