"""Data sets of other people on tiny copies of theirs: clips found, pairs read, and what is wrong named."""

import shutil
import textwrap
from functools import partial

import pytest
import synthetic_sets

from talkbench import datasets
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.datasets import Frame, clip_store
from talkbench.datasets.external import ExternalDataset, external_datasets
from talkbench.datasets.gaps import Gap
from talkbench.datasets.official_lists import recognise
from talkbench.datasets.pairs import repetition

OFFICIAL = ("celebv", "hdtf", "ted-talks", "voxceleb1")


@pytest.fixture(autouse=True)
def published(monkeypatch):
    synthetic_sets.accept(monkeypatch)


@pytest.fixture
def made(tmp_path):
    def make(name, **options):
        return datasets.create(
            name, synthetic_sets.make(tmp_path / name, name, **{"pairs": 4, "frames": 4, "size": 16} | options)
        )

    return make


def reasons(split):
    found = []
    for pair in split:
        try:
            split.read(pair.source)
            split.read(pair.driving)
            found.append("")
        except PairError as error:
            found.append(error.reason)
    return found


@pytest.mark.parametrize("name", OFFICIAL)
def test_every_task_of_every_set(made, name):
    data = made(name)
    for task in data.tasks:
        split = data.split(task)
        clips = {pair.driving.clip for pair in split}
        assert (split.dataset, split.note) == (name, repetition(split))  # voxceleb1 lists a row twice
        assert len(split) == (4 * len(clips) if task == "reconstruction" else 4)
        assert set(reasons(split)) == {""}
        assert all(split.read(pair.driving).shape == (16, 16, 3) for pair in split)
        assert (split[0].source.clip == split[0].driving.clip) == split.has_truth
        assert data.identity(split[0].source.clip) != "" != split[0].source.clip


@pytest.mark.parametrize("name", ["voxceleb1", "hdtf"])
def test_clips_may_be_video_files(made, name):
    folders = made(name)
    pairs = folders.split("same-identity")
    shutil.rmtree(folders.root)
    videos = made(name, videos=True).split("same-identity")
    assert videos.sha256 == pairs.sha256
    assert set(reasons(videos)) == {""}


@pytest.mark.parametrize(
    ("name", "clip", "identity"),
    [
        ("voxceleb1", "id10282#Zbz058o9j6s#004557#004656.mp4", "id10282"),
        ("voxceleb2", "id00017/5MkXgwdrmJw/00001.mp4", "id00017"),
        ("celebv", "Jack_Ma/Image", "Jack_Ma"),
        ("hdtf", "WDA_ScottPeters0_000.mp4", "ScottPeters"),
        ("hdtf", "WRA_TomCotton_000.mp4", "TomCotton"),
        ("hdtf", "RD_Radio39_000.mp4", "RD_Radio39"),
        ("ted-talks", "A2DzsgJSwcc#009831#010018.mp4", "A2DzsgJSwcc"),
        ("folder", "anna/one.mp4", "anna"),
        ("demo", "single-face", "single-face"),
    ],
)
def test_identities(name, clip, identity):
    assert datasets.create(name).identity(clip) == identity


def test_relative_motion(made):
    vox, hdtf = made("voxceleb1"), made("hdtf")
    assert vox.split("cross-identity", motion="relative-best")[0].reference.index == 0
    assert hdtf.split("cross-identity", motion="relative-best")[0].reference.index == 3
    with pytest.raises(TalkbenchError, match="the driving frame itself, which leaves no relative motion"):
        vox.split("same-identity", motion="relative-best")


def test_single_images_have_no_first_frame(made):
    with pytest.raises(TalkbenchError) as caught:
        made("celebv").split("cross-identity", motion="relative-first")
    assert str(caught.value) == ("the images of celebv have no first frame; use --motion absolute or relative-best")
    assert made("hdtf").split("cross-identity", motion="relative-first")[0].reference.index == 0


