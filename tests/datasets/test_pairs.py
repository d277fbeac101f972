"""Pair lists: what is read is what was written, and every fault is found with its place."""

import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.pairs import Frame, Pair, format_pairs, pairs_sha256, read_pairs, write_pairs

HEADER = "source_clip,source_index,driving_clip,driving_index,reference_clip,reference_index"
LENGTHS = {"a": 10, "b": 5, "ä, ö": 3}
PAIRS = [
    Pair(Frame("a", 0), Frame("a", 9)),
    Pair(Frame("a", 3), Frame("b", 4), Frame("b", 0)),
    Pair(Frame("ä, ö", 2), Frame("b", 0)),
]


def frame_count(clip: str) -> int:
    if clip not in LENGTHS:
        raise TalkbenchError(f"there is no clip {clip!r}")
    return LENGTHS[clip]


def test_round_trip(tmp_path):
    path = tmp_path / "pairs.csv"
    write_pairs(path, PAIRS)
    assert read_pairs(path, frame_count) == PAIRS
    assert path.read_text(encoding="utf-8") == format_pairs(PAIRS)


def test_line_ends_byte_order_mark_and_column_order_do_not_matter(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_bytes(b"\xef\xbb\xbfnote,driving_index,driving_clip,source_clip,source_index\r\nhello,9,a,a,0\r\n")
    assert read_pairs(path, frame_count) == PAIRS[:1]


def test_hash_tells_lists_apart():
    assert pairs_sha256(PAIRS) == pairs_sha256(list(PAIRS))
    changed = [PAIRS[::-1], PAIRS[:2], [*PAIRS[:2], Pair(Frame("ä, ö", 1), Frame("b", 0))], []]
    assert len({pairs_sha256(pairs) for pairs in [PAIRS, *changed]}) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: column source_clip is missing"),
        ("source_clip,source_index,driving_clip\na,0,a\n", "line 1: column driving_index is missing"),
        (f"{HEADER}\n", "has no rows"),
        (f"{HEADER}\na,0,a,1,,\na,1.5,a,1,,\n", "line 3, column source_index: '1.5' is not a frame number"),
        (f"{HEADER}\na,0,a,-1,,\n", "line 2, column driving_index: '-1' is not a frame number"),
        (f"{HEADER}\na,0,a,١,,\n", "line 2, column driving_index: '١' is not a frame number"),
        (f"{HEADER}\na,0,a,,,\n", "line 2, column driving_index: '' is not a frame number"),
        (f"{HEADER}\na,0,a,10,,\n", "line 2, column driving_index: 10 is beyond the clip 'a', whose last frame is 9"),
        (f"{HEADER}\na,{'9' * 5000},a,0,,\n", "line 2, column source_index: 9+ is beyond the clip"),
        (f"{HEADER}\na,0,c,0,,\n", "line 2, column driving_clip: there is no clip 'c'"),
        (f"{HEADER}\n,0,a,0,,\n", "line 2, column source_clip: empty"),
        (f"{HEADER}\na,0\n", "line 2, column driving_clip: empty"),
        (f"{HEADER}\na,0,a,0,b,\n", "line 2, column reference_index: '' is not a frame number"),
        (f"{HEADER}\na,0,a,0,,3\n", "line 2, column reference_clip: empty"),
        (f"{HEADER}\na,0,a,0,b,5\n", "line 2, column reference_index: 5 is beyond"),
        (f"{HEADER}\na,0,a,0,,,7\n", "line 2, column 7: more fields"),
        (f'{HEADER}\n"{"x" * 200_000}",0,a,0,,\n', "line 2: not CSV"),
        (f"{'x' * 200_000},{HEADER}\n", "line 1: not CSV"),
        (f"{'x' * 100_000},{'x' * 100_000},{HEADER}\n", "line 1: the column 'x+ stands twice"),
        (f"{HEADER},Source_Clip\na,0,a,0,,,b\n", "line 1: the column 'source_clip' stands twice"),
        (
            HEADER.replace(",", ":"),
            "column source_clip is missing; needed: .*; they are separated by ':', which is not",
        ),
        (HEADER.replace(",", "   "), "they are separated by '   ', which is not read: use commas"),
        (f"sep=,\n{HEADER.replace(',', ';')}\na;0;a;1;;\n", "they are separated by ';', which is not read"),
        (f"{HEADER}\na;0;a;1;;\n", "line 2: fields are separated by ';', those of the header are not; use commas"),
    ],
)
def test_faults_name_file_line_and_column(tmp_path, text, message):
    path = tmp_path / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TalkbenchError, match=message) as caught:
        read_pairs(path, frame_count)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_file_that_is_no_text(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_bytes(b"\x89PNG\xff\x00")
    for bad in (path, tmp_path / "missing.csv", tmp_path):
        with pytest.raises(TalkbenchError, match=r"cannot read the pair list|is a folder; give a file"):
            read_pairs(bad, frame_count)


@pytest.mark.parametrize(
    "text",
    [
        "source_clip;source_index;driving_clip;driving_index\r\na b.mp4;0;c.mp4;1\r\n",
        "source_clip\tsource_index\tdriving_clip\tdriving_index\na b.mp4\t0\tc.mp4\t1\n",
        "source_clip, source_index, driving_clip, driving_index\na b.mp4, 0, c.mp4, 1\n",
        "source_clip,source_index,driving_clip,driving_index\na b.mp4, 0 ,c.mp4, 1\n",
        "Source_Clip,SOURCE_INDEX,driving_clip,driving_index\na b.mp4,0,c.mp4,1\n",
        'sep=;\r\n"source_clip";"source_index";"driving_clip";"driving_index"\r\n"a b.mp4";0;"c.mp4";1\r\n',
        "sep=,\nsource_clip,source_index,driving_clip,driving_index\na b.mp4,0,c.mp4,1\n",
        "source_clip|source_index|driving_clip|driving_index\na b.mp4|0|c.mp4|1\n",
        "source_clip;source_index;driving_clip;driving_index;note, free\na b.mp4;0;c.mp4;1;hello, you\n",
        "sep=;;;;\nsource_clip;source_index;driving_clip;driving_index\na b.mp4;0;c.mp4;1\n",
    ],
)
def test_lists_as_spreadsheets_export_them(tmp_path, text):
    path = tmp_path / "pairs.csv"
    path.write_bytes(text.encode())
    assert read_pairs(path, lambda clip: 2) == [Pair(Frame("a b.mp4", 0), Frame("c.mp4", 1))]


def test_a_name_with_a_comma_and_blanks_in_quotes(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text('source_clip,source_index,driving_clip,driving_index\n"Doe, J; a/1.mp4",0,"Doe, J; a/1.mp4",1\n')
    (pair,) = read_pairs(path, lambda clip: 2)
    assert pair.source.clip == "Doe, J; a/1.mp4"


def test_a_faulty_line_behind_a_line_for_spreadsheets_keeps_its_number(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("sep=;\nsource_clip;source_index;driving_clip;driving_index\na;0;b;1\na;x;b;1\n")
    with pytest.raises(TalkbenchError, match=r"pairs\.csv, line 4, column source_index: 'x' is not a frame number"):
        read_pairs(path, lambda clip: 2)
