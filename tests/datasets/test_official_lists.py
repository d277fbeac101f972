"""Official lists: every quirk of those that are published, on small files of the same form."""

import hashlib
import json
from functools import partial
from pathlib import Path

import pytest

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.datasets import Frame, Pair
from talkbench.datasets.external import ExternalDataset
from talkbench.datasets.official_lists import Naming, is_official_form, read_official, recognise

FACTS = json.loads((Path(__file__).parents[1] / "golden/metrics/golden.json").read_text())["lists"]
PUBLISHED = ("celebv", "hdtf", "ted-talks", "voxceleb1")
VOX = "id10282#Zbz058o9j6s#004557#004656.mp4"
OTHER = "id10283#vaK4t1-WD4M#030267#030426.mp4"
WHOLE = ("source_frame", "driving_video")


def known():
    """All but HDTF's annotation, of which the facts are in test_hdtf.py."""
    entries = [entry for name in PUBLISHED for entry in datasets.create(name).files.values()]
    return [entry for entry in entries if entry.repository != "MRzzm/HDTF"]


def fact_of(entry):
    return next(fact for fact in FACTS if fact["sha256"] == entry.sha256)


def naming(name):
    return datasets.create(name).card.naming


def read(tmp_path, name, *lines, numbers=lambda clip: range(3)):
    path = tmp_path / "list.csv"
    path.write_bytes("\r\n".join([*lines, ""]).encode())
    return read_official(path, naming(name), numbers)


def test_cards_state_what_the_files_are():
    assert len(FACTS) == 16
    same_bytes = {fact["sha256"] for fact in FACTS}
    assert {entry.sha256 for entry in known()} == same_bytes
    for entry in known():
        fact = fact_of(entry)
        assert (entry.repository, entry.commit, entry.rows) == (fact["repository"], fact["commit"], fact["rows"])
        assert entry.path in {other["path"] for other in FACTS if other["sha256"] == entry.sha256}


def test_addresses_are_quoted_and_places_are_not(tmp_path):
    entry = datasets.create("hdtf").lists["hdtf-cross"]
    assert entry.url.startswith("https://raw.githubusercontent.com/harlanhong/ICCV2023-MCNET/9a08e22b4232ca6a9213404")
    assert entry.url.endswith("/data/HDTF_cross_id_v2%20copy.csv")
    assert entry.location(tmp_path) == tmp_path / "lists" / "HDTF_cross_id_v2 copy.csv"


@pytest.mark.parametrize("name", [*PUBLISHED, "voxceleb2"])
def test_no_two_files_of_a_data_set_share_a_place(name):
    files = [entry.file for entry in datasets.create(name).files.values()]
    assert len(files) == len(set(files))
    assert all(files)


@pytest.mark.parametrize(
    "entry", [entry for entry in known() if entry.task != "metadata"], ids=lambda entry: entry.slug
)
@pytest.mark.parametrize("prefix", ["", "/data/some one/x.mp4/", "C:/data/id10001#a/"])
def test_first_and_last_row_of_every_list(tmp_path, entry, prefix):
    """Whatever folder the authors had them in, rows give the clips and the numbers in their last two parts."""
    fact = fact_of(entry)
    rows = [fact["first"], fact["last"]]
    lines = [",".join(field if field == "0.0" else prefix + field for field in row) for row in rows]
    pairs = read(tmp_path, entry.dataset, ",".join(fact["header"]), *lines)
    steps = len(pairs) // 2
    assert steps == (3 if entry.slug.endswith(("animate", "fomm")) else 1)
    for row, pair in zip(rows, pairs[::steps], strict=True):
        frames = (pair.source, pair.driving, pair.reference)
        assert (pair.reference is not None) == (len(row) == 3)
        for field, frame in zip(row, frames, strict=False):
            clip = frame.clip.removesuffix("/Image")
            assert clip in field or field == "0.0"
            assert frame.index == (0 if field.endswith((".mp4", "0.0")) else int(field[-10:-4]))


def test_separator_may_be_missing_after_mp4(tmp_path):
    name = "WRA_KristiNoem1_000.mp4"
    line = f"/a/{name}/000000.jpg,/a/{name}/000508.jpg,/a/{name}000291.jpg"
    assert read(tmp_path, "hdtf", "source,driving,anchor", line) == [
        Pair(Frame(name, 0), Frame(name, 508), Frame(name, 291))
    ]


def test_double_names_of_celebv(tmp_path):
    line = "/x/CelebV/Jack_Ma/Image/P_MaYun_25537.jpg_0000022121.jpg,CelebV/Kathleen/Image/P_K_7.jpg_0000040517.jpg"
    assert read(tmp_path, "celebv", "source,driving,frame", line) == [
        Pair(Frame("Jack_Ma/Image", 22121), Frame("Kathleen/Image", 40517))
    ]