def test_lists_by_name_and_by_file(made, tmp_path):
    data = made("hdtf")
    split = data.split("same-identity", pairs="hdtf-all")
    assert split.note.endswith("HDTF_test_evaluation.csv is the official list hdtf-all of hdtf")
    assert split.sha256 == data.split("same-identity").sha256
    own = data.split("same-identity", pairs=data.root / "lists/HDTF_test_evaluation.csv")
    assert own.note.endswith("is not an official list")
    with pytest.raises(TalkbenchError, match="is a list for cross-identity, not for same-identity; use --task cross"):
        data.split("same-identity", pairs="hdtf-cross")
    with pytest.raises(
        TalkbenchError, match="neither a file hdtf-al nor a list of hdtf of that name: did you mean hdtf-all"
    ):
        data.split("same-identity", pairs="hdtf-al")
    with pytest.raises(TalkbenchError, match=r"neither a file .*none\.csv"):
        data.split("same-identity", pairs=tmp_path / "none.csv")
    assert data.split("same-identity").held_out
    assert not split.held_out
    assert not own.held_out


def test_own_list_on_a_published_set(made, tmp_path):
    data = made("celebv")
    path = tmp_path / "own.csv"
    path.write_text(
        "source_clip,source_index,driving_clip,driving_index\n"
        "Jack_Ma/Image,5000,Kathleen/Image,5003\n"
        "Jack_Ma/Image,5000,Nobody/Image,5003\n"
        "../../x,0,Jack_Ma/Image,5000\n"
        "/etc,0,Jack_Ma/Image,5000\n"
    )
    split = data.split("cross-identity", pairs=path)
    assert split.note == f"{path} is not an official list"
    assert reasons(split) == ["", "missing-clip", "unreadable-clip", "unreadable-clip"]


def test_list_of_another_data_set(made, tmp_path, monkeypatch):
    data, other = made("hdtf"), made("ted-talks")
    path = other.root / "lists/ted_test_evaluation.csv"
    with pytest.raises(TalkbenchError, match=r"line 2: '.*' is not named as the clips and frames of this data set"):
        data.split("same-identity", pairs=path)
    entry = other.lists["ted-talks"]
    monkeypatch.setattr(type(entry), "matches", lambda self, given: self.slug == "ted-talks")
    assert recognise(path) == entry
    with pytest.raises(TalkbenchError, match=r"official list ted-talks of ted-talks, and folder has none; give"):
        datasets.create("folder", other.root).split("same-identity", pairs=path)
    with pytest.raises(
        TalkbenchError, match="official list ted-talks of ted-talks, not of hdtf; use --dataset ted-talks"
    ):
        data.split("same-identity", pairs=path)


def test_some_clips_missing_or_broken(made, tmp_path):
    """Each costs its own pairs and is named; folders, links and files of every kind of wrong."""
    data = made("hdtf", pairs=6, clips=6)
    clips = sorted({pair.source.clip for pair in data.split("same-identity")})
    for clip in clips[:5]:
        shutil.rmtree(data.root / clip)
    (data.root / clips[0]).mkdir()
    (data.root / clips[1]).write_bytes(b"")
    (data.root / clips[2]).write_bytes(b"no video at all" * 100)
    (tmp_path / "outside").mkdir()
    (data.root / clips[3]).symlink_to(tmp_path / "outside")
    shutil.copytree(data.root / clips[5], data.root / "test" / clips[5])
    split = data.split("same-identity")
    found = dict(zip([pair.source.clip for pair in split], reasons(split), strict=True))
    assert [found[clip] for clip in clips] == ["unreadable-clip"] * 4 + ["missing-clip", "unreadable-clip"]
    with pytest.raises(PairError, match="leaves the data root"):
        split.read(Frame(clips[3], 0))
    with pytest.raises(PairError, match="there are two clips"):
        split.read(Frame(clips[5], 0))


