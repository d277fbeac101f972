"""The programs that docs/training.md shows do what it says."""

import importlib
import re
import runpy
import tomllib
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import torch

from talkbench.benchmark.cli.train import command
from talkbench.core.registry import Registry
from talkbench.training import objectives
from talkbench.training.config import LossWeights, load_config
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.state.draw import Draw

PAGE = Path(__file__).parents[1] / "docs" / "training.md"
OBJECTIVE, COSTS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
(ENTRY_POINT,) = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def run(program: str, folder: Path) -> None:
    path = folder / "program.py"
    path.write_text(program)
    runpy.run_path(str(path))


def test_the_costs_are_what_the_program_prints(tmp_path):
    shown = StringIO()
    with redirect_stdout(shown):
        run(COSTS, tmp_path)
    (printed,) = re.findall(r"^```\n([^`]*operations[^`]*)^```$", PAGE.read_text(), re.MULTILINE)
    assert shown.getvalue() == printed


def test_the_parts_add_up():
    cells = re.findall(r"^\| [^|]+ \| \**([\d.]+)\** \|$", PAGE.read_text(), re.MULTILINE)
    *parts, total = map(float, cells)
    assert abs(sum(parts) - total) < 0.06 * len(parts)
    assert f"total = {total}e9 * 64" in COSTS


def test_the_schedules_are_those_of_the_recipes():
    """Steps, pairs and operations, of 414 people, 8 of 422 being held out; X2Face takes their clips."""
    pattern = r"^\| `([\w/-]+)` \| ([\d.]+) \| [\d.]+ \| [\d.]+ \| ([\d,]+) \| (\d+) \| ([\d.e+]+) \|$"
    rows = re.findall(pattern, PAGE.read_text(), re.MULTILINE)
    assert {name for name, *_ in rows} >= {"fomm/released", "mcnet/released", "mraa/released", "x2face/released"}
    for name, gflop, steps, pairs, operations in rows:
        recipe = load_config(name)
        samples = (414 if recipe.sampling == "identity" else 18_828) * recipe.repeats
        taken = recipe.epochs * (samples // recipe.batch_size)
        assert (steps, int(pairs)) == (f"{taken:,}", recipe.batch_size), name
        assert operations == f"{float(gflop) * 1e9 * taken * recipe.batch_size:.3g}", name
        shown = re.findall(rf"^ +{name} +(\d+) ", command.help, re.MULTILINE)
        assert shown == [f"{float(gflop):.0f}"], name


METHOD = """
import torch
from torch import nn
from talkbench.methods.interface import Method

class Blend(nn.Module):
    def __init__(self):
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.5))

    def forward(self, source, driving):
        return self.share * source + (1 - self.share) * driving

class MyMethod(Method):
    name = "mymethod"
    encode_source = encode_motion = transfer = render = None

    def __init__(self):
        self.networks = {"generator": Blend()}
"""


def test_the_objective_of_a_method_of_ones_own(tmp_path, monkeypatch):
    """Found by the entry point that the page shows."""
    info = tmp_path / "mymethod-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mymethod\nVersion: 1.0\n")
    ((group, points),) = tomllib.loads(ENTRY_POINT)["project"]["entry-points"].items()
    (info / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{key} = {points[key]}\n" for key in points))
    (tmp_path / "mymethod.py").write_text(METHOD)
    (tmp_path / "mymethod_training.py").write_text(OBJECTIVE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(objectives, "registry", Registry("objective"))
    method = importlib.import_module("mymethod").MyMethod()
    objective = objectives.create(method, MultiScaleL1(), LossWeights(reconstruction=3))
    source, driving = torch.rand(2, 2, 3, 16, 16)
    draw = Draw(0, 0, 2, 0, 2, torch.device("cpu"), 0)
    losses = objective(source, driving, draw)
    assert losses.keys() == {"reconstruction", "total"}
    losses["total"].backward()
    assert method.networks["generator"].share.grad > 0  # less of the source is nearer to the driving frame
