"""Methods without public code: listed and shown with their published numbers, and refused where they would be run."""

import pytest

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods import cards
from talkbench.methods.baselines import CopySource
from talkbench.results import published

NAMES = ("marionette", "meshg")


def test_they_are_listed_as_published_numbers_only(bench):
    lines = [line for line in bench("list", "methods").out.splitlines() if "(published numbers only)" in line]
    assert tuple(line.split()[0] for line in lines) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_they_have_published_rows(name):
    assert cards.card(name).published in {cell.system_key for cell in published.cells() if cell.value}
    assert name not in methods.registry.names()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "command",
    [("run", "--dataset", "tiny"), ("run", "--dataset", "tiny", "--checkpoint", "x.pth")],
    ids=["run", "with a checkpoint"],
)
def test_they_cannot_be_run(bench, name, command):
    complaint = bench(*command, "--method", name).complaint()
    for part in ("none of its code is public", "bench tables", f"bench run --frames DIR --name {name}"):
        assert part in complaint


def test_python_is_told_the_same():
    for act in (methods.create, cards.find_weights):
        with pytest.raises(TalkbenchError, match="marionette cannot be run, since none of its code is public"):
            act("marionette")


def test_show_says_that_there_is_no_code_and_prints_the_rows(bench):
    result = bench("show", "marionette")
    assert result.code == 0, result.err
    shown = [line.split() for line in result.out.splitlines()]
    assert ["code", "none", "is", "public"] in shown
    assert ["paper", "1a", "voxceleb1", "same-identity", "75.5", "23.24"] in shown
    assert ["paper", "1b", "celebv", "cross-identity", "0.710", "3.41"] in shown


def test_a_plugin_of_that_name_takes_its_place(bench):
    methods.registry.register("meshg")(CopySource)
    found = {line.split()[0]: line for line in bench("list", "methods").out.splitlines()}
    assert "published" not in found["meshg"]
    assert "published" in found["marionette"]
    assert isinstance(methods.create("meshg"), CopySource)
