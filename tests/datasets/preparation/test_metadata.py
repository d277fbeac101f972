"""The lists of clips as published: what repeats, what contradicts, and what is faulty, by file and line."""

import pytest
from raw_videos import COLUMNS, write_list

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.preparation.metadata import Cut, read_cuts

FIRST = "Zbz058o9j6s"
PUBLISHED = "video_id,start,end,bbox,fps,width,height,partition,person_id"
# Rows of the published file: of the 299 clips that it has more than once, the three whose rows contradict each other.
CONTRADICTING = (
    "hgB5ziAudzU,8914,9055,468-66-736-421,25,1280,720,{},id10282",
    "hgB5ziAudzU,8753,8850,420-96-781-444,25,1280,720,{},id10282",
    "ST2JZXcyYkE,18239,18675,837-51-1167-399,25,1280,720,{},id10306",
)
TRAINED = "WMh3ye5tBsE,3657,3994,624-48-1018-553,25,1280,720,train,id10005"


def card(name):
    return datasets.create(name).card


def read(tmp_path, *rows, header=PUBLISHED, end="\n", start=b"", name="voxceleb1"):
    path = tmp_path / "list.csv"
    path.write_bytes(start + end.join([header, *rows, ""]).encode())
    return read_cuts(card(name), path)


@pytest.mark.parametrize(("end", "start"), [("\n", b""), ("\r\n", b"\xef\xbb\xbf")])
def test_rows_as_published(tmp_path, end, start):
    """Train before test and after it, identical and not: those who are tested are never trained on."""
    train, test = ([row.format(part) for row in CONTRADICTING] for part in ("train", "test"))
    listed = read(tmp_path, *train, TRAINED, *test, TRAINED, train[2], end=end, start=start)
    assert [cut.clip for cut in listed.cuts] == [
        "train/id10005#WMh3ye5tBsE#003657#003994.mp4",
        "test/id10282#hgB5ziAudzU#008914#009055.mp4",
        "test/id10282#hgB5ziAudzU#008753#008850.mp4",
        "test/id10306#ST2JZXcyYkE#018239#018675.mp4",
    ]
    assert listed.cuts[0] == Cut(listed.cuts[0].clip, "WMh3ye5tBsE", 3657, 3994, 25, (624, 48, 1018, 553), 1280, 720)
    assert listed.note == (
        "9 rows: 3 clips to test on, 1 to train on; 2 rows repeat others; 3 rows contradict others and are left out, "
        "since the test part comes first, then the earlier row (line 2: test/id10282#hgB5ziAudzU#008914#009055.mp4 is "
        "in line 6)"
    )


def test_nobody_is_in_both_parts(tmp_path):
    """Neither a person whom the list tests, nor one whom the data set is known to test."""
    rows = [
        "WMh3ye5tBsE,0,90,0-0-9-9,25,1280,720,train,id10001",
        "WMh3ye5tBsE,90,99,0-0-9-9,25,1280,720,test,id10001",
        "WMh3ye5tBsE,0,90,0-0-9-9,25,1280,720,train,id10291",
    ]
    listed = read(tmp_path, *rows)
    assert [cut.clip for cut in listed.cuts] == ["test/id10001#WMh3ye5tBsE#000090#000099.mp4"]
    assert "; 2 rows contradict others and are left out" in listed.note
    assert listed.note.endswith("(line 2: id10001 is tested)")


def test_of_two_windows_the_first_stands(tmp_path):
    listed = read(tmp_path, TRAINED, TRAINED.replace("624-48", "600-40"), TRAINED.replace("1280", "1270"))
    assert [cut.box for cut in listed.cuts] == [(624, 48, 1018, 553)]
    assert "; 2 rows contradict others" in listed.note
    assert listed.note.endswith("(line 3: train/id10005#WMh3ye5tBsE#003657#003994.mp4 is in line 2)")


def test_talks_as_published(tmp_path):
    """Every row says train, and the range is in the name."""
    header = "video_id,start,end,bbox,fps,width,height,partition"
    rows = (
        "VM6HZqQKhok#016609#016737,0,0,104-10-665-570,10.0,944,944,train",
        "4E_1AB1rsSw#014854#015029,0,0,288-75-746-532,10.0,960,960,train",
    )
    listed = read(tmp_path, *rows, header=header, name="ted-talks")
    assert [(cut.clip, cut.video, cut.start, cut.end, cut.rate) for cut in listed.cuts] == [
        ("train/VM6HZqQKhok#016609#016737.mp4", "VM6HZqQKhok", 16609, 16737, None),
        ("test/4E_1AB1rsSw#014854#015029.mp4", "4E_1AB1rsSw", 14854, 15029, None),
    ]
    assert listed.note == "2 rows: 1 clips to test on, 1 to train on"


