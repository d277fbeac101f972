"""The table of costs: several processes add their rows to one file."""

from dataclasses import dataclass

from talkbench.benchmark.perf.table import CostTable


@dataclass
class Setting:
    method: str


@dataclass
class Row:
    setting: Setting
    cost: None = None
    problem: str = ""


def test_rows_of_another_process_stay(tmp_path):
    one, other = (CostTable(tmp_path / "costs.csv", ("method", "problem"), ("method",)) for _ in range(2))
    one.add(Row(Setting("fomm"), problem="too slow"))
    other.add(Row(Setting("mraa")))
    one.add(Row(Setting("fomm")))
    assert (tmp_path / "costs.csv").read_text() == "method,problem\nfomm,\nmraa,\n"
    assert [path.name for path in tmp_path.iterdir()] == ["costs.csv"]
