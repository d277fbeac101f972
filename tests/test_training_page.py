"""The programs that docs/training.md shows do what it says."""

import re
import runpy
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from talkbench.benchmark.cli.train import command
from talkbench.training.config import load_config

PAGE = Path(__file__).parents[1] / "docs" / "training.md"
PACKAGE = Path(__file__).parent / "benchmark" / "mymethod"
*_, COSTS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


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


def test_the_package_is_the_one_that_is_tested():
    """By tests/benchmark/cli/test_own_method.py; the page shows all of its files as they are."""
    shown = re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    files = [path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".yaml", ".toml"}]
    assert dict(shown) == {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in files}