def test_clip_that_is_too_short_is_refused_as_a_whole(made):
    data = made("voxceleb1", pairs=10)
    split = data.split("same-identity")
    clip = split[0].source.clip
    largest = split.lengths[clip]
    (data.root / "test" / clip / f"{largest:07d}.png").unlink()
    for number in range(largest + 1, 4):
        (data.root / "test" / clip / f"{number:07d}.png").unlink()
    again = data.split("same-identity").head(1)
    with pytest.raises(
        PairError, match=f"ends with frame {largest - 1}, .* asks for frame {largest}: .*25 frames per"
    ) as caught:
        again.read(Frame(clip, 0))
    assert caught.value.reason == "index-beyond-clip"
    (data.root / "test" / clip / "0000000.png").unlink()
    others = [pair for pair in split if pair.source.clip != clip]
    assert split.read(others[0].source).shape == (16, 16, 3)


def test_frame_missing_unreadable(made):
    data = made("celebv", pairs=5)
    split = data.split("cross-identity")
    files = [next((data.root / pair.source.clip).glob(f"*_{pair.source.index:010d}.jpg")) for pair in split.pairs[:2]]
    files[0].unlink()
    files[1].write_bytes(b"not an image")
    assert reasons(split)[:2] == ["missing-frame", "undecodable-frame"]
    assert "" in reasons(split)


def test_nothing_there(made, tmp_path):
    with pytest.raises(TalkbenchError, match=r"hdtf: there is no folder .*none; download the videos .* --root"):
        datasets.create("hdtf", tmp_path / "none").split("same-identity")
    data = made("hdtf")
    for clip in data.root.glob("*.mp4"):
        shutil.rmtree(clip)
    with pytest.raises(TalkbenchError, match=r"hdtf: none of the 4 clips of .*new\.csv is in .*; download the videos"):
        data.split("same-identity")
    shutil.rmtree(data.root / "lists")
    with pytest.raises(TalkbenchError, match=r"the list hdtf of hdtf is not in .*lists; bench data fetch-lists hdtf"):
        data.split("same-identity")


def test_list_that_was_changed(made, monkeypatch):
    data = made("hdtf")
    monkeypatch.setattr(type(data.lists["hdtf"]), "status", lambda self, root: "other content")
    with pytest.raises(TalkbenchError, match="is not the list hdtf as published; bench data fetch-lists"):
        data.split("same-identity")


def test_reconstruction_of_a_missing_clip(made):
    data = made("ted-talks")
    clip = data.split("same-identity")[0].source.clip
    shutil.rmtree(data.root / "test" / clip)
    found = reasons(data.split("reconstruction"))
    assert (found.count("missing-clip"), found.count("")) == (1, 12)


@pytest.mark.parametrize("name", ["voxceleb1", "hdtf", "ted-talks"])
def test_reconstruction_of_a_clip_with_a_gap(made, name):
    """The frames that are missing have their pairs, as if they were there, and the pairs fail."""
    data = made(name, frames=8)
    whole = data.split("reconstruction")
    clip = whole[0].source.clip
    folder = data.store.path(clip)
    for file in sorted(folder.iterdir())[2:4]:
        file.unlink()
    clip_store.forget()
    split = data.split("reconstruction")
    assert split.sha256 == whole.sha256
    assert split.gaps() == {clip: Gap(2, (2, 3))}
    assert reasons(split).count("missing-frame") == 2
    (folder / "IMG_20190101120000.png").touch()
    clip_store.forget()
    with pytest.raises(TalkbenchError, match=r"has a frame numbered 20190101120000; remove what is no frame"):
        data.split("reconstruction")


