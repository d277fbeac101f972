"""What the leaderboard says of methods, metrics and data sets is what their cards say."""

from __future__ import annotations

import pytest

from talkbench import datasets, methods, metrics
from talkbench.benchmark.catalogue import catalogue
from talkbench.methods import cards
from talkbench.reports.leaderboard.catalogue import Catalogue
from talkbench.results import published


@pytest.fixture
def known() -> Catalogue:
    return catalogue()


def test_all_that_is_registered_is_in_the_catalogue(known: Catalogue) -> None:
    assert set(known.methods) == {*cards.known_names(), *cards.published_only()}
    assert set(known.metrics) == {metrics.create(name).variant for name in metrics.registry.names()}
    assert set(known.datasets) == set(datasets.registry.names())
    assert {cards.full_name(name) for name in methods.registry.names()} <= set(known.methods)


def test_each_published_system_has_one_card(known: Catalogue) -> None:
    named = [card.published for card in known.methods.values() if card.published]
    assert sorted(named) == sorted({cell.system_key for cell in published.cells()})


def test_what_is_said_of_a_default_is_not_said_of_its_variants(known: Catalogue) -> None:
    plain, demo, ablation = (known.method(name) for name in ("mcnet", "mcnet@demo", "mcnet@mcm"))
    assert (plain.parameters, plain.training_data, plain.published) == (101841273, ("voxceleb1",), "mcnet")
    assert (demo.parameters, demo.training_data, demo.published) == (None, ("demo",), "")
    assert (ablation.weights, ablation.training_data) == ("", ())
    assert "OneDrive" in plain.weights
    assert dict(demo.licences)["weights"] == "Apache-2.0" != dict(plain.licences)["weights"]


def test_yardsticks_are_no_competitors(known: Catalogue) -> None:
    assert {name for name, card in known.methods.items() if card.yardstick} == {"copy-source", "oracle"}


def test_ranges_are_as_printed_and_every_family_has_its_notes(known: Catalogue) -> None:
    assert known.metric("ssim@gauss11-valid").range == (-100.0, 100.0)
    assert all(card.faults and card.about for card in known.metrics.values())


def test_lists_of_held_out_clips_are_known_by_their_files(known: Catalogue) -> None:
    data = datasets.create("voxceleb1")
    assert data.card.lists["voxceleb1"].sha256 in known.dataset("voxceleb1").held_out
    assert not known.dataset("folder").held_out
    assert len(known.dataset("demo").held_out) == len(known.dataset("demo").tasks)
