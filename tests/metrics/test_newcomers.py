"""What a new metric and a new extractor take: a module each, a file's lines in ``weights.yaml``, nothing elsewhere."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BENCH = """\
import sys
from talkbench.benchmark.cli.main import main
for command in sys.argv[1:]:
    sys.argv = ["bench", *command.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (command, end.code)
    print("end of", command)
"""
"""Runs the commands that are its arguments one after the other: each a process would import everything anew."""

BRIGHTNESS = '''\
"""How unlike the brightness of two images is."""

from talkbench.metrics import registry
from talkbench.metrics.pixel import ImageMetric, luma


@registry.register("brightness")
class Brightness(ImageMetric):
    """Absolute difference of the mean luma of images in [0, 1]."""

    name, direction, range, decimals = "brightness", "lower", (0.0, 1.0), 4

    def formula(self, a, b):
        return (luma(a) - luma(b)).mean(dim=(1, 2, 3)).abs()
'''

TONE = '''\
"""How unlike the tones of two frames are."""

from talkbench.metrics import registry
from talkbench.metrics.interface import Metric
from talkbench.metrics.joints import squared_difference


@registry.register("tone")
class Tone(Metric):
    """Squared distance of the tones of two frames."""

    name, direction, range, decimals, extractor = "tone", "lower", (0.0, 1e6), 3, "tones"

    def compare(self, generated, target):
        return squared_difference(generated, target)
'''

TONES = '''\
"""Tones of a frame."""

from functools import cached_property

import torch
from talkbench.core.errors import TalkbenchError
from talkbench.metrics.extractors import registry
from talkbench.metrics.interface import Extractor
from talkbench.metrics.networks import fill, isolated, read_state
from torch import nn


@registry.register("tones")
class Tones(Extractor):
    """What a convolution sees, mean over the frame: float32 (8,). None: values that are not finite."""

    name = "tones"
    weights = ("tones",)

    @property
    def id(self):
        return self.identity("mean")

    def extract(self, images, base=None):
        with isolated():
            tones = self._network(images.to(self.device, torch.float32)).mean(dim=(2, 3)).cpu().numpy()
            return [row if image.isfinite().all() else None for row, image in zip(tones, images)]

    @cached_property
    def _network(self):
        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        what = "the network of tones"
        return fill(nn.Conv2d(3, 8, 5), read_state("tones", what), "tones", what).to(self.device)
'''

WEIGHTS = """\
tones:
  path: lab/tones.pth
  url: https://lab.example/tones.pth
  licence: MIT
"""


def linked(folder: Path, source: Path, *own: str) -> None:
    """A folder with links to all that is in `source`, but for what it is to have of its `own`."""
    folder.mkdir(parents=True)
    for path in source.iterdir():
        if path.name not in own and not path.name.startswith("."):
            (folder / path.name).symlink_to(path)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs Python in a tree that has the newcomers; takes its arguments, returns what it prints."""
    place = tmp_path_factory.mktemp("tree")
    tree = place / "talkbench"
    linked(tree, ROOT, "metrics", "tests")
    linked(tree / "metrics", ROOT / "metrics", "extractors", "weights.yaml")
    linked(tree / "metrics" / "extractors", ROOT / "metrics" / "extractors")
    (tree / "metrics" / "brightness.py").write_text(BRIGHTNESS)
    (tree / "metrics" / "tone.py").write_text(TONE)
    (tree / "metrics" / "extractors" / "tones.py").write_text(TONES)
    (tree / "metrics" / "weights.yaml").write_text((ROOT / "metrics" / "weights.yaml").read_text() + WEIGHTS)
    environment = {**os.environ, "PYTHONPATH": str(place), "TALKBENCH_HOME": str(place / "home")}

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        result = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return run


@pytest.mark.parametrize("module", [BRIGHTNESS, TONE])
def test_a_metric_is_fifteen_lines(module: str) -> None:
    assert len(module.splitlines()) <= 15


def test_newcomers_are_listed_with_their_files(python: Callable[..., str]) -> None:
    commands = ("list metrics", "show tone", "weights list")
    rest, printed = python("-c", BENCH, *commands), []
    for command in commands:
        said, _, rest = rest.partition(f"end of {command}\n")
        printed.append(said)
    listed, shown, files = printed
    rows = listed.splitlines()
    (brightness,) = (row for row in rows if row.startswith("brightness "))
    (tone,) = (row for row in rows if row.startswith("tone "))
    assert brightness.rstrip().endswith("lower         Absolute difference of the mean luma of images in [0, 1].")
    assert tone.split()[1] == "✗", "its file is not here"
    assert "tones.pth" in shown
    (row,) = (row for row in files.splitlines() if row.startswith("tones "))
    assert row.split()[1] == "tone"
    assert row.split()[2].endswith("home/weights/metrics/lab/tones.pth")


def test_newcomers_pass_what_every_metric_and_extractor_must(python: Callable[..., str]) -> None:
    """The tests of every metric and extractor hold them too, with made-up weights, and need no entry for them."""
    room = ROOT / "tests" / "metrics"
    tests = [room / "test_every_metric.py", room / "extractors" / "test_every_extractor.py"]
    options = ["-p", "no:cacheprovider", f"--rootdir={ROOT}", "-k", "brightness or tone or file_can_be_filled"]
    printed = python("-m", "pytest", "-vv", *options, *map(str, tests))
    for name in ("brightness", "tone", "tones"):
        assert len(re.findall(rf"[\[-]{name}[\]-].* PASSED", printed)) > 5, printed
    assert "SKIPPED" not in printed