def test_reconstruction_of_a_clip_that_ends_before_the_list_does(made):
    data = made("ted-talks", frames=8)
    listed = data.split("same-identity")
    clip, last = listed[0].source.clip, listed.lengths[listed[0].source.clip]
    for number in range(last, 8):
        (data.root / "test" / clip / f"{number:07d}.png").unlink()
    clip_store.forget()
    split = data.split("reconstruction")
    found = {pair.source.clip: reason for pair, reason in zip(split, reasons(split), strict=True)}
    assert found.pop(clip) == "index-beyond-clip"
    assert set(found.values()) == {""}


def test_images_in_no_order_have_no_gaps(made):
    data = made("celebv")
    assert data.split("cross-identity").gaps() == {}


CARD = r"""
name: talks
obtain: film some
naming: {clip: '[a-z]+', frame: '\d+\.png', continuous: false}
training: {folders: [train], test_lists: [pairs]}
lists:
  pairs: {task: same-identity, file: pairs.csv}
  cuts: {task: metadata, file: cuts.csv}
tasks:
  same-identity: {list: pairs}
"""


@pytest.fixture
def talks(tmp_path, registry):
    """Registers a data set of the card `CARD`, changed, and returns its card's path."""

    def register(before="", after=""):
        path = tmp_path / "talks.yaml"
        path.write_text(CARD.replace(before, after))
        registry.register("talks")(partial(ExternalDataset, card=path))
        return path

    return register


def test_a_card_makes_a_data_set(talks):
    card = talks()
    data = datasets.create("talks")
    assert (data.name, data.tasks, data.card_path) == ("talks", ("same-identity",), card)
    assert (list(data.lists), list(data.files)) == (["pairs"], ["pairs", "cuts"])
    assert data.lists["pairs"].location(data.root) == data.root / "lists" / "pairs.csv"
    assert {each.name for each in external_datasets()} == {*OFFICIAL, "voxceleb1-seen", "voxceleb2", "talks"}
    with pytest.raises(TalkbenchError, match="the images of talks have no first frame"):
        data.split("same-identity", motion="relative-first")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("obtain:", "obtian:", "unknown key 'obtian': did you mean obtain"),
        ("clip:", "clips:", "unknown key 'naming.clips': did you mean clip?"),
        ("file: pairs", "fil: pairs", "unknown key 'lists.pairs.fil': did you mean file?"),
        ("{list: pairs}", "{lists: pairs}", "unknown key 'tasks.same-identity.lists': did you mean list?"),
        (
            "test_lists",
            "tested_lists",
            "unknown key 'training.tested_lists': did you mean test_lists",
        ),
        ("obtain: film some", "", "obtain: field required"),
        ("task: metadata, ", "", "lists.cuts.task: field required"),
        ("{list: pairs}", "{list: pears}", "there is no list 'pears' in it: did you mean pairs?"),
        ("{list: pairs}", "{clips_of: cuts}", "there is no list 'cuts' in it: known: pairs"),
        ("'[a-z]+'", "'[a-z+'", "naming.clip: '[a-z+' is no regular expression: unterminated"),
    ],
)
def test_a_card_that_does_not_fit(talks, before, after, message):
    path = talks(before, after)
    with pytest.raises(TalkbenchError) as caught:
        datasets.create("talks")
    assert str(caught.value).startswith(f"{path} does not fit: {message}")
    assert "\n" not in str(caught.value)


def test_a_class_with_its_card_beside_it(tmp_path, monkeypatch):
    """For a data set of other people that needs code."""
    (tmp_path / "card.yaml").write_text(CARD)
    code = """
        from talkbench.datasets.external import ExternalDataset

        class Talks(ExternalDataset):
            name = "talks"

            def identity(self, clip):
                return clip[0]
    """
    (tmp_path / "talks_of_mine.py").write_text(textwrap.dedent(code))
    monkeypatch.syspath_prepend(str(tmp_path))
    import talks_of_mine

    data = talks_of_mine.Talks(tmp_path)
    assert (data.card.obtain, data.identity("anna"), list(data.lists)) == ("film some", "a", ["pairs"])
