"""`bench data draw --seen-identities`."""

import pytest
import synthetic_sets
from raw_videos import write_people

from talkbench import datasets


def test_the_split_is_drawn_from_the_list_of_clips(bench, monkeypatch, tmp_path):
    synthetic_sets.accept(monkeypatch)
    write_people(tmp_path / "lists" / "vox-metadata.csv", 130)
    path = tmp_path / "lists" / "voxceleb1-seen.csv"
    result = bench("data", "draw", "voxceleb1", "--seen-identities", "--root", tmp_path)
    assert result.code == 0, result.err
    listed, note = result.out.splitlines()
    assert listed == f"same-identity  {path}  (2083 pairs of 500 clips)"
    assert note.startswith("voxceleb1-seen  500 clips of ")
    first = path.read_bytes()
    assert bench("data", "draw", "voxceleb1-seen", "--root", tmp_path).code == 0
    assert path.read_bytes() == first
    other = ("--seed", 1, "--count", 600, "--out", tmp_path / "other.csv")
    assert bench("data", "draw", "voxceleb1", "--seen-identities", "--root", tmp_path, *other).code == 0
    assert len((tmp_path / "other.csv").read_text().splitlines()) == 601
    run = ("run", "--method", "copy-source", "--dataset", "voxceleb1-seen", "--root", tmp_path)
    assert "none of the 500 clips of" in bench(*run).complaint()


def test_another_list_of_clips_than_the_published_one(bench, tmp_path):
    write_people(tmp_path / "lists" / "vox-metadata.csv", 130)
    complaint = bench("data", "draw", "voxceleb1", "--seen-identities", "--root", tmp_path).complaint()
    assert "vox-metadata.csv is not there as it was published; bench data fetch-lists voxceleb1 --root" in complaint
    assert not (tmp_path / "lists" / "voxceleb1-seen.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hdtf",), "hdtf has no split of seen identities; voxceleb1 has one"),
        (("voxceleb1", "--task", "cross-identity"), "has no list for cross-identity; leave --task out"),
        (("voxceleb1", "--seed", 1), "name a file for another list with --out"),
        (("voxceleb1", "--root", "nowhere"), "bench data fetch-lists voxceleb1 --root "),
        (("demo",), "demo has no published lists"),
    ],
)
def test_bad_requests(bench, arguments, message):
    assert message in bench("data", "draw", *arguments, "--seen-identities").complaint()


def test_runs_and_training_without_the_split(bench, tmp_path):
    (tmp_path / "train").mkdir()
    data = ("--dataset", "voxceleb1-seen", "--root", tmp_path)
    remedy = f"bench data draw voxceleb1 --seen-identities --root {tmp_path}"
    assert remedy in bench("run", "--method", "copy-source", *data).complaint()
    assert remedy in bench("train", "--method", "mcnet@demo", *data, "--device", "cpu").complaint()
    assert datasets.card("voxceleb1-seen").resplit_of == "voxceleb1"
