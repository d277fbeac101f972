"""Frames that are scored once more: what differs, and what is taken for equal."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from talkbench.benchmark.verify.rescore import Agreement, Rescored, agreement
from talkbench.core.images import read_image, write_png
from talkbench.results import MetricSpec, Summary
from talkbench.results.record import FramesInfo


def test_a_changed_frame(run, verify):
    image = read_image(run / "frames" / "000003.png")
    write_png(run / "frames" / "000003.png", image // 2)
    figures = verify(run)
    names = {("frames", metric, name) for metric in ("l1", "psnr") for name in ("values", "mean")}
    assert figures.those("different") == {*names, ("frames", "spread", "mean")}
    assert (
        "15 of 16 pairs agree; different: 1, most of all pair 3 with " in figures["frames", "psnr", "values"]["reason"]
    )


def test_a_missing_frame(run, verify):
    (run / "frames" / "000003.png").unlink()
    figures = verify(run)
    assert figures.those("different") == set()
    unknown = {("frames", metric, name) for metric in ("l1", "psnr", "spread") for name in ("values", "mean")}
    assert figures.those("not checkable") == unknown
    assert figures["frames", "l1", "values"]["reason"].startswith("15 of 16 pairs agree; the frames of the others are ")


def test_frames_that_were_given(run, bench, clips, verify):
    shutil.move(run / "frames", "given")
    options = ("--name", "mine", "--dataset", "tiny", "--root", clips, "--metrics", "l1", "--save-frames")
    assert bench("run", "--frames", "given", *options, "--out", "scored").code == 0
    hashed = ("frames", "mine", "sha256")
    assert verify("scored", "--frames", "given")[hashed]["state"] == "equal"
    for path in Path("scored/frames").iterdir():
        path.write_bytes(path.read_bytes() + b"\0")  # as another encoder might
    copies = verify("scored")
    assert copies.those("not checkable") == {hashed}
    assert copies["frames", "l1", "mean"]["state"] == "equal"
    write_png(Path("given/000001.png"), np.zeros((48, 48, 3), np.uint8))
    assert {hashed, ("frames", "l1", "values")} <= verify("scored", "--frames", "given").those("different")
    shutil.rmtree("scored/frames")
    assert verify("scored")[hashed]["state"] == "not checkable"


def test_the_printed_digits():
    """Half a unit of the last one, on the printed scale; below 1e-6 of their size numbers are the same."""
    spec = MetricSpec(name="m", version=1, direction="lower", scale=100.0, decimals=1, backend="b")
    stored = pd.DataFrame({"pair": range(5), "metric": "m", "value": [0.5, 0.5, 0.5, 1e4, np.nan], "reason": "x"})
    values = [0.5 + 4e-7, 0.5004, 0.5006, 1e4 + 0.009, np.nan]
    found = stored.assign(value=values, reason=["", "y", "", "", "y"])
    stored, found = (rows.assign(weight=1.0) for rows in (stored, found))
    info = FramesInfo(sha256="", pairs=5, kinds={}, sizes={})
    result = Rescored(found, Summary(pairs=5, metrics=()), frozenset(range(5)), info, {})
    outcome = agreement(spec, stored, result)
    assert outcome == Agreement(2, 1, 2, 0, outcome.example)
    assert outcome.example == "pair 4 with x in the rows and y from its frame"
    heavier = Rescored(found.assign(weight=2.0), result.summary, result.scored, info, {})
    assert agreement(spec, stored, heavier).different == 5
