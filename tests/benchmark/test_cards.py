"""All cards together: what is registered, each once, and what pages ask of them."""

from __future__ import annotations

import pytest

from talkbench import datasets, methods, metrics
from talkbench.benchmark.cards import all_cards
from talkbench.core.errors import TalkbenchError
from talkbench.methods import cards as method_cards
from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard.metric_notes import family_notes
from talkbench.results import published


@pytest.fixture
def cards() -> Cards:
    return all_cards()


def test_all_that_is_registered_has_a_card(cards: Cards) -> None:
    assert set(cards.methods) == {*method_cards.known_names(), *method_cards.published_only()}
    assert {method_cards.full_name(name) for name in methods.registry.names()} <= set(cards.methods)
    assert set(cards.metrics) == {metrics.create(name).variant for name in metrics.registry.names()}
    assert set(cards.datasets) == set(datasets.registry.names())


def test_each_published_system_has_one_card(cards: Cards) -> None:
    named = [card.published for card in cards.methods.values() if card.published]
    assert sorted(named) == sorted({cell.system_key for cell in published.cells()})


def test_yardsticks_are_no_competitors(cards: Cards) -> None:
    assert {name for name, card in cards.methods.items() if card.yardstick} == {"copy-source", "oracle"}


def test_ranges_are_as_printed_and_every_family_has_its_notes(cards: Cards) -> None:
    assert cards.metric("ssim@gauss11-valid").printed_range == (-100.0, 100.0)
    assert all(card.about and family_notes(card.family).faults for card in cards.metrics.values())


def test_lists_of_held_out_clips_are_known_by_their_files(cards: Cards) -> None:
    assert cards.dataset("voxceleb1").lists["voxceleb1"].sha256 in cards.dataset("voxceleb1").held_out
    assert not cards.dataset("folder").held_out
    assert len(cards.dataset("demo").held_out) == len(cards.dataset("demo").tasks) + len(cards.dataset("demo").lists)


def test_what_cannot_be_built_is_named_once_and_left_out(
    cards: Cards, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fickle() -> metrics.Metric:
        raise TalkbenchError("not today")

    monkeypatch.setitem(metrics.registry._factories, "fickle", fickle)

    assert [all_cards() for _ in range(2)] == [cards, cards]
    assert caplog.messages == ["metric 'fickle' is left out: not today"]
