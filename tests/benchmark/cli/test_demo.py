"""The demo as a new user runs it, on fewer pairs."""

import shutil

import numpy as np
import pytest

from talkbench.core.images import read_image
from talkbench.datasets.pairs import write_pairs

PAIRS = 30
KNOWN = {"wolfgang-langer", "single-face"}
"""The people that the weights have seen."""


@pytest.fixture
def run_demo(bench, demo, place):
    """Runs a method on the first same-identity pairs of the two people that mcnet@demo was trained on."""
    known = [pair for pair in demo.split("same-identity") if pair.source.clip in KNOWN]
    write_pairs(place / "known.csv", known[:PAIRS])
    return lambda method, *options: bench(
        *("run", "--method", method, "--dataset", "demo", "--root", demo.root, "--pairs", "known.csv"), *options
    )


def test_mcnet_animates(run_demo):
    """The demo weights stand in for the official ones, aloud, and beat no motion at all by far."""
    result = run_demo("mcnet")
    assert result.code == 0, result.err
    note, warning = [line for line in result.err.splitlines() if "mcnet" in line]
    assert note.startswith("warning: no official checkpoint of mcnet, 00000099-checkpoint.pth.tar")
    assert note.endswith("using the small mcnet@demo instead")
    assert warning == "mcnet@demo was trained on other frames of 2 of the 2 clips of these pairs"
    record = result.record
    assert (record.method.name, record.dataset.image_size) == ("mcnet@demo", 128)
    assert record.method.origin.startswith("ships with talkbench")
    assert len(record.method.checkpoint_sha256) == 64
    assert record.method.settings["noise"] == "zero"
    names = ["l1", "psnr", "ssim@gauss11-valid", "akd@mtcnn5", "missing-face-rate@mtcnn5"]
    assert [spec.name for spec in record.metrics] == names
    still = run_demo("copy-source", "--image-size", 128, "--metrics", "l1,akd@mtcnn5", "--out", "still").summary
    for name, share in (("l1", 0.75), ("akd@mtcnn5", 0.6)):
        assert result.summary.metric(name).pairs > 0.95 * PAIRS
        assert result.summary.metric(name).mean <= share * still.metric(name).mean
    assert "ships with talkbench" in (result.store.folder / "index.html").read_text()


def test_the_oracle_is_perfect(run_demo):
    summary = run_demo("oracle", "--limit", 20).summary
    found = {result.metric: result.mean for result in summary.metrics}
    assert found == {
        "l1": 0,
        "psnr": 100,
        "ssim@gauss11-valid": pytest.approx(1),
        "ms-ssim": pytest.approx(1),
        "akd@mtcnn5": 0,
        "missing-face-rate@mtcnn5": 0,
    }


def test_a_face_is_animated(bench, demo, place):
    """As in the README, with a still of one clip and the frames of the other."""
    source = demo.root / "single-face" / "0000008.png"
    driving = place / "driving"
    driving.mkdir()
    for file in sorted((demo.root / "wolfgang-langer").iterdir())[24:34]:
        (driving / file.name).symlink_to(file)
    command = ("animate", "--method", "mcnet", "--source", source, "--driving", driving, "--out", "result.mp4")
    result = bench(*command)
    assert result.code == 0, result.err
    assert result.out == "video   result.mp4   (10 frames, 128x128)\n"
    assert (place / "result.mp4").stat().st_size > 2000


def test_the_best_frame_of_a_driver_is_the_source_itself(bench, demo, place):
    """Among a few frames of a clip, the one that is the source has its pose; motion since it moves nothing there."""
    clip = demo.root / "single-face"
    images = sorted(clip.iterdir())[:40:8]
    driving = place / "driving"
    driving.mkdir()
    for number, image in enumerate(images):
        shutil.copy(image, driving / f"{number}{image.suffix}")
    command = ("animate", "--method", "mcnet", "--source", images[3], "--driving", driving, "--out", "best.mp4")
    result = bench(*command, "--motion", "relative-best", "--frames", "best")
    assert result.code == 0, result.err
    assert "best frame 3 of 5, by the landmarks mtcnn5" in result.err
    assert bench(*command, "--motion", "absolute", "--frames", "absolute").code == 0
    moved, direct = (read_image(place / folder / "0000003.png").astype(int) for folder in ("best", "absolute"))
    assert np.abs(moved - direct).max() <= 1
