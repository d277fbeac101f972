"""The lists of LivePortrait's sample videos, of which no video is needed here."""

from collections import Counter

import pytest

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.datasets.pairs import highest_frames, read_pairs

DATA = datasets.create("liveportrait-samples")


@pytest.fixture(scope="module")
def lists():
    frames = {clip: video.frames for clip, video in DATA.card.videos.items()}
    return {task: read_pairs(DATA.folder / entry.list, frames.__getitem__) for task, entry in DATA.card.tasks.items()}


def test_seventeen_people_one_video_each():
    videos = DATA.card.videos
    assert (len(videos), sum(video.frames for video in videos.values())) == (17, 5434)
    assert {DATA.identity(clip) for clip in videos} == set(videos) == set(DATA.card.clips)
    assert sum(video.size for video in videos.values()) == 19_435_820
    assert DATA.file("s13").url == (
        "https://raw.githubusercontent.com/KwaiVGI/LivePortrait/1986663be3b6902605d32200c01f4bfd36cda83d/"
        "assets/examples/source/s13.mp4"
    )


def test_the_lists_are_those_that_the_card_draws(lists):
    assert DATA.card.drawn() == lists
    for entry in DATA.card.tasks.values():
        assert sha256_file(DATA.folder / entry.list) == entry.sha256


def test_all_people_are_in_every_list_and_the_ends_of_videos_in_none(lists):
    for pairs in lists.values():
        assert {pair.source.clip for pair in pairs} == {pair.driving.clip for pair in pairs} == set(DATA.card.videos)
        for clip, highest in highest_frames(pairs).items():
            assert highest + 1 <= DATA.card.videos[clip].frames - DATA.card.videos[clip].rate / 2
    assert all(pair.source.clip == pair.driving.clip for pair in lists["same-identity"])
    assert all(pair.source.clip != pair.driving.clip for pair in lists["cross-identity"])
    counts = Counter(pair.driving.clip for pair in lists["reconstruction"])
    assert (counts.pop("d0"), counts.pop("s13"), set(counts.values())) == (65, 90, {100})


def test_it_is_for_evaluation_only():
    assert [name for name, card in datasets.cards().items() if card.evaluation_only] == ["liveportrait-samples"]
    assert not any(map(DATA.card.may_show, DATA.card.videos))
    with pytest.raises(TalkbenchError, match="has no training part"):
        DATA.training_clips()
