"""`bench train --ablation` and `bench tables --ablation`: what is trained, scored and printed."""

from functools import partial
from pathlib import Path

import pytest

from talkbench import methods
from talkbench.benchmark import ablation
from talkbench.core.errors import TalkbenchError
from talkbench.methods.checkpoints import save_networks
from talkbench.training.session import TrainOptions


@pytest.mark.parametrize("name", ablation.ABLATIONS)
def test_every_row_of_every_table_can_be_trained_at_both_sizes(name: str) -> None:
    for config in (None, "demo"):
        for method in ablation.methods(name, config):
            chosen = ablation.recipe(TrainOptions(method, config))
            assert chosen.method == method
            assert chosen.dataset == ("demo" if config else "voxceleb1")
    layout = ablation.demo_layout(name)
    assert "demo size" in layout.title
    assert [row.methods[0] for row in layout.rows] == ablation.methods(name, "demo")


def test_an_unknown_ablation_is_answered_with_the_nearest(bench) -> None:
    for command in (["train", "--ablation", "table3", "--config", "demo"], ["tables", "--ablation", "table3"]):
        assert "no ablation 'table3': did you mean table2" in bench(*command).err
    assert "either --method or --ablation" in bench("train", "--ablation", "table2", "--method", "mcnet").err
    assert (
        "no runs in ablations/table2-demo; make them with bench train --ablation table2"
        in bench("tables", "--ablation", "table2").err
    )


def test_rows_are_trained_scored_and_printed(bench, demo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def train(options: TrainOptions, _display: object) -> Path:
        if "mcm-demo" in options.method:
            raise TalkbenchError("this row is broken")
        path = options.out / "weights.safetensors"
        save_networks(methods.create(options.method).networks, path, {"method": options.method})
        return path

    rows = ["mcnet@baseline-demo", "mcnet@mcm-demo", "fomm@demo-memory"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ablation, "train", train)
    monkeypatch.setattr(ablation, "methods", lambda _name, _config: rows)
    monkeypatch.setattr(ablation, "METRICS", ("l1", "psnr@uint8-wrap"))
    monkeypatch.setattr(ablation, "RunOptions", partial(ablation.RunOptions, limit=2))
    command = ("train", "--ablation", "table2", "--config", "demo", "--root", demo.root)
    ended = bench(*command, "--tracking-uri", "off", "--device", "cpu")
    assert ended.code == 2
    assert "this row is broken" in ended.out
    assert "1 of the rows failed" in ended.err
    table = bench("tables", "--ablation", "table2").out
    assert "demo size" in table
    assert "DEMO SIZE: small models" in table
    assert "Baseline: mcnet@baseline-demo" in table
    assert "FOMM+ IICM + MCM: fomm@demo-memory" in table
    rows.remove("mcnet@mcm-demo")
    elsewhere = bench(*command, "--tracking-uri", "off", "--device", "cpu", "--out", "my rows")
    line = elsewhere.out.splitlines()[-1]
    assert line == "table   bench tables --ablation table2 'my rows'/*/run"
    found = sorted(Path("my rows").glob("*/run"))  # what a shell makes of it
    assert "Baseline: mcnet@baseline-demo" in bench("tables", "--ablation", "table2", *found).out
