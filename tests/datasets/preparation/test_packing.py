"""A packed data set has the frames of the one that it was made from, and says what is wrong with its files."""

import copy
import json
from functools import partial
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import synthetic_sets
from made_videos import damaged_end, write_video
from PIL import Image

from talkbench import datasets
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.datasets import Frame
from talkbench.datasets.clips import open_clip
from talkbench.datasets.preparation.packing import clips_to_pack, pack_clips
from talkbench.results.content import FrameName, content_of, data_id

CLIP = "train/anna/0.mp4"
FILE = f"{CLIP}.frames.zip"


@pytest.fixture(autouse=True)
def published(monkeypatch):
    synthetic_sets.accept(monkeypatch)


@pytest.fixture
def root(tmp_path):
    """Four clips of two people, three frames of 16x16 each."""
    return synthetic_sets.make_training(tmp_path / "plain", "folder", frames=3, size=16)


@pytest.fixture
def packed(root, tmp_path):
    pack(root, tmp_path / "packed")
    return tmp_path / "packed"


def pack(root, out, name="folder"):
    data = datasets.create(name, root)
    clips, _ = clips_to_pack(data)
    return {outcome.clip: outcome for batch in pack_clips(data, clips, out, 1) for outcome in batch}


def contents(split):
    frames = {frame for pair in split for frame in (pair.source, pair.driving)}
    return {FrameName(frame.clip, frame.index): content_of(split.read(frame)) for frame in frames}


def rewrite(path, comment=None, compression=0, **members):
    """The pack at `path` with another comment, or other bytes in members of these names."""
    with ZipFile(path) as archive:
        files, facts = {name: archive.read(name) for name in archive.namelist()}, json.loads(archive.comment)
    with ZipFile(path, "w", compression) as archive:
        for name, data in {**files, **members}.items():
            archive.writestr(name, data)
        archive.comment = json.dumps({**facts, **(comment or {})}).encode()


@pytest.mark.parametrize("videos", [False, True])
@pytest.mark.parametrize("name", ["voxceleb1", "voxceleb2", "hdtf", "ted-talks", "celebv", "folder"])
def test_all_data_sets_have_the_same_frames_when_packed(name, videos, tmp_path):
    plain, out, small = tmp_path / "plain", tmp_path / "packed", {"frames": 3, "size": 16}
    if name == "folder":
        synthetic_sets.make_training(plain, name, videos=videos, **small)
    else:
        synthetic_sets.make(plain, name, pairs=4, videos=videos and name != "celebv", **small)
    if name not in ("celebv", "folder"):
        synthetic_sets.make_training(plain, name, videos=videos, **small)
    assert {outcome.status for outcome in pack(plain, out, name).values()} == {"made"}
    before, after = datasets.create(name, plain), datasets.create(name, out)
    if name != "celebv":
        assert after.training_clips() == before.training_clips()
        after.check_training(after.training_clips())
        for clip in before.training_clips():
            assert list(after.training_numbers(clip)) == list(before.training_numbers(clip))
            assert np.array_equal(after.read(Frame(clip, 2)), before.read(Frame(clip, 2)))
    if name == "voxceleb2":  # it has no list
        return
    task = before.tasks[0]
    assert after.split(task).sha256 == before.split(task).sha256
    assert after.split(task).gaps() == before.split(task).gaps()
    assert data_id(contents(after.split(task))) == data_id(contents(before.split(task)))
    assert not list(out.rglob("*.png"))


def test_image_files_go_in_as_they_are(root, packed):
    with ZipFile(packed / FILE) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            path.name: path.read_bytes() for path in (root / CLIP).iterdir()
        }
    with pytest.raises(PairError, match="frames 0 to 2, not 3"):
        open_clip(packed / FILE).read(3)
    with pytest.raises(PairError, match="has no frame 3"):
        open_clip(packed / FILE, numbered=True).read(3)
    assert copy.copy(open_clip(packed / FILE)).read(1).shape == (16, 16, 3)
    assert open_clip(packed / FILE).stored_size(0) == (16, 16)