def test_best_frames_duplicates_and_line_ends(tmp_path):
    row = f"/a/vox1_frames/test/{VOX}/0000013.png,/a/vox1_frames/test/{VOX}/0000048.png"
    best = f"{row},/a/vox1_frames/test/{VOX}/0000048.png"
    pair = Pair(Frame(VOX, 13), Frame(VOX, 48), Frame(VOX, 48))
    assert read(tmp_path, "voxceleb1", "source,driving,best_frame", best, "", best) == [pair, pair]
    assert (
        read(tmp_path, "voxceleb1", "source,driving,best_frame", row, f"{row},")
        == [Pair(pair.source, pair.driving)] * 2
    )
    path = tmp_path / "unix.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"source,driving,best_frame\n{best}".encode())
    assert read_official(path, naming("voxceleb1"), range) == [pair]


def test_whole_clips(tmp_path):
    """A driving clip means all its frames, a source clip its first; a mere number is a reference in the former."""
    frames = {VOX: [4, 7], OTHER: range(2)}
    given = read(tmp_path, "voxceleb1", ",".join(WHOLE), f"/a/{VOX}/0000009.png,{OTHER}", numbers=frames.get)
    assert given == [Pair(Frame(VOX, 9), Frame(OTHER, 0)), Pair(Frame(VOX, 9), Frame(OTHER, 1))]
    given = read(tmp_path, "voxceleb1", "source,driving,frame", f"{OTHER},{VOX},0.0", numbers=frames.get)
    assert given == [Pair(Frame(OTHER, 0), Frame(VOX, index), Frame(VOX, 0)) for index in (4, 7)]


GOOD = f"{VOX}/0000001.png"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,b", f"{GOOD},{GOOD}"], "line 1: the columns are not source, driving"),
        (["source,driving,best_frame,more", f"{GOOD},{GOOD}"], "line 1: the columns"),
        (["source,driving"], "no rows"),
        (["source,driving", GOOD], "line 2: 1 fields instead of 2 or 3"),
        (["source,driving", f"{GOOD},{GOOD},{GOOD},{GOOD}"], "line 2: 4 fields instead of 2 or 3"),
        (["source,driving", f"{GOOD},{GOOD}", f"{GOOD},{GOOD},{GOOD}"], "line 3: 3 fields instead of 2"),
        (["source,driving", f"{GOOD},{GOOD}", f"{GOOD},x/0000001.png"], "line 3: 'x/0000001.png' is not named as"),
        (["source,driving", f"{GOOD},{VOX}/0000001.gif"], r"line 2: '.*0000001\.gif' is not named"),
        (["source,driving", f"{GOOD},{VOX}/../0000001.png"], "line 2: .* is not named"),
        (["source,driving", f"{GOOD},TED384-v2/test/A2DzsgJSwcc#009831#010018.mp4/0000009.png"], "line 2: 'TED384"),
        (["source,driving", f'{GOOD},"{GOOD}'], "line 2: not CSV"),
        (["source,driving,frame", f"{GOOD},{GOOD},{VOX}"], "line 2: '.*mp4' names a clip, but no frame"),
        (["source,driving,frame", f"{GOOD},{GOOD},0.5"], "line 2: '0.5' is not named"),
        (["source,driving,frame", f"{GOOD},{GOOD},-1"], "line 2: '-1' is not named"),
        (["source,driving", f"{GOOD},{GOOD}", f"{GOOD},"], "line 3: '' is not named"),
    ],
)
def test_everything_else_is_rejected_with_its_line(tmp_path, lines, message):
    with pytest.raises(TalkbenchError, match=message) as caught:
        read(tmp_path, "voxceleb1", *lines)
    assert str(caught.value).startswith(str(tmp_path / "list.csv"))


def test_line_that_is_not_utf8(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"source,driving\r\n" + GOOD.encode() + b",\xff.png\r\n")
    with pytest.raises(TalkbenchError, match=r"list\.csv, line 2: .*UTF-8"):
        read_official(path, naming("voxceleb1"), range)


def test_form_is_told_by_the_header():
    assert is_official_form("source,driving,anchor\r\nx")
    assert is_official_form(",".join(WHOLE))
    assert not is_official_form("source_clip,source_index,driving_clip,driving_index")
    assert not is_official_form("source")
    assert not is_official_form("")


def test_longest_end_that_fits_counts():
    plain = Naming(clip=r"\w+/Image", frame=r"\d+\.png")
    assert plain.parse("/x/A/Image/B/Image/3.png") == ("B/Image", 3)
    assert plain.parse("A/Image") == ("A/Image", None)
    assert plain.parse("A/Image3.png") is None


def test_recognised_by_contents(tmp_path, registry):
    path = tmp_path / "any name"
    path.write_text("something")
    assert recognise(path) is None
    hdtf = datasets.create("hdtf")
    card = hdtf.card_path.read_text()
    assert hdtf.lists["hdtf-all"].sha256 in card
    card = card.replace(hdtf.lists["hdtf-all"].sha256, hashlib.sha256(b"something").hexdigest())
    (tmp_path / "mine.yaml").write_text(card.replace("name: hdtf", "name: mine"))
    registry.register("mine")(partial(ExternalDataset, card=tmp_path / "mine.yaml"))
    entry = recognise(path)
    assert (entry.slug, entry.dataset) == ("hdtf-all", "mine")
    with pytest.raises(TalkbenchError, match="cannot read the pair list"):
        recognise(tmp_path / "none")
