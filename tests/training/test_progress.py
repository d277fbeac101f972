"""The lines of a training's log, and what the user sees of them."""

import json
import re
from pathlib import Path

import pytest

from talkbench.training.config import TrainConfig
from talkbench.training.data.feed import Batches
from talkbench.training.progress import Reports, TrainProgress

RATES = {"generator": 1e-3}


class Heard(TrainProgress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.logged: list[tuple[int, dict[str, float]]] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def log(self, step: int, values: dict[str, float]) -> None:
        self.logged.append((step, values))


def reports(folder: Path, heard: Heard, every: int, epochs: int = 1, main: bool = True) -> Reports:
    """Of epochs of ten steps."""
    batches = Batches(40, TrainConfig(method="mcnet@demo", dataset="toy", epochs=epochs, batch_size=4))
    return Reports(folder, batches, 4, every, heard, main)


def losses(step: int) -> dict[str, float]:
    return {"perceptual": 10.0 * step, "total": float(step)}


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_line_has_the_means_since_the_line_before(tmp_path: Path) -> None:
    heard = Heard()
    own = reports(tmp_path, heard, every=4)
    for step in range(1, 11):
        own.step(step, losses(step), norm=0.5 * step, rates=RATES)
    lines = log(tmp_path)
    assert [(line["step"], line["epoch"], line["total"]) for line in lines] == [(4, 0, 2.5), (8, 0, 6.5), (10, 1, 9.5)]
    assert [(line["perceptual"], line["gradient_norm"], line["lr"]) for line in lines] == [
        (25, 1.25, 1e-3), (65, 3.25, 1e-3), (95, 4.75, 1e-3),
    ]  # fmt: skip
    assert 0 < lines[0]["seconds"] < lines[1]["seconds"] < lines[2]["seconds"]
    assert [{"step": step, "epoch": step // 10, **values} for step, values in heard.logged] == lines
    assert len(heard.said) == 3
    words = r"step 4/10: perceptual 25, total 2.5, lr 0.001, gradient 1.25, [\d.e+]+ images/s, 0:00:00"
    assert re.fullmatch(words, heard.said[0])


def test_a_training_shorter_than_the_distance_of_lines_has_one(tmp_path: Path) -> None:
    own = reports(tmp_path, Heard(), every=20)
    for step in range(1, 11):
        own.step(step, losses(step), 1.0, RATES)
    assert [line["total"] for line in log(tmp_path)] == [5.5]


def test_a_continued_training_reports_as_if_it_had_not_been_interrupted(tmp_path: Path) -> None:
    before = reports(tmp_path, Heard(), every=4)
    for step in range(1, 7):
        before.step(step, losses(step), 1.0, RATES)
    state = before.state()
    before.step(7, losses(7), 1.0, RATES)  # lost, since the state is from before it
    (first,) = log(tmp_path)
    after = reports(tmp_path, Heard(), every=4)
    after.go_on(6, state)
    after.step(7, losses(7), 1.0, RATES)
    after.step(8, losses(8), 1.0, RATES)
    lines = log(tmp_path)
    assert [line["total"] for line in lines] == [2.5, 6.5]
    assert lines[1]["seconds"] > first["seconds"]


def test_a_log_and_a_state_of_before_are_continued(tmp_path: Path) -> None:
    """Then a line had the losses of its step alone, and a state nothing of the log."""
    (tmp_path / "log.jsonl").write_text(
        '{"step": 4, "epoch": 0, "total": 3.0}\n{"step": 8, "epoch": 0, "total": 2.0}\n'
    )
    own = reports(tmp_path, Heard(), every=4)
    own.go_on(6, {})
    for step in (7, 8):
        own.step(step, losses(step), 1.0, RATES)
    assert [line["total"] for line in log(tmp_path)] == [3.0, 7.5]


def test_only_the_main_process_writes(tmp_path: Path) -> None:
    own = reports(tmp_path, Heard(), every=1, main=False)
    own.go_on(0, {})
    own.step(1, losses(1), 1.0, RATES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("rates", "logged"),
    [
        ({"generator": 1e-3, "discriminator": 1e-3}, {"lr": 1e-3}),
        ({"generator": 1e-3, "discriminator": 1e-4}, {"lr/generator": 1e-3, "lr/discriminator": 1e-4}),
    ],
)
def test_networks_that_learn_at_other_rates_have_one_each(
    tmp_path: Path, rates: dict[str, float], logged: dict[str, float]
) -> None:
    own = reports(tmp_path, Heard(), every=1)
    own.step(1, losses(1), 1.0, rates)
    (line,) = log(tmp_path)
    assert {name: value for name, value in line.items() if name.startswith("lr")} == logged
