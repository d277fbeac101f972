"""The cards of the data sets: complete, and by themselves a data set."""

import importlib.util
import re
import shutil
from pathlib import Path

import pytest
import synthetic_sets

from talkbench import datasets
from talkbench.datasets import sets
from talkbench.datasets.external import ExternalDataset, external_datasets
from talkbench.datasets.preparation.verification import verify

SETS = Path(sets.__file__).parent
CARDS = sorted([*SETS.glob("*.yaml"), *SETS.glob("*/card.yaml")])
WORDS = {"title", "short", "source", "licence", "layout", "resolution", "identities"}


def name_of(card: Path) -> str:
    return card.parent.name.replace("_", "-") if card.stem == "card" else card.stem


@pytest.mark.parametrize("path", CARDS, ids=name_of)
def test_every_card_is_a_complete_data_set(path):
    name = name_of(path)
    data = datasets.create(name)
    assert (data.name, data.card.name, data.card_path) == (name, name, path)
    assert all(getattr(data.card, field) for field in WORDS)
    assert set(data.tasks) <= {"same-identity", "cross-identity", "reconstruction"}
    assert data.tasks
    assert datasets.cards()[name] == data.card


def test_every_data_set_has_its_card_here():
    assert {name_of(path) for path in CARDS} == set(datasets.registry.names())


@pytest.mark.parametrize("name", [data.name for data in external_datasets()])
def test_a_card_alone_says_where_clips_and_lists_are_from(name):
    data = datasets.create(name)
    assert type(data) is ExternalDataset
    assert data.card.obtain
    for entry in data.files.values():
        assert entry.rows
        assert entry.note
        assert re.fullmatch("[0-9a-f]{64}", entry.sha256) or (not entry.url and not entry.sha256)


def test_the_split_anew_of_voxceleb1_keeps_its_tests_clean():
    """Weights that are trained on it have seen none of those who are tested there, and none of its own clips."""
    seen, whole = (datasets.create(name).card for name in ("voxceleb1-seen", "voxceleb1"))
    assert seen.resplit_of == "voxceleb1"
    assert seen.training.test_identities == whole.training.test_identities
    assert seen.training.test_clips == ("voxceleb1-seen",)
    for field in ("clip", "frame", "identity", "continuous"):
        assert getattr(seen.naming, field) == getattr(whole.naming, field)
    assert datasets.create("voxceleb1-seen").root == datasets.create("voxceleb1").root


def test_the_talks_of_ted_that_are_tested():
    card = datasets.create("ted-talks").card
    assert len(set(card.training.test_identities)) == len(card.training.test_identities) == 37
    assert all(re.fullmatch(r"[\w-]{11}", talk) for talk in card.training.test_identities)


def test_a_new_card_is_a_new_data_set(tmp_path, registry, monkeypatch):
    """A card under a new name beside what registers the others: nothing else is needed."""
    synthetic_sets.accept(monkeypatch)
    package = tmp_path / "more_sets"
    package.mkdir()
    shutil.copy(sets.__file__, package)
    text = (SETS / "ted-talks.yaml").read_text()
    (package / "lectures.yaml").write_text(text.replace("name: ted-talks", "name: lectures"))
    spec = importlib.util.spec_from_file_location("more_sets", package / "__init__.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert "lectures" in registry.names()
    root = synthetic_sets.make(tmp_path / "root", "ted-talks", pairs=4, clips=3, frames=4, size=16)
    synthetic_sets.make_training(root, "ted-talks", frames=4, size=16)
    data = datasets.create("lectures", root)
    split = data.split("same-identity")
    assert (split.dataset, len(split), split.held_out) == ("lectures", 4, True)
    verdict = verify(split, None, 1, lambda count: None)
    assert (verdict.usable, verdict.size) == (4, (16, 16))
    assert data.training_clips() == sorted(synthetic_sets.training_names("ted-talks"))
