"""`bench list`: methods, metrics and data sets, other people's included."""

from talkbench import datasets, metrics


def listed(result) -> dict[str, str]:
    """By name, the rest of the line."""
    assert result.code == 0, result.err
    return {line.split()[0]: line.partition(" ")[2].strip() for line in result.out.splitlines()[1:]}


def test_methods_are_listed_on_a_line_each(bench):
    found = listed(bench("list", "methods"))
    assert {"blend", "copy-source", "mcnet", "mcnet@demo", "oracle"} <= set(found)
    assert found["copy-source"] == "No motion at all: the source image for every driving frame"
    assert found["mcnet"].startswith("2023 ")
    assert found["blend"] == "The mean of source and driving frame"


def test_metrics_are_listed_with_what_they_need(bench, monkeypatch):
    from talkbench.metrics.extractors.mtcnn import Mtcnn5

    found = listed(bench("list", "metrics"))
    assert set(found) == {metrics.create(name).variant for name in metrics.registry.names()}
    assert found["psnr"].startswith("higher  dB")
    monkeypatch.setattr(Mtcnn5, "problem", lambda self: "needs a file")
    assert "(not available here: needs a file)" in listed(bench("list", "metrics"))["akd@mtcnn5"]


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
