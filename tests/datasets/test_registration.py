"""Data sets by name: those that are broken are named with the remedy, and do not hide the others."""

import logging
import textwrap
from functools import partial

import pytest

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.external import ExternalDataset


@pytest.fixture
def register(tmp_path, registry, monkeypatch):
    """Registers as `name` a class called `calls_itself` that lies in a file of its own, with or without a card."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def add(name, card=None, calls_itself=None):
        code = f"""
            from talkbench.datasets import Dataset

            class Own(Dataset):
                name = {calls_itself or name!r}

                def prepare(self): ...
        """
        folder = tmp_path / f"{tmp_path.name}_{name}"  # modules are kept by their names
        folder.mkdir()
        (folder / "__init__.py").write_text(textwrap.dedent(code))
        if card is not None:
            (folder / "card.yaml").write_text(card)
        registry.register(name)(__import__(folder.name).Own)
        return folder / "card.yaml"

    return add


def test_a_card_beside_a_class_need_not_name_it(register):
    register("own", "{short: mine, tasks: {same-identity: {list: pairs.csv}}}")
    card = datasets.create("own").card
    assert (card.name, card.short, list(card.tasks)) == ("own", "mine", ["same-identity"])
    assert datasets.cards()["own"] == card


def test_texts_of_a_card_are_one_line(register):
    register("wordy", "short: |\n  two\n  lines\n")
    assert datasets.create("wordy").card.short == "two lines"


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (None, "there is no card {path}; write one"),
        ("{licens: none}", "{path} does not fit: unknown key 'licens': did you mean licence"),
        ("{tasks: {same-identity: pairs.csv}}", "{path} does not fit: tasks.same-identity: input should be"),
        ("- a list", "{path} does not fit: input should be a valid mapping"),
        ("{title: ", "{path}, line 1, column "),
    ],
)
def test_a_broken_data_set_is_named_and_left_out(register, caplog, card, message):
    path = register("broken", card)
    with pytest.raises(TalkbenchError) as caught:
        _ = datasets.create("broken").tasks
    assert str(caught.value).startswith(message.replace("{path}", str(path)))
    assert "\n" not in str(caught.value)
    with caplog.at_level(logging.WARNING, "talkbench"):
        assert set(datasets.cards()) == set(datasets.cards()) == set(datasets.registry.names()) - {"broken"}
    (record,) = caplog.records
    assert record.getMessage() == f"dataset 'broken' is left out: {caught.value}"


def test_a_data_set_has_one_name(register, registry, tmp_path):
    card = register("talks", "{}", calls_itself="speeches")
    with pytest.raises(TalkbenchError) as caught:
        datasets.create("talks")
    assert str(caught.value) == (
        f"the data set registered as 'talks' calls itself 'speeches' (its card: {card}); give both one name"
    )
    copy = tmp_path / "hdtf-2.yaml"
    copy.write_bytes(datasets.create("hdtf").card_path.read_bytes())
    registry.register("hdtf-2")(partial(ExternalDataset, card=copy))
    with pytest.raises(TalkbenchError, match=r"registered as 'hdtf-2' calls itself 'hdtf' \(its card: .*hdtf-2\.yaml"):
        datasets.create("hdtf-2")
