"""`bench data lists`, `fetch-lists` and `draw`, and runs on the published data sets."""

import hashlib
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import synthetic_sets
import torch
from file_server import FileServer, serving
from raw_videos import write_hdtf

from talkbench import datasets
from talkbench.benchmark.evaluation.leakage import leakage
from talkbench.benchmark.evaluation.trainings import read_training
from talkbench.datasets import Frame, Pair, official_lists
from talkbench.datasets.external import ExternalDataset
from talkbench.datasets.pairs import write_pairs
from talkbench.datasets.preparation.hdtf import GROUPS
from talkbench.methods.cards import Weights
from talkbench.methods.checkpoints import save_states

HDTF = datasets.create("hdtf").files
OFFICIAL = tuple(HDTF)


@pytest.fixture
def server(monkeypatch, tmp_path) -> Iterator[FileServer]:
    """Publishes the lists of a small HDTF as the authors' repository publishes theirs; its card knows their sha256."""
    made = synthetic_sets.make(tmp_path / "made", "hdtf", pairs=4, clips=3, frames=4, size=16) / "lists"
    for group in GROUPS:
        write_hdtf(made, group, {f"{group}1": "CPCoMyuBRM0"})
    contents = {slug: (made / HDTF[slug].file).read_bytes() for slug in OFFICIAL}
    card = datasets.create("hdtf").card_path.read_text()
    for slug in OFFICIAL:
        card = card.replace(HDTF[slug].sha256, hashlib.sha256(contents[slug]).hexdigest())
    (tmp_path / "hdtf.yaml").write_text(card)
    factory = partial(ExternalDataset, card=tmp_path / "hdtf.yaml")
    monkeypatch.setitem(datasets.registry._factories, "hdtf", factory)
    with serving() as published:
        monkeypatch.setattr(official_lists, "RAW", published.url)
        for slug in OFFICIAL:
            published.files[HDTF[slug].url.removeprefix(published.url)] = contents[slug]
        yield published


def statuses(text):
    return [re.split(r"\s{2,}", line)[4] for line in text.splitlines()[1:] if line.startswith("hdtf ")]


def test_lists_of_all_data_sets(bench):
    lines = bench("data", "lists").out.splitlines()
    assert re.split(r"\s{2,}", lines[0].strip()) == ["data set", "list", "task", "rows", "status", "url"]
    rows = {tuple(re.split(r"\s{2,}", line.strip())[1:5]) for line in lines[1:]}
    assert ("hdtf *", "same-identity", "2083", "missing") in rows
    assert ("voxceleb1-fomm", "cross-identity", "498", "missing") in rows
    assert ("ted-metadata", "metadata", "1320", "missing") in rows
    assert sum("githubusercontent" in line for line in lines) == 15 + 12
    named = bench("data", "lists", "hdtf").out
    assert "20 clips of a test split" in named
    assert "celebv" not in named


def test_lists_are_fetched_checked_and_stored(bench, server, tmp_path):
    root = tmp_path / "data root"
    assert statuses(bench("data", "lists", "hdtf", "--root", root).out) == ["missing"] * 15
    result = bench("data", "fetch-lists", "hdtf", "--root", root)
    assert (result.code, result.err) == (0, "")
    assert (root / "lists" / "HDTF_cross_id_v2 copy.csv").read_bytes() in server.files.values()
    assert any("%20" in path for path, _ in server.requests)
    assert statuses(bench("data", "lists", "hdtf", "--root", root).out) == ["there"] * 15
    asked = len(server.requests)
    assert bench("data", "fetch-lists", "hdtf", "--root", root).code == 0
    assert len(server.requests) == asked
    (root / "lists" / "HDTF_test_evaluation.csv").write_text("changed")
    assert statuses(bench("data", "lists", "hdtf", "--root", root).out) == ["there", "other content"] + ["there"] * 13
    (tmp_path / "raw").mkdir()
    result = bench("data", "prepare", "hdtf", "--raw", tmp_path / "raw", "--out", root)
    assert (result.code, result.out.splitlines()[:3]) == (
        1,
        [
            f"list    {root / 'lists'}   (the official ones of hdtf)",
            "        3 clips of 1 videos, 0 of them not usable",
            "made    0 of 3 clips",
        ],
    )


def test_another_file_is_not_kept(bench, server, tmp_path):
    path = next(iter(server.files))
    server.files[path] += b"more"
    result = bench("data", "fetch-lists", "hdtf", "--root", tmp_path / "data")
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert "is not the published HDTF_test_evaluation_new.csv: it has the sha256" in result.err
    assert statuses(bench("data", "lists", "hdtf", "--root", tmp_path / "data").out) == ["missing"] + ["there"] * 14


