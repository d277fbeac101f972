"""The table of docs/scale.md is what its script prints."""

import subprocess
import sys
from pathlib import Path

from tree import ROOT

PAGE, SCRIPT, COSTS = (ROOT / "docs" / name for name in ("scale.md", "scale.py", "scale.csv"))


def printed(costs: Path) -> str:
    return subprocess.run([sys.executable, SCRIPT, costs], capture_output=True, text=True, check=True).stdout


def test_the_table_is_what_the_script_prints(tmp_path: Path) -> None:
    assert f"\n\n{printed(COSTS)}\n" in PAGE.read_text(encoding="utf-8")
    header = COSTS.read_text(encoding="utf-8").splitlines()[0].split(",")
    cells = {"mode": "bf16", "batch_size": "8", "device": "GPU", "gflop_frame": "100", "ms_frame": "36"}
    other = cells | {"mode": "float32", "ms_frame": "1000"}
    failed = cells | {"reason": "out of memory", "gflop_frame": ""}
    rows = (",".join(row.get(name, "") for name in header) for row in (cells, other, failed))
    (tmp_path / "perf.csv").write_text("\n".join([",".join(header), *rows]) + "\n", encoding="utf-8")
    cells_of = (line.strip("| ").split(" | ") for line in printed(tmp_path / "perf.csv").splitlines()[2:])
    lines = {name: first for name, first, *_ in cells_of}
    assert lines["frames"] == "104 k"
    assert lines["arithmetic"] == "10 PFLOP"
    assert lines["one core, measured"] == "62 min", "rows of the first one's precision alone count"
