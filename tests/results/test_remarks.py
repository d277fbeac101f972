"""What a reviewer should look at in a sound entry."""

from dataclasses import replace
from pathlib import Path

import pytest
from site_entries import write

from talkbench.core.cards import MetricCard
from talkbench.results.checks.plausibility import Expected
from talkbench.results.remarks import remarks

KNOWN = Expected(
    cards={name: MetricCard(name=name) for name in ("l1", "psnr")}, protocol=("l1", "psnr", "fid"), pairs=200
)
LEARNT = {"checkpoint": "vox.pth.tar", "checkpoint_sha256": "a" * 64}
PROTOCOL = {"name": "talkbench-1", "sha256": "b" * 64}
WHOLE = {"stored_sizes": {"256x256": 200}, "data_id": "0123456789ab"}
DETAILS = {"label": "MCNet", "training_data": "voxceleb1", "licence": "MIT"}


def test_nothing_to_look_at(tmp_path: Path) -> None:
    entry = write(
        tmp_path, "mine", pairs=200, clips=9, metrics=("l1", "psnr"), details=DETAILS, info=LEARNT, data=WHOLE,
        protocol=PROTOCOL,
    )  # fmt: skip
    assert remarks(entry, replace(KNOWN, protocol=("l1", "psnr"))) == []


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ({"pairs": 6}, "6 of 200 pairs"),
        ({"clips": 2}, "only 2 driving clips"),
        ({}, "2 of 3 metrics of talkbench-1"),
        (
            {"unavailable": [{"name": "fid", "reason": "no file"}]},
            "2 of 3 metrics of talkbench-1 (1 could not be computed)",
        ),
        ({"protocol": None}, "no protocol"),
        ({"details": {**DETAILS, "training_data": ""}}, "training data not stated"),
        ({"details": {**DETAILS, "licence": ""}}, "licence not stated"),
        ({"details": {**DETAILS, "leakage": True}}, "the weights may have seen these people or clips"),
        ({"details": {**DETAILS, "label": "Ours"}}, "label 'Ours' differs from the method 'mcnet@demo'"),
        ({"pictured": ()}, "no thumbnails"),
        ({"info": {**LEARNT, "ranked": False}}, "a yardstick, not ranked"),
        ({"git": {"commit": "c" * 40, "dirty": True}}, "made with changes to talkbench that are not committed"),
        ({"data": {"stored_size": "178x218"}}, "frames of 178x218 resized to 256x256"),
        ({"data": {"stored_sizes": {"178x218": 3}}}, "frames of 178x218 resized to 256x256"),
        ({"data": {"stored_size": "256x256"}}, "no data id, so nothing says which frames these were"),
        ({"data": {}}, "size of the stored frames not recorded"),
        ({"data": {**WHOLE, "pairs_file": "mine.csv"}}, "a pair list of its own, mine.csv"),
        ({"precision": "bfloat16"}, "computed in bfloat16"),
        ({"metrics": ("l1", "psnr", "akd@mtcnn5")}, "not known here, so not checked: akd@mtcnn5"),
        ({"metrics": ("psnr@uint8-wrap",)}, "metrics that do not rank: psnr@uint8-wrap"),
        ({"values": {"l1": ["undecodable-frame"] * 20 + [0.1] * 180}}, "l1: 20 pairs failed"),
        ({"values": {"l1": ["undecodable-frame"] * 200}}, "no value of l1"),
        (
            {"values": {"l1": ["no-face-generated"] * 20 + [0.1] * 180}},
            "l1: 10% of the generated frames show no face or body",
        ),
        (
            {"values": {"l1": ["no-face-target"] * 20 + [0.1] * 180}},
            "l1: 10% of the real frames show no face or body",
        ),
    ],
)  # fmt: skip
def test_each_is_said(tmp_path: Path, changes: dict, remark: str) -> None:
    usual = {
        "pairs": 200, "clips": 9, "metrics": ("l1", "psnr"), "details": DETAILS, "info": LEARNT, "data": WHOLE,
        "protocol": PROTOCOL,
    }  # fmt: skip
    assert remark in remarks(write(tmp_path, "mine", **{**usual, **changes}), KNOWN)