def test_counts_of_the_published_file():
    """What comes out of it: 20075 rows are 525 + 19242 distinct ones, of which the three above contradict."""
    entry = datasets.create("voxceleb1").files["vox-metadata"]
    assert entry.rows == 20075
    assert "525 clips to test on and 19239 to train on" in entry.note


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"video_id": "../../etc#id10282"},
            "line 2, column video_id: '../../etc#id10282' is not <id and",
        ),
        ({"video_id": FIRST}, "column video_id"),
        ({"start": "x"}, "line 2, column start: 'x' is not a whole number"),
        ({"start": 9}, "line 2: the clip ends at 9, before it begins"),
        ({"bbox": "1-2-3"}, "column bbox: '1-2-3' is not left-top-right-bottom"),
        ({"bbox": "30-0-20-40"}, "column bbox: '30-0-20-40' is not a window inside 320 x 180 pixels"),
        ({"partition": "../x"}, "column partition: '../x' is not train or test"),
        ({"fps": 0}, "column fps: '0' is not above 0"),
        ({"width": "wide"}, "column width: 'wide' is not a whole number"),
        ({"height": "180,4"}, "line 2: not as many fields as the header"),
    ],
)
def test_faulty_row_is_refused_by_line_and_column(tmp_path, row, message):
    good = {"video_id": f"{FIRST}#id10282", "start": 0, "end": 9}
    with pytest.raises(TalkbenchError) as caught:
        read_cuts(card("voxceleb1"), write_list(tmp_path / "list.csv", good | row))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_faulty_list_is_refused(tmp_path):
    path = tmp_path / "list.csv"
    good = {"video_id": f"{FIRST}#id10282", "start": 0, "end": 9}
    with pytest.raises(TalkbenchError, match=r"list\.csv, line 1: column fps is missing; needed: video_id, bbox"):
        read_cuts(card("voxceleb1"), write_list(path, good, columns=tuple(name for name in COLUMNS if name != "fps")))
    with pytest.raises(TalkbenchError, match=r"list\.csv, line 1: column fps is there twice"):
        read_cuts(card("voxceleb1"), write_list(path, good, columns=(*COLUMNS, "fps")))
    with pytest.raises(TalkbenchError, match="is not <YouTube id>#<first frame>#<end>"):
        read_cuts(card("ted-talks"), write_list(path, good))
    with pytest.raises(TalkbenchError, match="has no rows"):
        read_cuts(card("voxceleb1"), write_list(path))
    for content, message in (
        (b"\xff\xfe\x00", "cannot read the list of clips .*, line 1: not UTF-8"),
        (f"{PUBLISHED}\n{TRAINED}\ncaf\xe9\n".encode("latin1"), "line 3: not UTF-8; convert it"),
        (b"\xef\xbb\xbf\n", "is empty; get it anew with bench data fetch-lists"),
        (f"{PUBLISHED}\n{TRAINED}\n{'x' * 200_000}\n".encode(), r"line 3: not CSV \(field larger than"),
        (f'{PUBLISHED}\n{TRAINED}\n"{TRAINED}\n'.encode(), "line 3: not CSV"),
        (f"{PUBLISHED}\n{TRAINED.replace('3657', '9' * 9999)}\n".encode(), "line 2, column start: '99.{100}"),
    ):
        path.write_bytes(content)
        with pytest.raises(TalkbenchError, match=message) as caught:
            read_cuts(card("voxceleb1"), path)
        assert len(str(caught.value)) < 400
    with pytest.raises(TalkbenchError, match=r"cannot read the list of clips .*No such file.* name the file"):
        read_cuts(card("voxceleb1"), tmp_path / "nowhere.csv")
    with pytest.raises(TalkbenchError, match="is a folder; give a file"):
        read_cuts(card("voxceleb1"), tmp_path)


def test_person_may_have_a_column_and_others_are_ignored(tmp_path):
    columns = ("note", "video_id", "person_id", "start", "end", "bbox", "fps", "width", "height", "partition")
    row = {"note": "fine", "video_id": FIRST, "person_id": "id10282", "start": 5, "end": 25}
    (cut,) = read_cuts(card("voxceleb1"), write_list(tmp_path / "list.csv", row, columns=columns)).cuts
    assert (cut.clip, cut.video) == (f"test/id10282#{FIRST}#000005#000025.mp4", FIRST)
