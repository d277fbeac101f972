"""`bench list`: methods, metrics and data sets, other people's included."""

import re

import pytest

from talkbench import datasets, metrics

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def listed(result) -> dict[str, str]:
    """By name, the rest of the line; the line below the list by its sign."""
    assert result.code == 0, result.err
    return {line.split()[0]: line.partition(" ")[2].strip() for line in result.out.splitlines()[1:]}


def test_methods_are_listed_on_a_line_each(bench):
    methods = listed(bench("list", "methods"))
    assert {"blend", "copy-source", "mcnet", "mcnet@demo", "oracle"} <= set(methods)
    assert methods["copy-source"] == "No motion at all: the source image for every driving frame"
    assert methods["mcnet"].split()[:2] == ["2023", "✗"]
    assert methods["mcnet@demo"].split()[:2] == ["2023", "✓"]
    assert methods["blend"] == "The mean of source and driving frame"


def test_ablations_are_listed_last_and_only_when_asked_for(bench):
    """And last of all these at demo size; the small model of each method stands beside its others."""
    models, everything = (list(listed(bench("list", "methods", *more))) for more in ((), ("--all",)))
    assert not {"mcnet@pe10", "mcnet@full", "fomm@memory", "mcnet@pe10-demo"} & set(models)
    assert models.index("fomm") < models.index("fomm@demo-memory") < models.index("fomm@taichi")
    assert models.index("x2face") < models.index("copy-source") < models.index("marionette")
    assert everything.index("marionette") < everything.index("fomm@memory") < everything.index("mcnet@pe10")
    assert everything.index("tpsm@memory") < everything.index("mcnet@pe10-demo")
    small = sum("demo" in name for name in {*everything} - {*models})
    full = len(everything) - len(models) + 1 - small  # but for the line that says so
    line = f"{full} rows of ablation tables, and {small} at demo size, are not shown: bench list methods --all"
    assert line in bench("list", "methods").out


def test_metrics_are_listed_with_what_they_need(bench, monkeypatch):
    from talkbench.metrics.extractors.mtcnn import Mtcnn5

    found = listed(bench("list", "metrics"))
    assert set(found) - {"✗:"} == {metrics.create(name).variant for name in metrics.registry.names()}
    assert found["psnr"].startswith("✓      higher  dB")
    assert found["✗:"].endswith("cannot be computed here; bench show NAME says what is missing")
    monkeypatch.setattr(Mtcnn5, "problem", lambda self: "needs a file")
    assert listed(bench("list", "metrics"))["akd@mtcnn5"].startswith("✗ ")
    assert "needs a file" in bench("show", "akd@mtcnn5").out


def test_what_can_be_listed_is_listed(bench):
    kinds = bench("list")
    assert kinds.code == 0
    for kind in ("methods", "metrics", "extractors", "datasets", "protocols", "tables", "recipes"):
        assert f"bench list {kind}" in kinds.out
        lists = [bench("list", word).out for word in (kind, kind.removesuffix("s"), kind.upper())]
        assert len(set(lists)) == 1
        assert lists[0].startswith("name")
    complaint = bench("list", "poems").complaint()
    assert "choose one of methods, metrics, extractors, datasets, protocols, tables, recipes" in complaint


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("list methods --all", "facevid2vid@vox-256-original"),
        ("list metrics", "ssim@gauss11-zeropad-f32"),
        ("list datasets", "ted-talks"),
        ("show mcnet", "kp_detector"),
        ("weights list", "facevid2vid@vox-256-beta"),
        ("data lists", "hdtf-cross"),
        ("data lists hdtf", "hdtf-cross"),
        ("tables --published --table 1a --format terminal", "face-vid2vid"),
    ],
)
def test_a_narrow_terminal_folds_texts_and_leaves_names_whole(bench, monkeypatch, command, name):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    lines = [ANSI.sub("", line).rstrip() for line in bench(*command.split()).out.splitlines()]
    assert max(len(line) for line in lines if "kept in" not in line) <= 60  # but for a path, to be copied in one piece
    assert name in {word for line in lines for word in line.split()}


def test_datasets_are_listed_with_their_tasks(bench):
    found = listed(bench("list", "datasets"))
    assert set(found) == {*datasets.registry.names(), "tiny"}
    assert found["tiny"].startswith("same-identity, cross-identity, reconstruction")


def test_a_broken_plugin_is_named_and_left_out(bench, place, monkeypatch, caplog):
    """One without its card, and one that cannot be imported."""
    plugin = place / "broken"
    (plugin / "broken-1.0.dist-info").mkdir(parents=True)
    (plugin / "broken-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (plugin / "broken-1.0.dist-info" / "entry_points.txt").write_text(
        "[talkbench.datasets]\ncardless = cardless:Cardless\nabsent = no_such_module:Data\n"
    )
    (plugin / "cardless.py").write_text(
        "from talkbench.datasets import Dataset\n"
        "class Cardless(Dataset):\n    name = 'cardless'\n    def prepare(self): ...\n"
    )
    monkeypatch.syspath_prepend(str(plugin))
    found = listed(bench("list", "datasets"))
    assert not {"cardless", "absent"} & set(found)
    assert "two drawn clips" in found["tiny"]
    cardless, absent = sorted(caplog.messages, reverse=True)
    assert cardless.startswith("dataset 'cardless' is left out: there is no card ")
    assert absent.startswith("dataset 'absent' of broken is left out, since it cannot be imported")
