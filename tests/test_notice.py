"""NOTICE names every model and every data set of other people with its licence, as the cards and the table do."""

import pytest
from tree import ROOT

from talkbench import datasets
from talkbench.methods.registration import families
from talkbench.metrics import weights

BLOCKS = {
    block.partition("\n")[0]: " ".join(block.split()) for block in (ROOT / "NOTICE").read_text("utf-8").split("\n\n")
}
"""What stands under each name, in one line."""

METHODS = {name: card for name, card in families().items() if card.needs_weights}
SETS = [name for name in datasets.registry.names() if name != "folder"]


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    card, block = METHODS[name], BLOCKS[name]
    licences = {card.licence.weights, *(own.licence.weights for own in card.configurations.values())}
    files = [file for own in card.configurations.values() for file in (own.weights, *own.beside.values()) if file]
    for text in (card.title, card.code, card.licence.code, *licences, *(file.file for file in files)):
        assert text in block


@pytest.mark.parametrize("name", weights.cards())
def test_models_of_metrics(name: str) -> None:
    file = weights.files()[name]
    for text in (file.path, file.address, file.licence):
        assert text in BLOCKS[name]


@pytest.mark.parametrize("name", SETS)
def test_data(name: str) -> None:
    card = datasets.create(name).card
    for text in (card.title, card.source, card.licence):
        assert text in BLOCKS[name]


def test_nothing_else_is_named() -> None:
    named = {name for name, block in BLOCKS.items() if " licence" in block and " " not in name}
    assert named == {*METHODS, *weights.cards(), *SETS, "lpips", "facenet-pytorch"}
