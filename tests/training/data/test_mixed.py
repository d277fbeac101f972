"""Several data sets are trained on as one: clips and people keep apart, and validation has some of each."""

from collections import Counter

import numpy as np
import pytest
from toy_training import SIZE, Toy

from talkbench.core.errors import TalkbenchError
from talkbench.datasets import Frame
from talkbench.training.config import TrainConfig
from talkbench.training.data.mixed import Mixed, root_of, training_data
from talkbench.training.data.pairs import FramePairs


class People(Toy):
    """As many people, of so many clips each; the person is the letter that a clip begins with."""

    def __init__(self, name: str, people: str, clips: int = 1) -> None:
        super().__init__({f"{person}{clip}": list(range(12)) for person in people for clip in range(clips)})
        self.name = name


def pairs(*sets: Toy, **changes: object) -> FramePairs:
    usual = {"epochs": 1, "batch_size": 1, "jitter": 0, "validation": 6}
    names = ",".join(data.name for data in sets)
    config = TrainConfig(method="mcnet@demo", dataset=names, **{**usual, **changes})
    return FramePairs(Mixed({data.name: data for data in sets}), config, SIZE)


def drawn(data: FramePairs, epochs: int = 1) -> Counter[str]:
    """How often each set comes."""
    samples = (data[epoch, index] for epoch in range(epochs) for index in range(len(data)))
    return Counter(names.partition(":")[0] for _, names, _ in samples)


def test_clips_of_one_name_and_people_of_one_name_keep_apart():
    mixed = Mixed({"one": People("one", "ab", 2), "two": People("two", "ac")})
    assert mixed.training_clips() == ["one:a0", "one:a1", "one:b0", "one:b1", "two:a0", "two:c0"]
    assert mixed.identity("one:a1") != mixed.identity("two:a0")
    assert np.array_equal(mixed.read(Frame("two:a0", 3)), Toy().read(Frame("a0", 3)))
    assert list(mixed.training_numbers("one:b1")) == list(range(12))


def test_everyone_comes_as_often_by_default():
    data = pairs(People("one", "abc", 5), People("two", "de"))
    assert len(data) == 5
    assert drawn(data) == {"one": 3, "two": 2}


@pytest.mark.parametrize("sampling", ["identity", "clip", "frame"])
def test_shares(sampling):
    data = pairs(People("one", "abc"), People("two", "def"), shares={"two": 3}, sampling=sampling, repeats=20)
    counts = drawn(data)
    if sampling == "frame":
        assert len(data) == 240
        assert 2 < counts["two"] / counts["one"] < 4.5
    else:
        assert counts == {"one": 60, "two": 180}


def test_people_of_every_set_are_held_out():
    data = pairs(People("one", "abcdefghijklmnopqrstuvwx", 3), People("two", "xy"), validation=9)
    trained = {data.dataset.identity(clip) for clip in data.clips}
    validated = Counter(data.dataset.identity(source.clip) for source, _ in data.validation(pytest.fail))
    assert not trained & {*validated}
    assert len(validated) == 4  # 24 // 8 of the one, and one of the other
    assert Counter(name.partition(":")[0] for name in validated.elements()) == {"one": 4, "two": 5}


def test_a_set_of_one_person_is_named():
    said: list[str] = []
    data = pairs(People("one", "abcdefghij"), People("two", "x", 3))
    assert {source.clip.partition(":")[0] for source, _ in data.validation(said.append)} == {"one"}
    assert said == ["nobody of two is held out for validation, since there is one person only"]
    assert "two:x0" in data.clips


def test_ends_of_clips_of_every_set_are_held_out():
    said: list[str] = []
    data = pairs(People("one", "ab", 3), People("two", "cd"))
    assert {source.clip.partition(":")[0] for source, _ in data.validation(said.append)} == {"one", "two"}
    assert said == []


def test_folders_of_several_sets(tmp_path):
    assert root_of("demo", ["demo", "folder"], tmp_path) == tmp_path / "demo"
    assert root_of("demo", ["demo"], tmp_path) == tmp_path
    assert root_of("demo", ["demo", "folder"], {"folder": tmp_path}) is None
    mixed = training_data(["folder", "voxceleb1"], {"folder": tmp_path, "voxceleb1": tmp_path / "v"})
    assert [part.root for part in mixed.parts.values()] == [tmp_path, tmp_path / "v"]
    with pytest.raises(TalkbenchError, match="--root names a folder of hdtf, which is not trained on"):
        training_data(["folder", "voxceleb1"], {"hdtf": tmp_path})


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"dataset": "a,a"}, "name each data set once"),
        ({"dataset": "a,"}, "name each data set once"),
        ({"dataset": ["a", "b", " a"]}, "name each data set once"),
        ({"dataset": 3}, "string"),
        ({"dataset": "a", "shares": {"a": 2}}, "shares are of several data sets that are trained on, and a is none"),
        ({"dataset": "a,b", "shares": {"c": 2}}, "and c is none of them"),
        ({"dataset": "a,b", "shares": {"a": 0}}, "greater than 0"),
    ],
)
def test_recipes_that_name_data_sets_wrongly(content, fault):
    with pytest.raises(ValueError, match=fault):
        TrainConfig(method="m", epochs=1, batch_size=1, **content)


def test_a_recipe_may_list_data_sets():
    for dataset in (["hdtf", "voxceleb1"], "hdtf, voxceleb1", "hdtf,voxceleb1"):
        config = TrainConfig(method="m", epochs=1, batch_size=1, dataset=dataset)
        assert (config.dataset, config.sets) == ("hdtf,voxceleb1", ("hdtf", "voxceleb1"))
