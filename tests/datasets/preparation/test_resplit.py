"""The split anew of people who are trained on: who is tested, who is left, and what cannot be drawn."""

from collections import Counter
from pathlib import Path

import pytest
import synthetic_sets
from raw_videos import clip_name, write_people

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.external import ExternalDataset
from talkbench.datasets.pairs import pairs_sha256, write_pairs
from talkbench.datasets.preparation.resplit import draw_seen, resplit_of
from talkbench.datasets.sampling import seen_identities

PEOPLE = 130


@pytest.fixture(autouse=True)
def accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic_sets.accept(monkeypatch)


def split(root: Path, people: int = PEOPLE) -> ExternalDataset:
    write_people(root / "lists" / "vox-metadata.csv", people)
    data = datasets.create("voxceleb1", root)
    assert isinstance(data, ExternalDataset)
    return resplit_of(data)


def test_five_hundred_clips_of_people_of_whom_others_are_left(tmp_path: Path) -> None:
    data = split(tmp_path)
    drawn = draw_seen(data, 0, 2083)
    clips = Counter(pair.source.clip for pair in drawn.pairs)
    assert (data.name, len(drawn.pairs), len(clips)) == ("voxceleb1-seen", 2083, 500)
    assert set(clips.values()) == {4, 5}
    assert all(pair.source.clip == pair.driving.clip and pair.source != pair.driving for pair in drawn.pairs)
    assert max(frame.index for pair in drawn.pairs for frame in (pair.source, pair.driving)) == 91  # of 4 seconds
    held_out = Counter(map(data.identity, clips))
    assert max(held_out.values()) == 4
    assert {int(person[2:]) - 10000 for person in held_out} <= set(range(PEOPLE)), "who has one clip is not tested"
    assert draw_seen(data, 0, 2083) == drawn
    assert draw_seen(data, 1, 2083).pairs != drawn.pairs
    assert drawn.note.startswith(
        f"500 clips of {len(held_out)} people are tested; 155 of 135 people are left to train on"
    )
    assert drawn.note.endswith("people with one clip, which is not tested: 5")


def test_the_draw_stays_what_it_is(tmp_path: Path) -> None:
    """The card knows the sha256 of what is drawn from the published list of clips."""
    pairs = draw_seen(split(tmp_path), 0, 2083).pairs
    assert pairs_sha256(pairs)[:16] == "1b089fa7130a6698"


def test_people_without_another_clip_are_not_tested(tmp_path: Path) -> None:
    with pytest.raises(
        TalkbenchError, match=r"500 clips have to be held out, and only 440 of the 555 can be: everyone"
    ):
        draw_seen(split(tmp_path, people=110), 0, 10)
    single = {f"p{number}": range(9) for number in range(5)}
    with pytest.raises(TalkbenchError, match="only 0 of the 5 can be"):
        seen_identities(single, lambda clip: clip, 0, videos=1)
    short = {"a1": range(1), "a2": range(1), "b1": range(9), "b2": range(9)}
    assert {pair.source.clip[0] for pair in seen_identities(short, lambda clip: clip[0], 0, videos=1)} == {"b"}


def bare(root: Path, *clips: str) -> None:
    for clip in clips:
        (root / clip).mkdir(parents=True)
        for index in range(2):
            (root / clip / f"{index:07d}.png").touch()


def test_training_leaves_out_the_clips_alone(tmp_path: Path) -> None:
    data = split(tmp_path)
    bare(tmp_path, *(f"train/{clip_name(person, clip)}" for person in range(4) for clip in range(5)))
    bare(tmp_path, f"train/{clip_name(285, 0)}", f"test/{clip_name(281, 1)}")
    with pytest.raises(TalkbenchError, match="bench data draw voxceleb1 --seen-identities --root"):
        data.training_clips()
    pairs = draw_seen(data, 0, 2083).pairs
    write_pairs(data.own_list("same-identity"), pairs)
    tested = {pair.source.clip for pair in pairs}
    every = {clip_name(person, clip) for person in range(4) for clip in range(5)}
    assert every & tested
    assert set(data.training_clips()) == {f"train/{clip}" for clip in every - tested}
    assert set(map(data.identity, every - tested)) == {f"id1000{person}" for person in range(4)}
    listed = data.split("same-identity")
    assert (listed.dataset, listed.held_out, len(listed)) == ("voxceleb1-seen", True, 2083)
    known = next(pair.source for pair in listed if pair.source.clip in every)
    assert data.store.path(known.clip) == tmp_path / "train" / known.clip
    whole = datasets.create("voxceleb1", tmp_path)
    assert set(whole.training_clips()) == {f"train/{clip}" for clip in every}
