"""HDTF's annotation as published: every clip is named, with what it is cut by or why it cannot be."""

import pytest
from raw_videos import write_hdtf

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.preparation.hdtf import read_hdtf
from talkbench.datasets.preparation.metadata import Cut, Unusable

# Lines of the published files (CC BY 4.0), byte order mark and blanks at the end included; addresses are made up.
LINES = {
    "WRA_video_url": "\ufeffAdamKinzinger2 https://www.youtube.com/watch?v=AAAAAAAAAA2\n"
    "KevinMcCarthy1 https://www.youtube.com/watch?v=AAAAAAAAAA3\n"
    "PeterKing https://www.youtube.com/watch?v=AAAAAAAAAA4\nNobody https://youtu.be/AAAAAAAAAA5?t=6\n",
    "WRA_resolution": "AdamKinzinger2.mp4 720\nKevinMcCarthy1.mp4 0\nPeterKing.mp4 720\n",
    "WRA_annotion_time": "AdamKinzinger2.mp4 00:40-01:20 02:00-02:40 03:30-03:50 \n"
    "KevinMcCarthy1.mp4 00:22-00:45 \nPeterKing.mp4 00:20-00:40 \n",
    "WRA_crop_wh": "AdamKinzinger2_0.mp4 397 513 0 513\nAdamKinzinger2_1.mp4 416 498 12 498\n"
    "KevinMcCarthy1_0.mp4 412 465 0 465\nPeterKing_0.mp4 178 872 0 872\n",
    "WRA_crop_ratio": "AdamKinzinger2_0.mp4 1.2\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in LINES.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    return tmp_path


def test_every_clip_is_named(folder):
    listed = read_hdtf(folder)
    names = ("WRA_AdamKinzinger2", "AdamKinzinger2")
    assert listed.cuts == [
        Cut("WRA_AdamKinzinger2_000.mp4", "AAAAAAAAAA2", 40, 80, 1, (397, 0, 910, 513), None, 720, names),
        Cut("WRA_AdamKinzinger2_001.mp4", "AAAAAAAAAA2", 120, 160, 1, (416, 12, 914, 510), None, 720, names),
    ]
    assert [(clip.clip, clip.video, clip.status) for clip in listed.unusable] == [
        ("WRA_AdamKinzinger2_002.mp4", "AAAAAAAAAA2", "no-window"),
        ("WRA_KevinMcCarthy1_000.mp4", "AAAAAAAAAA3", "no-resolution"),
        ("WRA_PeterKing_000.mp4", "AAAAAAAAAA4", "window-outside"),
    ]
    assert listed.unusable[2] == Unusable(
        "WRA_PeterKing_000.mp4",
        "AAAAAAAAAA4",
        "window-outside",
        "the window of PeterKing_0 ends at line 872 of 720 by WRA_crop_wh.txt and WRA_resolution.txt",
    )
    assert listed.note == (
        "5 clips of 3 videos, 3 of them not usable; videos without clips: WRA_Nobody; there are no files of RD and WDA"
    )


def test_names_of_clips_are_those_of_the_pair_lists(folder):
    naming = datasets.create("hdtf").card.naming
    assert all(naming.is_clip(cut.clip) for cut in read_hdtf(folder).cuts)
    assert {naming.person(cut.clip) for cut in read_hdtf(folder).cuts} == {"AdamKinzinger"}


def test_groups_are_read_together(folder):
    write_hdtf(folder, "RD", {"Radio1": "CPCoMyuBRM0"}, "00:20-01:35 02:00-100:01")
    write_hdtf(folder, "WDA", {"AdamSchiff": "CPCoMyuBRM1"}, "00:20-00:20")
    listed = read_hdtf(folder)
    assert [(cut.clip, cut.end) for cut in listed.cuts[:2]] == [("RD_Radio1_000.mp4", 95), ("RD_Radio1_001.mp4", 6001)]
    assert listed.unusable[0].status == "no-time"
    assert "there are no files" not in listed.note


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("crop_wh", "PeterKing_0.mp4 178 872 0\n", "line 1: 3 fields behind PeterKing_0, not 4"),
        ("crop_wh", "a_0.mp4 1 2 3 4\r\n\r\nb_0.mp4 1 2 x 4\r\n", "line 3: 'x' is not a number of pixels"),
        ("crop_wh", "a_0.mp4 1 2 3 4\na_0.mp4 1 2 3 5\n", "line 2: a_0 is in an earlier line with other values"),
        ("annotion_time", "PeterKing.mp4 20-40\n", "line 1: '20-40' is not a stretch of time, mm:ss-mm:ss"),
        ("annotion_time", "PeterKing.mp4\n", "line 1: 0 fields behind PeterKing, not one or more"),
        ("annotion_time", "../../etc.mp4 00:20-00:40\n", "line 1: '../../etc' is no video's name"),
        ("resolution", "PeterKing.mp4 -1\n", "line 1: '-1' is not a height in pixels"),
        ("resolution", f"PeterKing.mp4 {'9' * 200_000}\n", "line 1: '99999"),
        ("video_url", "PeterKing https://example.com\n", "'https://example.com' is not the address of a YouTube video"),
        ("video_url", "", "is empty; get it anew"),
        ("video_url", "caf\xe9", "line 1: not UTF-8; convert it"),
        ("crop_wh", None, "there is no .*WRA_crop_wh.txt; bench data fetch-lists hdtf downloads it"),
    ],
)
def test_a_faulty_file_is_refused_by_line(folder, file, text, message):
    path = folder / f"WRA_{file}.txt"
    path.unlink()
    if text is not None:
        path.write_bytes(text.encode("latin1"))
    with pytest.raises(TalkbenchError, match=message) as caught:
        read_hdtf(folder)
    assert f"WRA_{file}.txt" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_identical_lines_are_one(folder):
    with (folder / "WRA_crop_wh.txt").open("a") as file:
        file.write("AdamKinzinger2_0.mp4 397 513 0 513\n")
    assert len(read_hdtf(folder).cuts) == 2


def test_no_such_folder(folder, tmp_path):
    with pytest.raises(TalkbenchError, match=r"nowhere does not exist; .* give that folder"):
        read_hdtf(tmp_path / "nowhere")
    with pytest.raises(TalkbenchError, match=r"WRA_crop_wh\.txt is a file; .* give that folder"):
        read_hdtf(folder / "WRA_crop_wh.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TalkbenchError, match=r"has none of HDTF's files, such as RD_video_url\.txt; .*--metadata"):
        read_hdtf(tmp_path / "empty")


def test_the_card_counts_the_lines_of_the_published_files():
    files = datasets.create("hdtf").files
    rows = {slug: entry.rows for slug, entry in files.items() if entry.task == "metadata"}
    assert rows == {
        f"{group}_{kind}": rows
        for group, counts in {"RD": (57, 57, 56, 64), "WDA": (183, 183, 183, 189), "WRA": (130, 130, 130, 168)}.items()
        for kind, rows in zip(("video_url", "resolution", "annotion_time", "crop_wh"), counts, strict=True)
    }
    assert {entry.commit for slug, entry in files.items() if slug in rows} == {"bbde889b"}
