"""Clips are cut where and when the lists say; what is wrong with a video is its own clips' trouble alone."""

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from raw_videos import HEIGHT, WIDTH, WINDOW, frame, number, write_hdtf, write_list, write_raw

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import PARTIAL, sha256_file
from talkbench.datasets.clips import open_clip
from talkbench.datasets.preparation import face_clips
from talkbench.datasets.preparation.cut import STYLES, Style, cut_clips, find_videos
from talkbench.datasets.preparation.face_clips import crop_faces
from talkbench.datasets.preparation.hdtf import read_hdtf
from talkbench.datasets.preparation.metadata import Cut, read_cuts
from talkbench.datasets.videos import VideoClip

FIRST, SECOND = "Zbz058o9j6s", "-9_pljhZqs-"
SMALL = Style(32)
CLIPS = {
    f"test/id10282#{FIRST}#000005#000025.mp4": range(6, 30),  # 0.2 to 1 s at 30 per second
    f"train/id10001#{FIRST}#000030#000040.mp4": range(36, 48),
    f"test/id10290#{SECOND}#000005#000025.mp4": range(5, 25),
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_raw(folder / f"{FIRST}.mp4", rate=30)
    write_raw(folder / f"{SECOND}.mp4", rate=25)
    return folder


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list of `CLIPS`, the identity once before and once behind the YouTube id."""
    return write_list(
        tmp_path / "vox-metadata.csv",
        {"video_id": f"{FIRST}#id10282", "start": 5, "end": 25},
        {"video_id": f"{FIRST}#id10001", "start": 30, "end": 40, "partition": "train"},
        {"video_id": f"id10290#{SECOND}", "start": 5, "end": 25},
    )


def card(name):
    return datasets.create(name).card


def cut(listed: Path, raw: Path, out: Path, style: Style = SMALL, workers: int = 1, name: str = "voxceleb1"):
    """By clip, its outcome."""
    cuts = read_cuts(card(name), listed).cuts
    outcomes = [outcome for batch in cut_clips(cuts, raw, out, style, workers) for outcome in batch]
    assert len({outcome.clip for outcome in outcomes}) == len(outcomes)
    return {outcome.clip: outcome for outcome in outcomes}


def hashes(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): sha256_file(file) for file in sorted(folder.rglob("*.*")) if file.is_file()}


def test_frames_are_those_of_the_time_at_the_native_rate(raw, listed, tmp_path):
    outcomes = cut(listed, raw, tmp_path / "out")
    assert {clip: outcome.status for clip, outcome in outcomes.items()} == dict.fromkeys(CLIPS, "made")
    for name, indices in CLIPS.items():
        clip = open_clip(tmp_path / "out" / name)
        assert [number(clip.read(index)) for index in range(len(clip))] == list(indices)
        assert [file.name for file in clip.files] == [f"{index:07d}.png" for index in range(len(indices))]


def test_window_is_scaled_to_the_video_and_resized(raw, listed, tmp_path):
    cut(listed, raw, tmp_path / "out")
    left, top, right, bottom = WINDOW
    image = open_clip(tmp_path / "out" / next(iter(CLIPS))).read(0)
    assert image.shape == (32, 32, 3)
    assert image[..., 2].max() < 60, "nothing of the blue around the window"
    assert (image[:15, :15] == (255, 0, 0)).mean() > 0.6
    np.testing.assert_allclose(image[:15, :15], np.broadcast_to((255, 0, 0), (15, 15, 3)), atol=3)
    np.testing.assert_allclose(image[17:, 17:], 24, atol=3)
    cut(listed, raw, tmp_path / "whole", Style(right - left))
    unscaled = open_clip(tmp_path / "whole" / next(iter(CLIPS))).read(0)
    np.testing.assert_allclose(unscaled.astype(int), frame(6)[top:bottom, left:right], atol=3)


def test_a_video_is_decoded_once(raw, listed, tmp_path, monkeypatch):
    begun = []
    decode = VideoClip._decode
    monkeypatch.setattr(VideoClip, "_decode", lambda clip: begun.append(clip.path.stem) or decode(clip))
    cut(listed, raw, tmp_path / "out")
    opening = [FIRST, FIRST, SECOND, SECOND]  # also to see whether anything decodes
    assert sorted(begun) == sorted(opening)


def test_workers_make_the_same_files(raw, listed, tmp_path):
    cut(listed, raw, tmp_path / "one")
    cut(listed, raw, tmp_path / "two", workers=2)
    assert len(hashes(tmp_path / "one")) == sum(map(len, CLIPS.values()))
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_finished_clips_are_left_alone_and_leftovers_go(raw, listed, tmp_path, monkeypatch):
    out = tmp_path / "out"
    cut(listed, raw, out)
    whole = hashes(out)
    gone, kept = list(CLIPS)[:2]
    shutil.rmtree(out / gone)
    leftover = out / "test" / f"{PARTIAL}x" / Path(gone).name
    leftover.mkdir(parents=True)
    (leftover / "0000000.png").write_bytes(b"half")
    stamp = (out / kept / "0000000.png").stat().st_mtime_ns
    outcomes = cut(listed, raw, out)
    assert [outcomes[clip].status for clip in CLIPS] == ["made", "there", "there"]
    assert hashes(out) == whole
    assert (out / kept / "0000000.png").stat().st_mtime_ns == stamp
    assert not leftover.parent.exists()


def test_clips_of_another_making_are_not_touched(raw, listed, tmp_path):
    out = tmp_path / "out"
    small, video, damaged = CLIPS
    cut(listed, raw, out, Style(16))
    shutil.rmtree(out / video)
    shutil.copy(raw / f"{FIRST}.mp4", out / video)
    for file in (out / damaged).iterdir():
        file.write_bytes(b"")
    before = hashes(out)
    outcomes = cut(listed, raw, out)
    assert [outcomes[clip].status for clip in CLIPS] == ["other-size", "there", "undecodable-frame"]
    assert outcomes[small].detail == f"{out / small} is there with 16 x 16 pixels; delete it"
    assert hashes(out) == before


def test_what_is_wrong_is_told_clip_by_clip(raw, tmp_path):
    mine = tmp_path / "raw"
    shutil.copytree(raw, mine)
    (mine / "zerozerozer.mp4").touch()
    (mine / "halfhalfhal.mp4").write_bytes((raw / f"{FIRST}.mp4").read_bytes()[:300])
    with av.open(str(mine / "soundsounds.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    for suffix in (".mkv", ".webm"):
        shutil.copy(raw / f"{FIRST}.mp4", (mine / "twicetwicet").with_suffix(suffix))
    (mine / "partpartpar.mp4.part").write_bytes((raw / f"{FIRST}.mp4").read_bytes())
    wanted = {
        FIRST: "made",
        "zerozerozer": "broken-video",
        "halfhalfhal": "broken-video",
        "soundsounds": "broken-video",
        "twicetwicet": "same-name",
        "partpartpar": "missing-video",
        "nowherenowh": "missing-video",
    }
    rows = [{"video_id": f"{video}#id10282", "start": 0, "end": 5} for video in wanted]
    rows += [
        {"video_id": f"{FIRST}#id10282", "start": 30, "end": 43},  # the video has 41.7 of the list's frames
        {"video_id": f"{FIRST}#id10282", "start": 30, "end": 42},
        {"video_id": f"{FIRST}#id10282", "start": 1, "end": 5, "width": 4 * WIDTH},
        {"video_id": f"{FIRST}#id10282", "start": 2, "end": 5, "width": 2 * WIDTH + 2},
        {"video_id": f"{FIRST}#id10282", "start": 3, "end": 5, "bbox": "0-0-1-1"},
    ]
    outcomes = cut(write_list(tmp_path / "list.csv", *rows), mine, tmp_path / "out")
    found = {outcome.video: outcome.status for clip, outcome in outcomes.items() if "#000000#000005" in clip}
    assert found == wanted
    status = {clip.split("#", 2)[2]: outcome.status for clip, outcome in outcomes.items() if FIRST in clip}
    assert status == {
        "000000#000005.mp4": "made",
        "000030#000043.mp4": "short-video",
        "000030#000042.mp4": "made",
        "000001#000005.mp4": "other-shape",
        "000002#000005.mp4": "made",
        "000003#000005.mp4": "empty-window",
    }
    made = {clip for clip, outcome in outcomes.items() if outcome.status == "made"}
    assert {str(folder.relative_to(tmp_path / "out")) for folder in (tmp_path / "out").glob("*/*")} == made
    assert all(outcome.detail for outcome in outcomes.values() if not outcome.good)


def test_damaged_frame_leaves_no_half_clip(video, tmp_path):
    data = bytearray(video.read_bytes())
    hole = len(data) * 55 // 100
    data[hole : hole + 3000] = bytes(3000)
    (tmp_path / f"{FIRST}.mp4").write_bytes(data)
    shape = {"video_id": f"{FIRST}#id10282", "width": 64, "height": 48, "bbox": "0-0-48-48"}
    listed = write_list(tmp_path / "list.csv", {**shape, "start": 0, "end": 10}, {**shape, "start": 0, "end": 60})
    outcomes = cut(listed, tmp_path, tmp_path / "out")
    assert [outcome.status for outcome in outcomes.values()] == ["made", "undecodable-frame"]
    assert len(list((tmp_path / "out" / "test").iterdir())) == 1


def test_full_disk_ends_it(raw, listed, tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(TalkbenchError, match="cannot write"):
        cut(listed, raw, tmp_path / "out")


def test_raw_must_be_a_folder(listed, tmp_path):
    with pytest.raises(TalkbenchError, match="is not a folder; name the folder of the downloaded videos"):
        cut(listed, tmp_path / "nowhere", tmp_path / "out")


def test_ted_talks_go_by_frame_numbers(raw, tmp_path):
    talk = min(card("ted-talks").training.test_identities)
    (tmp_path / "raw").mkdir()
    for name in (talk, FIRST):
        shutil.copy(raw / f"{FIRST}.mp4", tmp_path / "raw" / f"{name}.mp4")
    spans = (f"{talk}#000010#000020", f"{FIRST}#000010#000020", f"{FIRST}#000040#000051")
    rows = [{"video_id": span, "start": 0, "end": 0, "fps": 10, "partition": "train"} for span in spans]
    outcomes = cut(write_list(tmp_path / "list.csv", *rows), tmp_path / "raw", tmp_path / "out", name="ted-talks")
    test, train, beyond = f"test/{spans[0]}.mp4", f"train/{spans[1]}.mp4", f"train/{spans[2]}.mp4"
    found = {clip: outcome.status for clip, outcome in outcomes.items()}
    assert found == {test: "made", train: "made", beyond: "short-video"}
    clip = open_clip(tmp_path / "out" / test)
    assert [number(clip.read(index)) for index in range(len(clip))] == list(range(10, 20))
    assert STYLES["ted-talks"] == Style(384, 7, ".png")


def test_hdtf_goes_by_seconds_and_writes_jpeg(raw, tmp_path):
    (tmp_path / "raw").mkdir()
    names = ("RD_Radio39", "Radio40", SECOND)
    for name in names:
        shutil.copy(raw / f"{FIRST}.mp4", tmp_path / "raw" / f"{name}.mp4")
    write_hdtf(tmp_path / "lists", "RD", {"Radio39": "Xk3ahBAIiGg", "Radio40": "0Xe890iP4ZM", "Radio41": SECOND})
    cuts = [cut.named_as(names) for cut in read_hdtf(tmp_path / "lists").cuts]
    batches = cut_clips(cuts, tmp_path / "raw", tmp_path / "out", STYLES["hdtf"], 1)
    assert {each.clip: (each.video, each.status) for batch in batches for each in batch} == {
        f"RD_Radio{number}_000.mp4": (name, "made") for number, name in zip((39, 40, 41), names, strict=True)
    }
    clip = open_clip(tmp_path / "out" / "RD_Radio39_000.mp4")
    assert [file.name for file in clip.files] == [f"{index:06d}.jpg" for index in range(30)]
    assert [number(clip.read(index)) for index in (0, 29)] == [0, 29]
    with Image.open(clip.files[0]) as image:
        assert image.format == "JPEG"
        assert image.size == (512, 512)
    np.testing.assert_allclose(clip.read(0)[100, 100], (255, 0, 0), atol=12)


def test_window_without_a_width_goes_by_the_height(raw, tmp_path):
    """A video as narrow as a telephone's has no room for it."""
    cut = Cut("RD_Radio1_000.mp4", FIRST, 0, 1, Fraction(1), (100, 20, 260, 180), None, 2 * HEIGHT)
    wide = replace(cut, clip="RD_Radio1_001.mp4", box=(500, 20, 660, 180))
    outcomes = [each for batch in cut_clips([cut, wide], raw, tmp_path, SMALL, 1) for each in batch]
    assert [(each.status, each.detail) for each in outcomes] == [
        ("made", ""),
        ("other-shape", f"{FIRST} is 160 x 90, too narrow for the window of RD_Radio1_001.mp4"),
    ]
    image = open_clip(tmp_path / cut.clip).read(0)
    np.testing.assert_allclose(image[:15, :15], np.broadcast_to((255, 0, 0), (15, 15, 3)), atol=3)
    assert image[..., 2].max() < 60


def faces(raw: Path, out: Path, workers: int = 1) -> dict[str, str]:
    return {
        found.clip: found.status for batch in crop_faces(find_videos(raw)[0], out, SMALL, workers) for found in batch
    }


def test_face_is_cut_with_its_margin(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(
        face_clips, "find_faces", lambda clip: list(np.array([[[60, 20, 110, 70]], [[70, 30, 120, 80]]]))
    )
    video = shutil.copy(raw / f"{SECOND}.mp4", tmp_path / "me.mp4")
    assert faces(Path(video), tmp_path / "out") == {"me": "made"}
    clip = open_clip(tmp_path / "out" / "me")
    assert [number(clip.read(index)) for index in range(len(clip))] == list(range(50))
    # The union, 60 x 60 around (90, 50), with a tenth on each side, is 72 wide: 54 to 126, 14 to 86.
    image = clip.read(0)
    np.testing.assert_allclose(image[:15, :15], np.broadcast_to((255, 0, 0), (15, 15, 3)), atol=3)
    assert image[..., 2].max() < 60
    assert faces(Path(video), tmp_path / "out") == {"me": "there"}


def test_folder_of_anyones_videos(raw, tmp_path, monkeypatch):
    def nobody(clip):
        raise TalkbenchError("no face found")

    monkeypatch.setattr(face_clips, "find_faces", nobody)
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copy(raw / f"{SECOND}.mp4", mine / "wall.mp4")
    (mine / "empty.mp4").touch()
    for name in ("twice.mp4", "twice.mov", ".hidden.mp4", "notes.txt"):
        (mine / name).touch()
    with open(bytes(mine) + b"/caf\xe9.mp4", "wb"):  # noqa: PTH123
        pass
    assert faces(mine, tmp_path / "out") == {
        "wall": "no-face",
        "empty": "broken-video",
        "twice": "same-name",
        "caf\\xe9": "name-not-utf8",
    }
    with pytest.raises(TalkbenchError, match="holds no video"):
        faces(raw.parent / raw.name / "..", tmp_path / "out")
    with pytest.raises(TalkbenchError, match=r"there is no .*nowhere"):
        faces(tmp_path / "nowhere", tmp_path / "out")
