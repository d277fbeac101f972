"""Anyone's own videos and frame folders, and what may be wrong with them."""

import os

import av
import numpy as np
import pytest
import synthetic_sets
from made_videos import write_video
from PIL import Image

from talkbench import datasets
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.datasets import Frame, Pair
from talkbench.datasets.sampling import cross_identity, same_identity


def images(folder, count):
    folder.mkdir(parents=True)
    for index in range(count):
        Image.fromarray(np.full((8, 8, 3), 20 * index % 256, np.uint8)).save(folder / f"{index}.png")


@pytest.fixture
def root(tmp_path):
    """Two clips of anna, a video and a folder, and a folder without a person."""
    top = tmp_path / "mine"
    synthetic_sets.write_video(top / "anna" / "talk.mp4", 0, 4, 32)
    images(top / "anna" / "frames", 3)
    images(top / "ben", 2)
    images(top / ".hidden", 2)
    return top


def test_all_pairs_of_few_frames(root):
    data = datasets.create("folder", root)
    same = data.split("same-identity")
    assert len(same) == 4 * 3 + 3 * 2 + 2 * 1
    assert {pair.source.clip for pair in same} == {"anna/talk.mp4", "anna/frames", "ben"}
    assert all(pair.source.clip == pair.driving.clip and pair.source != pair.driving for pair in same)
    cross = data.split("cross-identity")
    assert len(cross) == 2 * 7 * 2
    assert all({data.identity(pair.source.clip), data.identity(pair.driving.clip)} == {"anna", "ben"} for pair in cross)
    whole = data.split("reconstruction")
    assert [pair for pair in whole if pair.driving.clip == "ben"] == [
        Pair(Frame("ben", 0), Frame("ben", index)) for index in range(2)
    ]
    assert (len(whole), same.note) == (9, "")
    assert {same.read(frame).shape for pair in same for frame in (pair.source, pair.driving)} == {
        (8, 8, 3),
        (32, 32, 3),
    }


def test_many_frames_are_drawn_from_by_seed(root):
    images(root / "carl", 60)
    first, second = (datasets.create("folder", root).split("same-identity") for _ in range(2))
    assert (len(first), first.sha256) == (2083, second.sha256)
    assert len(datasets.create("folder", root).split("cross-identity")) == 2083