def test_without_a_network(bench, monkeypatch, tmp_path):
    monkeypatch.setattr(official_lists, "RAW", "http://127.0.0.1:9")
    result = bench("data", "fetch-lists", "celebv", "--root", tmp_path)
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert "http://127.0.0.1:9/harlanhong/ICCV2023-MCNET/9a08e22b" in result.err
    assert f"put it into {tmp_path / 'lists'}" in result.err
    assert not list(tmp_path.rglob("*.csv"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lists", "--root", "x"), "name the data set"),
        (("lists", "demo"), "demo has no published lists"),
        (("lists", "hdft"), "did you mean hdtf"),
        (("fetch-lists", "voxceleb2"), "draw them: bench data draw voxceleb2"),
        (("draw", "hdtf", "--out", "x.csv"), "name the task of its list"),
        (("draw", "voxceleb2", "--root", "none"), "voxceleb2: there is no folder"),
        (("draw", "voxceleb2", "--root", "."), "voxceleb2: there is no clip in"),
    ],
)
def test_bad_requests(bench, arguments, message):
    result = bench("data", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_voxceleb2_is_drawn(bench, tmp_path):
    root = synthetic_sets.make(tmp_path / "vox2", "voxceleb2", clips=4, frames=3, size=16)
    run = ("run", "--method", "copy-source", "--dataset", "voxceleb2", "--root", root, "--metrics", "l1", "--limit", 4)
    draw = ("data", "draw", "voxceleb2", "--root", root)
    assert "bench data draw voxceleb2 --root" in bench(*run).err
    assert bench(*draw).code == 0
    first, cross = ((root / "lists" / name).read_bytes() for name in ("voxceleb2-tb1.csv", "voxceleb2-tb1-cross.csv"))
    assert (len(first.splitlines()), len(cross.splitlines())) == (2084, 2084)
    assert bench(*draw).code == 0
    assert (root / "lists/voxceleb2-tb1.csv").read_bytes() == first
    assert "name a file for another list with --out" in bench(*draw, "--seed", 1).err
    out = tmp_path / "other.csv"
    assert bench(*draw, "--task", "same-identity", "--seed", 1, "--out", out).code == 0
    assert out.read_bytes() != first
    assert bench(*run).code == 0
    assert bench(*run, "--task", "cross-identity").code == 2  # l1 has no truth there


def test_run_on_a_published_set(bench, tmp_path, monkeypatch):
    """Whole lists with clips missing: the run says so and ends; a list is named by what it is."""
    synthetic_sets.accept(monkeypatch)
    root = synthetic_sets.make(tmp_path / "hdtf", "hdtf", pairs=6, clips=3, frames=4, size=32)
    shutil.rmtree(next(root.glob("WDA*0_000.mp4")))
    run = ("run", "--method", "copy-source", "--dataset", "hdtf", "--root", root, "--metrics", "l1")
    result = bench(*run, "--pairs", "hdtf-all", "--out", "run")
    assert result.code == 0
    assert "HDTF_test_evaluation.csv is the official list hdtf-all of hdtf" in result.err
    assert "missing-clip" in result.out + result.err
    own = bench(*run, "--pairs", root / "lists/HDTF_test_evaluation.csv", "--out", "own")
    assert "HDTF_test_evaluation.csv is not an official list" in own.err


def test_what_a_method_may_have_seen(tmp_path, monkeypatch):
    """Published weights from the same data set, and pairs that are of no known test part."""
    synthetic_sets.accept(monkeypatch)
    data = datasets.create("voxceleb1", synthetic_sets.make(tmp_path, "voxceleb1", pairs=2, clips=3, frames=4, size=8))
    official_lists = data.split("same-identity")
    own = data.split("same-identity", pairs=data.root / "lists/vox_evaluation.csv")
    weights = Weights("mcnet", tmp_path / "00000099-checkpoint.pth.tar", "a link")
    assert [leakage(weights, split).words for split in (official_lists, official_lists.head(1))] == ["", ""]
    assert "was trained on voxceleb1, and these pairs are not known to be" in leakage(weights, own).words
    assert leakage(weights, own, given=True).words == ""
    assert leakage(replace(weights, method="tpsm@ted-384"), own).words == ""


def test_what_weights_have_seen_of_the_split_anew(tmp_path, monkeypatch):
    """There people are meant to be seen, and the clips are not: those who trained on all clips have seen them."""
    synthetic_sets.accept(monkeypatch)
    root = synthetic_sets.make_training(tmp_path, "voxceleb1", frames=4, size=8)
    (clip, *_) = (Path(name).name for name in synthetic_sets.training_names("voxceleb1"))
    pairs = [Pair(Frame(clip, 0), Frame(clip, 1))]
    write_pairs(root / "lists" / "voxceleb1-seen.csv", pairs)
    split = datasets.create("voxceleb1-seen", root).split("same-identity")
    published = Weights("mcnet", tmp_path / "00000099-checkpoint.pth.tar", "a link")
    assert "was trained on voxceleb1, with the very clips of these pairs" in leakage(published, split).words
    for trained, seen in (("voxceleb1", True), ("voxceleb1-seen", False), ("hdtf", False)):
        path = tmp_path / f"{trained}.safetensors"
        save_states({"net": {"weight": torch.zeros(1)}}, path, {"config": {"dataset": trained}})
        weights = Weights("mcnet", path, "given")
        assert leakage(weights, split, read_training(weights), given=True).frames == seen


def test_run_without_the_data(bench):
    result = bench("run", "--method", "copy-source", "--dataset", "hdtf")
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert "hdtf: there is no folder" in result.err
    assert "https://github.com/MRzzm/HDTF" in result.err
    assert "--root" in result.err


@pytest.fixture
def plugin(place, monkeypatch):
    """Installs a package with data sets in the way of CONTRIBUTING.md: each a card, and a line of Python."""

    def install(**cards):
        package = place / "plugin"
        info = package / "cards-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cards\nVersion: 1.0\n")
        points = "".join(f"{name} = cards_of_mine:{name}\n" for name in cards)
        (info / "entry_points.txt").write_text(f"[talkbench.datasets]\n{points}")
        line = '{0} = partial(ExternalDataset, card=Path(__file__).with_name("{0}.yaml"))\n'
        (package / "cards_of_mine.py").write_text(
            "from functools import partial\nfrom pathlib import Path\n"
            "from talkbench.datasets.external import ExternalDataset\n" + "".join(map(line.format, cards))
        )
        for name, card in cards.items():
            if card:
                (package / f"{name}.yaml").write_text(card)
        monkeypatch.syspath_prepend(str(package))
        return package

    yield install
    sys.modules.pop("cards_of_mine", None)