def test_numbers_and_gaps_are_kept(tmp_path):
    folder = tmp_path / "plain" / "a"
    folder.mkdir(parents=True)
    for number in (2, 3, 10):
        Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(folder / f"{number}.png")
    pack(tmp_path / "plain", tmp_path / "packed")
    path = tmp_path / "packed" / "a.frames.zip"
    assert [open_clip(path).read(index).max() for index in range(3)] == [2, 3, 10]
    assert list(open_clip(path, numbered=True).numbers) == [2, 3, 10]
    gaps = [datasets.create("folder", tmp_path / each).store.gap("a") for each in ("plain", "packed")]
    assert gaps[0] == gaps[1]
    assert gaps[0].count == 6


def test_frames_of_a_video_that_do_not_decode_stay_so(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", images=22, options={"x264-params": "bframes=0"})
    (tmp_path / "plain").mkdir()
    before = open_clip(damaged_end(tmp_path / "plain" / "a.mp4", whole, 3))
    outcome = pack(tmp_path / "plain", tmp_path / "packed")["a.mp4"]
    assert outcome.status == "made"
    assert outcome.detail.startswith("3 of 22 frames cannot be decoded: frame 19 of")
    after = open_clip(tmp_path / "packed" / "a.mp4.frames.zip")
    assert len(after) == len(before) == 22
    assert after.sound_numbers() == before.sound_numbers() == list(range(19))
    with pytest.raises(PairError, match="could not be decoded when it was packed"):
        after.read(19)


def test_what_a_video_lacks_stays_known(tmp_path, video):
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a.mp4").write_bytes(video.read_bytes()[: 3 * video.stat().st_size // 4])
    assert "cut off" in pack(tmp_path / "plain", tmp_path / "packed")["a.mp4"].detail
    before, after = open_clip(tmp_path / "plain" / "a.mp4"), open_clip(tmp_path / "packed" / "a.mp4.frames.zip")
    assert after.damage.partition(": ")[2] == before.damage.partition(": ")[2] != ""
    assert len(after) == len(before) < 60


def test_a_command_that_was_stopped_goes_on(root, packed):
    kept = {path: path.stat().st_mtime_ns for path in packed.rglob("*.zip")}
    (packed / FILE).unlink()
    (packed / "train/anna" / ".partial-1").mkdir()
    statuses = [outcome.status for outcome in pack(root, packed).values()]
    assert sorted(statuses) == ["made", "there", "there", "there"]
    assert not (packed / "train/anna" / ".partial-1").exists()
    assert all(path.stat().st_mtime_ns == kept[path] for path in kept if path != packed / FILE)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "cut off or is damaged; delete it and run bench data"),
        (lambda path: path.write_bytes(b""), "cut off or is damaged"),
        (partial(rewrite, comment={"pack": 2}), "version 2, and this talkbench reads version 1"),
        (partial(rewrite, comment={"frames": 4}), "its frames are not those that it declares"),
        (partial(rewrite, compression=ZIP_DEFLATED), "its frames are not those that it declares"),
        (partial(rewrite, comment={"more": 1}), "unexpected keyword"),
        (lambda path: ZipFile(path, "w").close(), "a zip that bench data pack has not written"),
    ],
)
def test_a_damaged_pack_is_named(packed, spoil, fault):
    spoil(packed / FILE)
    with pytest.raises(TalkbenchError, match=fault) as error:
        datasets.create("folder", packed).training_numbers(CLIP)
    assert str(packed / FILE) in str(error.value)


def test_bytes_that_do_not_match_are_named(packed):
    data = bytearray((packed / FILE).read_bytes())
    data[data.index(b"IDAT") + 6] ^= 1
    (packed / FILE).write_bytes(data)
    with pytest.raises(PairError, match=r"are not what was packed .*CRC") as error:
        open_clip(packed / FILE).read(0)
    assert error.value.reason == "undecodable-frame"
    assert open_clip(packed / FILE).sound_numbers() == [1, 2]