def test_own_list(root, tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("source_clip,source_index,driving_clip,driving_index\nben,0,anna/talk.mp4,1\nnobody,0,ben,1\n")
    assert len(datasets.create("folder", root).split("cross-identity", pairs=path)) == 2


def test_what_cannot_be_read_is_left_out_and_named(root, tmp_path):
    count = len(datasets.create("folder", root).split("same-identity"))
    images(tmp_path / "outside", 2)
    (root / "b.link").symlink_to(tmp_path / "outside")
    (root / "zero.mp4").touch()
    with av.open(str(root / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (root / os.fsdecode(b"caf\xe9.mp4")).write_bytes((root / "anna" / "talk.mp4").read_bytes())
    data = datasets.create("folder", root)
    split = data.split("same-identity")
    faults = " ".join(data.clips[1])
    assert len(split) == count
    assert split.note.startswith("clips left out: 4, ")
    for part in (
        r"'caf\udce9.mp4' is not named in UTF-8",
        "leaves the data root",
        "sound.mp4 holds no video",
        "zero.mp4",
    ):
        assert part in faults
    assert split.sha256


def test_pictures_beside_clips_are_passed_over(root, tmp_path):
    before = datasets.create("folder", root).split("same-identity")
    picture = np.zeros((8, 8, 3), np.uint8)
    for name in ("thumbnail.jpg", "contact sheet.png", "anna/talk.webp"):
        Image.fromarray(picture).save(root / name)
    (root / "ben" / "notes.txt").write_text("no frame")
    (root / "pairs.csv").write_text("a list")
    split = datasets.create("folder", root).split("same-identity")
    assert split.sha256 == before.sha256
    names = "anna/talk.webp, ben/notes.txt, contact sheet.png, …"
    assert split.note == f"files passed over, no frames of a clip: 4, {names}"
    images(tmp_path / "only", 3)
    assert {pair.source.clip for pair in datasets.create("folder", tmp_path / "only").split("same-identity")} == {"."}


def test_spoilt_frames_cost_themselves_alone(tmp_path):
    root, clip = tmp_path / "mine", tmp_path / "mine" / "a"
    images(clip, 3)
    images(tmp_path / "outside", 2)
    (clip / "3.png").touch()
    (clip / "4.png").write_bytes((clip / "0.png").read_bytes()[:44])
    (clip / "5.png").symlink_to(root / "nowhere.png")
    (clip / "6.png").mkdir()
    (root / "b").symlink_to(tmp_path / "outside")
    split = datasets.create("folder", root).split("reconstruction")
    assert split.note == f"clips left out: 1, path 'b' leaves the data root {root}; use paths below it"
    problems = ("the file is empty", "truncated", "No such file", "is a folder")
    for number, problem in enumerate(problems, 3):
        with pytest.raises(PairError, match=rf"^cannot read the image .*/{number}\.png: .*{problem}[^\n]*$"):
            split.read(Frame("a", number))
    assert split.read(Frame("a", 2)).shape == (8, 8, 3)


def test_videos_of_any_ending_are_clips(tmp_path):
    kinds = {"a.ts": "libx264", "b.flv": "libx264", "c.mpg": "mpeg2video", "d.wmv": "wmv2", "e.3gp": "mpeg4"}
    for name, codec in kinds.items():
        write_video(tmp_path / name, codec, images=3)
    write_video(tmp_path / "f.gif", "gif", images=3, pixels="gray")
    write_video(tmp_path / "clip.mp4", images=3).rename(tmp_path / "g.download")
    (tmp_path / "list.txt").write_text("no video")
    split = datasets.create("folder", tmp_path).split("reconstruction")
    assert sorted({pair.source.clip for pair in split}) == [*kinds, "f.gif", "g.download"]
    assert len(split) == 7 * 3
    assert split.note == "files passed over, no frames of a clip: 1, list.txt"


def test_a_video_that_was_cut_off_is_used_and_named(tmp_path):
    data = write_video(tmp_path / "cut.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    split = datasets.create("folder", tmp_path).split("reconstruction")
    assert 5 < len(split) < 20
    assert split.note.startswith(
        f"clips used as far as they go: 1, {tmp_path / 'cut.mkv'}: it declares 0.96 s and ends"
    )


def test_nothing_to_draw_from(root, tmp_path):
    with pytest.raises(TalkbenchError, match="name it with --root"):
        datasets.create("folder").split("same-identity")
    with pytest.raises(TalkbenchError, match=r"no folder .*none; give"):
        datasets.create("folder", tmp_path / "none").split("same-identity")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TalkbenchError, match="empty holds no videos and no frames"):
        datasets.create("folder", tmp_path / "empty").split("same-identity")
    (tmp_path / "empty" / "a.mp4").touch()
    with pytest.raises(TalkbenchError, match=r"a\.mp4"):
        datasets.create("folder", tmp_path / "empty").split("same-identity")
    images(tmp_path / "single" / "a", 1)
    alone = datasets.create("folder", tmp_path / "single")
    with pytest.raises(TalkbenchError, match="no clip has two frames"):
        alone.split("same-identity")
    with pytest.raises(TalkbenchError, match="clips of two identities"):
        alone.split("cross-identity")


def test_draws_repeat_the_authors_sampling():
    clips = {f"id{number // 3}#{number}": range(5 + number) for number in range(300)} | {"id9#short": [7]}
    pairs = same_identity(clips, seed=0)
    assert len(pairs) == 2083
    assert len({pair.source.clip for pair in pairs}) == 100
    assert all(pair.source.clip == pair.driving.clip and pair.source.index != pair.driving.index for pair in pairs)
    assert pairs == same_identity(dict(reversed(clips.items())), seed=0) != same_identity(clips, seed=1)
    cross = cross_identity(clips, lambda clip: clip.split("#")[0], seed=0)
    assert len(cross) == 2083
    assert all(pair.source.clip.split("#")[0] != pair.driving.clip.split("#")[0] for pair in cross)
    assert all(frame.index in clips[frame.clip] for pair in cross for frame in (pair.source, pair.driving))