def test_a_package_of_cards(bench, plugin, tmp_path, monkeypatch, caplog):
    """One that is whole is listed, split and verified; the others are named once, with the file and what is wrong."""
    synthetic_sets.accept(monkeypatch)
    card = (Path(datasets.__file__).parent / "sets" / "celebv.yaml").read_text()
    whole = card.replace("name: celebv", "name: faces").replace("short: ", "short: mine, ")
    package = plugin(faces=whole, typo=card.replace("name: celebv\ntitle", "name: typo\ntitel"), cardless=None)
    lines = [" ".join(line.split()) for line in bench("list", "datasets").out.splitlines()]
    listed = dict(line.split(maxsplit=1) for line in lines)
    assert {"celebv", "hdtf", "tiny"} < set(listed)
    assert listed["faces"].startswith("cross-identity mine, images of five public figures")
    assert not {"typo", "cardless"} & set(listed)
    left_out = "\n".join(caplog.messages)
    fault = f"{package / 'typo.yaml'} does not fit: unknown key 'titel': did you mean title"
    assert f"dataset 'typo' is left out: {fault}" in left_out
    assert f"dataset 'cardless' is left out: there is no card {package / 'cardless.yaml'}; write one" in left_out
    assert re.search(r"^faces +celebv \*", bench("data", "lists").out, re.MULTILINE)
    assert (
        bench("run", "--method", "copy-source", "--dataset", "cardless")
        .complaint()
        .startswith("bench: there is no card")
    )
    root = synthetic_sets.make(tmp_path / "faces", "celebv", pairs=4, clips=3, frames=4, size=16)
    result = bench("data", "verify", "faces", "--root", root)
    assert (result.code, result.out.splitlines()[0]) == (
        0,
        "faces cross-identity: 4 of 4 pairs (100.0 %) can be evaluated",
    )


def test_cards_of_data_sets_are_shown(bench):
    shown = bench("show", "dataset", "hdtf").out
    for part in ("HDTF", "CC BY 4.0", "https://github.com/MRzzm/HDTF", "512x512", "hdtf-all", "lacks the separator"):
        assert part in shown
    assert "reconstruction" in bench("show", "dataset", "demo").out
    assert "did you mean hdtf" in bench("show", "dataset", "hdft").err
