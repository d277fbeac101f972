"""The programs that docs/training.md shows do what it says."""

import re
import runpy
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import torch
from torch import nn

from talkbench.methods.interface import Method
from talkbench.training import objectives
from talkbench.training.config import LossWeights
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.state.draw import Draw

PAGE = Path(__file__).parents[1] / "docs" / "training.md"
OBJECTIVE, COSTS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def run(program: str, folder: Path, **names: object) -> None:
    path = folder / "program.py"
    path.write_text(program)
    runpy.run_path(str(path), names)


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


class Blend(nn.Module):
    def __init__(self):
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.5))

    def forward(self, source, driving):
        return self.share * source + (1 - self.share) * driving


def test_the_objective_of_a_method_of_ones_own(tmp_path, monkeypatch):
    class MyMethod(Method):
        name = "mymethod"

        def __init__(self):
            self.networks = {"generator": Blend()}

        encode_source = encode_motion = transfer = render = None

    monkeypatch.setattr(objectives, "OBJECTIVES", dict(objectives.OBJECTIVES))
    run(OBJECTIVE, tmp_path, MyMethod=MyMethod)
    method = MyMethod()
    objective = objectives.create(method, MultiScaleL1(), LossWeights(reconstruction=3))
    source, driving = torch.rand(2, 2, 3, 16, 16)
    draw = Draw(0, 0, 2, 0, 2, torch.device("cpu"), 0)
    losses = objective(source, driving, draw)
    assert losses.keys() == {"reconstruction", "total"}
    losses["total"].backward()
    assert method.networks["generator"].share.grad > 0  # less of the source is nearer to the driving frame
