"""Which frames are held out for validation, and how far apart the frames of its pairs are."""

import pytest
from toy_training import SIZE, Toy

from talkbench.training.config import TrainConfig
from talkbench.training.data.pairs import FramePairs

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def pairs(clips: dict[str, list[int]], **changes: object) -> FramePairs:
    chosen = {"epochs": 1, "batch_size": 1, "jitter": 0, "sampling": "clip", "validation": 16, **changes}
    return FramePairs(Toy(clips), TrainConfig(method="mcnet@demo", dataset="toy", **chosen), SIZE)


def people(count: int, frames: int = 12) -> dict[str, list[int]]:
    """Two clips of each person, whom the toy data set tells by the first letter."""
    return {f"{LETTERS[person]}{clip}": list(range(frames)) for person in range(count) for clip in (1, 2)}


def drawn(data: FramePairs, epochs: int = 30) -> set[tuple[str, int]]:
    """The frames that some epochs train on."""
    words = [data[epoch, index][1].split() for epoch in range(epochs) for index in range(len(data))]
    return {(clip, int(number)) for clip, first, _, second in words for number in (first, second)}


@pytest.mark.parametrize(("count", "held_out"), [(8, 1), (15, 1), (16, 2), (26, 3)])
def test_of_eight_people_one_is_held_out_with_all_clips(count: int, held_out: int) -> None:
    data = pairs(people(count))
    validated = {frame.clip[0] for pair in data.validation(print) for frame in pair}
    trained = {clip[0] for clip in data.clips}
    assert (len(validated), len(trained)) == (held_out, count - held_out)
    assert not validated & trained
    assert {clip[0] for clip, _ in drawn(data, 1)} == trained
    assert {number for _, number in drawn(data)} == set(range(12))  # of the others every frame is trained on


def test_no_more_than_eight_people_are_held_out() -> None:
    names = [chr(0x100 + number) for number in range(100)]
    data = pairs({name: [0, 1, 2] for name in names})
    assert len(data.clips) == 92
    assert len({source.clip for source, _ in data.validation(print)}) == 8


def test_pairs_of_people_who_are_held_out_are_from_the_outer_thirds_of_a_clip() -> None:
    data = pairs(people(8))
    chosen = data.validation(print)
    assert len(chosen) == 16
    assert {source.clip for source, _ in chosen} == {"a1", "a2"}
    for source, driving in chosen:
        assert source.clip == driving.clip
        assert source.index < 4
        assert driving.index >= 8


def test_of_fewer_people_the_end_of_each_clip_is_held_out_behind_a_gap() -> None:
    data = pairs({"a": list(range(20)), "b": list(range(3, 23)), "c": list(range(9))})
    assert drawn(data, 60) == {
        *(("a", number) for number in range(16)),
        *(("b", number) for number in range(3, 19)),
        *(("c", number) for number in range(9)),  # too short to hold anything out
    }
    chosen = data.validation(print)
    assert {source.clip for source, _ in chosen} == {"a", "b"}
    first = {"a": range(8), "b": range(3, 11)}
    last = {"a": range(18, 20), "b": range(21, 23)}
    for source, driving in chosen:
        assert source.clip == driving.clip
        assert source.index in first[source.clip]  # which is trained on
        assert driving.index in last[source.clip]


def test_every_clip_has_its_pairs() -> None:
    data = pairs({name: list(range(20)) for name in "abc"}, validation=7)
    clips = [source.clip for source, _ in data.validation(print)]
    assert [clips.count(name) for name in "abc"] == [3, 2, 2]


def test_without_validation_nothing_is_held_out() -> None:
    assert pairs(people(8), validation=0).validation(print) == []
    assert len(pairs(people(8), validation=0).clips) == 16
    assert drawn(pairs({"a": list(range(20))}, validation=0), 200) == {("a", number) for number in range(20)}


def test_the_pairs_depend_on_the_seed_alone() -> None:
    clips = people(8, frames=25)
    assert pairs(clips).validation(print) == pairs(clips, lr=0.1, batch_size=3).validation(print)
    assert pairs(clips).validation(print) != pairs(clips, seed=3).validation(print)
