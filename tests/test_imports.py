"""The design's floors: imports point down or stay inside a folder, and heavy libraries wait until they are used."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BELOW = {
    "core": set(),
    "methods": {"core"},
    "metrics": {"core"},
    "datasets": {"core"},
    "results": {"core"},
    "training": {"methods", "datasets", "metrics", "core"},
    "reports": {"results", "core"},
    "benchmark": {"training", "reports", "methods", "metrics", "datasets", "results", "core"},
}
HEAVY = {
    *("face_alignment", "facenet_pytorch", "feat", "lpips", "matplotlib"),
    *("mlflow", "pandas", "ray", "skimage", "torchvision"),
}


def names(node: ast.Import | ast.ImportFrom, package: list[str]) -> Iterator[str]:
    """The full names that an import statement in a module of `package` may load."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = package[: len(package) - node.level + 1] if node.level else []
    module = ".".join([*base, *([node.module] if node.module else [])])
    yield from (f"{module}.{alias.name}" for alias in node.names)


def at_import_time(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported by a program (not by a type checker)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from (part for other in child.orelse for part in (other, *at_import_time(other)))
            continue
        yield child
        yield from at_import_time(child)


def imports(folder: str, everywhere: bool) -> Iterator[tuple[str, str]]:
    """(where, what) of every import in a folder, or only of those that run at import time."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree) if everywhere else at_import_time(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                where = path.relative_to(ROOT)
                for name in names(node, ["talkbench", *where.parent.parts]):
                    yield f"{where}:{node.lineno}", name


def violations(folder: str) -> list[str]:
    found = []
    for where, name in imports(folder, everywhere=True):
        top, _, rest = name.partition(".")
        if top == "talkbench" and rest.partition(".")[0] not in BELOW[folder] | {folder}:
            found.append(f"{where} imports {name}")
    found += [
        f"{where} imports {name} at its top"
        for where, name in imports(folder, everywhere=False)
        if name.partition(".")[0] in HEAVY
    ]
    return found


@pytest.mark.parametrize("folder", BELOW)
def test_imports_point_down_and_heavy_ones_wait(folder):
    assert violations(folder) == []


def test_every_package_has_its_floor():
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(BELOW)


def test_a_violation_is_found(tmp_path, monkeypatch):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "bad.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from talkbench import datasets\n"
        "from ..methods import mcnet\n"
        "from .image import psnr\n"
        "if TYPE_CHECKING:\n    import pandas\nelse:\n    import mlflow.tracking\n"
        "def later():\n    import skimage\n    import talkbench.benchmark.cli.main\n"
        "class Now:\n    import feat\n"
    )
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert violations("metrics") == [
        "metrics/bad.py:2 imports talkbench.datasets",
        "metrics/bad.py:3 imports talkbench.methods.mcnet",
        "metrics/bad.py:11 imports talkbench.benchmark.cli.main",
        "metrics/bad.py:8 imports mlflow.tracking at its top",
        "metrics/bad.py:13 imports feat at its top",
    ]


def loaded_by(program: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after `program`."""
    program += "\nprint('loaded:', *{name.partition('.')[0] for name in __import__('sys').modules})"
    result = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.rpartition("loaded:")[2].split())


def test_methods_need_torch_only():
    assert loaded_by("from talkbench import methods; methods.registry.names()") & HEAVY == set()


def test_help_is_answered_without_torch():
    program = "import sys; sys.argv = ['bench', '--help']; from talkbench.benchmark.cli.main import main; main()"
    assert loaded_by(program) & {*HEAVY, "torch", "scipy", "av"} == set()
