"""What extractors saw in a frame as lines and dots, and a run with the real models on real faces."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from metric_samples import mesh, rotation
from users_store import stored

from talkbench.benchmark.evaluation.seen import AXIS, DRAWN, seen
from talkbench.core.images import read_image
from talkbench.metrics import weights
from talkbench.metrics.mesh import CHIN, EYES, FOREHEAD, GAZE, LEFT, NOSE, RIGHT
from talkbench.reports.pages.seen import MARKS, TILE
from talkbench.reports.statistics.agreement import agreements

MODELS = ("dlib-landmarks", "face-landmarker")
PAIRS = 12


def blendshapes(down=(0, 0), inwards=(0, 0), out=(0, 0), up=(0, 0)):
    """Of a face of which nothing is known but where its left and its right eye look."""
    values = np.zeros(52, np.float32)
    values[GAZE] = [*down, *inwards, *out, *up]
    return values


def straight(*angles):
    """The mesh of a head that looks into the camera, or is turned by angles."""
    points = np.zeros((478, 3))
    points[[RIGHT, LEFT, FOREHEAD, CHIN]] = [(-40, -20, 0), (40, -20, 0), (0, -80, 0), (0, 80, 0)]
    for side, (iris, (_, inner)) in zip((1, -1), EYES, strict=True):
        points[[iris, inner]] = [(28 * side, -20, 0), (16 * side, -20, 0)]
    return (points @ rotation(*(angles or (0, 0, 0))).T + (128, 128, 0)).astype(np.float32)


def test_each_extractor_has_its_marks():
    draw = np.random.default_rng(0)
    features = {"fan68": 68, "dlib68": 68, "mtcnn5": 7}
    shapes = seen(
        {
            **{name: draw.uniform(0, 256, (count, 2)).astype(np.float32) for name, count in features.items()},
            **{"mp478": mesh(draw), "mp52": draw.uniform(0, 1, 52), "dlib128": np.zeros(128)},
        }
    )
    assert list(shapes) == [name for names in DRAWN.values() for name in names]
    assert set(shapes) == set(MARKS)
    assert {MARKS[mark].extractor for mark in shapes} == set(DRAWN)
    for name in ("fan68", "dlib68", "mp68"):
        assert (len(shapes[name].lines), shapes[name].dots.shape) == (9, (68, 2))
    assert seen({"dlib128": np.zeros(128)}) == {}
    blind = seen({"mp478": None, "mp52": None})
    assert set(blind) == {*DRAWN["mp478"], *DRAWN["mp52"]}
    assert not any(blind.values())


@pytest.mark.parametrize(
    ("angles", "left", "down", "ahead"),
    [
        ((0, 0, 0), (1, 0), (0, 1), (0, 0)),
        ((0, 0, 90), (0, 1), (-1, 0), (0, 0)),  # the head lies on its left side
        ((30, 0, 0), (1, 0), (0, 0.866), (0, 0.5)),  # it looks down
        ((0, 30, 0), (0.866, 0), (0, 1), (-0.5, 0)),  # it looks to the left of the image
    ],
)
def test_the_head_s_axes_begin_at_the_nose(angles, left, down, ahead):
    points = straight(*angles)
    shapes = seen({"mp478": points})
    for name, axis in (("left", left), ("down", down), ("ahead", ahead)):
        ((start, end),) = shapes[name].lines
        np.testing.assert_allclose(start, points[NOSE, :2] / 256)
        np.testing.assert_allclose((end - start) / AXIS, axis, atol=2e-3)


@pytest.mark.parametrize(
    ("look", "direction"),
    [
        ({"out": (0.5, 0), "inwards": (0, 0.5)}, (0.5, 0)),  # to the person's left
        ({"out": (0, 0.5), "inwards": (0.5, 0)}, (-0.5, 0)),
        ({"down": (1, 1)}, (0, 1)),
        ({"up": (1, 1)}, (0, -1)),
    ],
)
def test_the_gaze_begins_at_the_irises(look, direction):
    points = straight()
    lines = seen({"mp478": points, "mp52": blendshapes(**look)})["gaze"].lines
    for line, (iris, (outer, inner)) in zip(lines, EYES, strict=True):
        width = np.linalg.norm(points[outer] - points[inner]) / 256
        np.testing.assert_allclose(line[0], points[iris, :2] / 256)
        np.testing.assert_allclose((line[1] - line[0]) / width, direction, atol=1e-6)


@pytest.fixture
def run(bench, demo, tmp_path, monkeypatch):
    """Runs a method on pairs of the demo, with the models in place."""
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "home"))
    for name in MODELS:
        file = weights.files()[name]
        path = weights.store() / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(stored(file.path, weights.remedy(file)))
    data = ("run", "--dataset", "demo", "--root", demo.root, "--out", "run")
    return lambda method, *options: bench(*data, "--method", method, *options)


def test_the_two_families_of_landmarks_agree(run, bench):
    """Over frames good and bad; among good ones alone, errors are hardly larger than what each model errs by itself."""
    metrics = ("--metrics", "akd@dlib68,akd@mp68", "--image-size", 128, "--limit", PAIRS)
    still, moved = (run(method, *metrics, "--out", method) for method in ("copy-source", "mcnet"))
    assert (still.code, moved.code) == (0, 0), still.err + moved.err
    rows = pd.concat([still.store.rows(), moved.store.rows().assign(pair=lambda table: table["pair"] + PAIRS)])
    (both,) = agreements(moved.record.metrics, rows)
    assert both.pairs >= 1.5 * PAIRS  # the demo's weights make no face of some people whom they do not know
    assert min(both.spearman, both.pearson) >= 0.9
    (line,) = [line for line in bench("show", "copy-source").out.splitlines() if line.startswith("akd@dlib68 and akd")]
    pairs, spearman, pearson = line.split()[3:]
    assert pairs == str(PAIRS)
    assert min(float(spearman), float(pearson)) >= 0.9
    page = Path("copy-source/index.html").read_text()
    assert f'<td class="number">{spearman}</td><td class="number">{pearson}</td>' in page


def test_the_page_shows_what_was_seen_in_the_shown_pairs(run):
    result = run("copy-source", "--metrics", "l1,akd@dlib68,gaze-mae@mp52", "--limit", 2)
    pictures = Path("run/pictures/seen")
    assert [path.name for path in sorted(pictures.iterdir())] == ["000000.png", "000001.png"]
    assert read_image(pictures / "000000.png").shape == (TILE, 4 * TILE, 3)
    page = (result.store.folder / "index.html").read_text()
    assert page.count('src="pictures/seen/') == 2
    legend = re.findall(r"</svg>([^<(]+) \((\w+)\)</li>", page)
    assert {extractor for _, extractor in legend} == {"dlib68", "mp478", "mp52"}
    assert "mtcnn5" not in page


def test_without_landmarks_there_is_no_such_picture(run):
    result = run("copy-source", "--metrics", "l1", "--limit", 2)
    assert [path.name for path in sorted(Path("run/pictures").iterdir())] == ["000000.png", "000001.png"]
    assert "What the extractors saw" not in (result.store.folder / "index.html").read_text()
