"""A run to verify, and its figures."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from talkbench import metrics
from talkbench.metrics import Extractor, Metric, extractors


class Figures(dict):
    """Figures by part, subject and name."""

    def those(self, state: str) -> set[tuple[str, str, str]]:
        return {key for key, item in self.items() if item["state"] == state}


class Mean(Extractor):
    """The mean colour; dark frames have none."""

    name, id = "mean", "mean@1"

    def extract(self, images, base=None):
        means = images.mean(dim=(2, 3)).cpu().numpy()
        return [mean if mean.max() > 0.05 else None for mean in means]


class Spread(Metric):
    """Difference of the spreads of all colours."""

    name, direction, range, decimals, extractor = "spread", "lower", (0.0, 1.0), 3, "mean"
    aggregation, needs_truth = "set", False

    def compare(self, generated, target):
        return np.array([abs(float(generated.std()) - float(target.std()))])


@pytest.fixture(autouse=True)
def registered(place, monkeypatch):
    monkeypatch.setitem(metrics.registry._factories, "spread", Spread)
    extractors.registry.names()
    monkeypatch.setitem(extractors.registry._factories, "mean", Mean)


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("made") / "run"


@pytest.fixture
def run(score, made) -> Path:
    """The folder of a run with its frames."""
    if not made.exists():
        result = score("--metrics", "l1,psnr,spread", "--save-frames", "--out", made)
        assert result.code == 0, result.err
    return Path(shutil.copytree(made, "run"))


@pytest.fixture
def verify(bench, clips):
    """Verifies a result: the exit code, and the figures by part, subject and name."""

    def call(folder, *options):
        result = bench("verify", folder, "--root", clips, "--json", *options)
        assert result.code in (0, 1), result.err
        (only,) = json.loads(result.out)["results"]
        figures = Figures({(item["part"], item["subject"], item["name"]): item for item in only["figures"]})
        assert len(figures) == sum(only["counts"].values()) == len(only["figures"])
        assert (result.code == 1) == (only["counts"]["different"] > 0)
        assert all(item["reason"] for item in only["figures"] if item["state"] == "not checkable")
        return figures

    return call
