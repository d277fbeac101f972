"""The design's floors: imports point down or stay inside a folder, none leads back, and heavy libraries wait.

Folders and files stay small enough to be looked through.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from module_graph import circles, imported, imports, modules
from tree import ROOT, tree

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
REST = {"*"}  # what no other floor names
FLOORS = {
    "benchmark": [
        {
            "cards",
            "environment",
            "machine_load",
            "mlflow_client",
            "numerics",
            "poses",
            "probes",
            "progress",
            "tracking",
            "training_tracker",
            "videos",
        },
        {"evaluation", "engines"},
        REST,
        {"cli", "notebook"},
    ],
    "benchmark.cli": [{"completion", "groups", "options", "output", "print", "progress"}, REST],
    "reports": [{"cards", "numbers", "runs", "data_ids"}, {"statistics"}, {"tables"}, {"pages"}, {"leaderboard"}],
}
HEAVY = {
    *("ai_edge_litert", "dlib", "face_alignment", "facenet_pytorch", "feat", "lpips", "matplotlib"),
    *("mlflow", "pandas", "ray", "skimage", "torchvision"),
}
MODULES, MODULES_OF = 16, {"benchmark/cli": 24}  # in a folder, besides its __init__
LINES = 400


def climbing(root: Path) -> Iterator[str]:
    """Imports, in functions and for types too, of what lies above or beside."""
    files = modules(root, BELOW)
    for one in imports(root, files):
        target = imported(one.name, files)
        if target is None or not one.importer:
            continue
        folder, other = one.importer.partition(".")[0], target.partition(".")[0]
        if other not in BELOW[folder] | {folder}:
            yield f"{one}, and {folder}/ may not import from {other or 'the root'}"
        for package in FLOORS:
            floors = floor(package, one.importer), floor(package, target)
            if None not in floors and floors[0] < floors[1]:
                yield f"{one}, which is above it in {package.replace('.', '/')}/"


def floor(package: str, module: str) -> int | None:
    """On which floor of a package a module is; None: it is not in it, or the package itself."""
    if not module.startswith(f"{package}."):
        return None
    child = module.removeprefix(f"{package}.").partition(".")[0]
    floors = FLOORS[package]
    named = [level for level, names in enumerate(floors) if child in names]
    assert named or REST in floors, f"{module} has no floor in {package}/; give it one in FLOORS"
    return named[0] if named else floors.index(REST)


def hasty(root: Path) -> Iterator[str]:
    """Imports of heavy libraries when a module is imported."""
    for one in imports(root, modules(root, BELOW)):
        if one.name.partition(".")[0] in HEAVY and not one.late and not one.typing:
            yield f"{one} at its top"


def leading_back(root: Path) -> list[str]:
    """The circles among modules, a line for each."""
    files = modules(root, BELOW)
    return ["; ".join(map(str, circle)) for circle in circles(imports(root, files), files)]


def crowded(files: list[Path]) -> Iterator[str]:
    """Folders of the package with more modules than one can look through."""
    folders: dict[Path, int] = {}
    for file in files:
        if file.suffix == ".py" and file.stem != "__init__" and file.parts[0] in BELOW:
            folders[file.parent] = folders.get(file.parent, 0) + 1
    for folder, count in folders.items():
        limit = MODULES_OF.get(folder.as_posix(), MODULES)
        if count > limit:
            yield f"{folder.as_posix()}/ has {count} modules, which is more than {limit}"


def long(root: Path, files: list[Path]) -> Iterator[str]:
    """Modules, those of the tests among them, with more lines than one can read through."""
    for file in files:
        lines = len((root / file).read_text(encoding="utf-8").splitlines()) if file.suffix == ".py" else 0
        if lines > LINES:
            yield f"{file.as_posix()} has {lines} lines, which is more than {LINES}"


def assert_none(faults: Iterable[str]) -> None:
    lines = list(faults)
    assert not lines, "\n".join(["", *lines])


def test_imports_point_down_or_stay_inside_a_folder():
    assert_none(climbing(ROOT))


def test_no_import_leads_back():
    assert_none(leading_back(ROOT))


def test_heavy_libraries_wait():
    assert_none(hasty(ROOT))


def test_folders_can_be_looked_through():
    assert_none(crowded(tree()))


def test_modules_can_be_read_through():
    assert_none(long(ROOT, tree()))


def test_every_package_has_its_floor():
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(BELOW)


def loaded_by(program: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after `program`."""
    program += "\nprint('loaded:', *{name.partition('.')[0] for name in __import__('sys').modules})"
    result = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.rpartition("loaded:")[2].split())


def test_methods_need_torch_only():
    assert loaded_by("from talkbench import methods; methods.registry.names()") & HEAVY == set()


QUICK = [
    "--help",
    *("list", "list methods --all", "list method", "list metrics", "list extractors", "list datasets"),
    *("list protocols", "list tables", "list recipes", "list programs", "list mthods"),
    *("show fomm-original", "run --program fom --dataset demo", "check program"),
    *("show mcnet", "show fomm@memory", "show psnr", "show akd", "show fan68", "show dataset hdtf"),
    *("show mcnet-2023", "show 1a", "show mcnet/demo", "show mcnett", "show metric mcnett", "show pixel psnr"),
    *("weights list", "weights list fomm", "weights pull nosuch", "data lists", "data lists hdft"),
    *("run --method mcnett --dataset demo", "run --method mcnet --dataset dmo", "run --method mcnet"),
    *("run --method mcnet --dataset demo --metrics pnsr", "run --method mcnet --dataset demo --protocol mcnet"),
    *("run --method mcnet --dataset demo --motion relative", "run --metod mcnet", "train --method mcnett", "train"),
    *("inspect --what foo", "inspect mcnett", "animate --method mcnett --source a --driving b"),
    *("tables --table 1c", "perf", "perf --method mcnett", "check mcnett", "leaderbord"),
]


FORKS = """
import os, sys
from talkbench import datasets, methods, metrics
from talkbench.benchmark.cli.main import main
for registry in (datasets.registry, methods.registry, metrics.registry): registry.names()
for number, command in enumerate(sys.argv[1:]):
    if os.fork() == 0:
        sys.argv, code = ["bench", *command.split()], 0
        try: main()
        except SystemExit as end: code = end.code
        sys.stdout.flush()
        print("\\nloaded:", number, code, *{name.partition(".")[0] for name in sys.modules}, flush=True)
        os._exit(0)
    os.wait()
"""
"""Gives each command in an interpreter that has done nothing but what most commands begin with."""


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[str, set[str]]]:
    """By command of `QUICK` its exit code and the top-level modules that it has loaded."""
    result = subprocess.run([sys.executable, "-P", "-c", FORKS, *QUICK], capture_output=True, text=True)
    lines = [line.split()[1:] for line in result.stdout.splitlines() if line.startswith("loaded:")]
    return {QUICK[int(number)]: (code, set(names)) for number, code, *names in lines}


@pytest.mark.parametrize("command", QUICK)
def test_names_and_usage_errors_are_answered_without_models(answers, command):
    """What takes seconds to import waits for something to compute."""
    code, names = answers[command]
    assert code in ("None", "0", "2")
    assert names & {*HEAVY, "torch", "scipy", "av", "pyarrow"} == set()


# The checks themselves, on made-up trees.


def grow(root: Path, **sources: str) -> Path:
    """A tree of modules, named as ``reports__tables__writers``, and of the packages that they are in."""
    for name, source in sources.items():
        file = root.joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        for folder in file.relative_to(root).parents:
            (root / folder / "__init__.py").touch()
    return root


def test_an_import_that_climbs_is_named(tmp_path):
    grow(
        tmp_path,
        datasets__clips="",
        methods__mcnet__model="",
        metrics__pixel="from .interface import Metric\nfrom ..methods import mcnet\n",
        metrics__interface="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from talkbench import datasets\n",
        core__files="def late():\n    import talkbench.benchmark.cli.main\n",
        core__paths="from talkbench import version\n",
        benchmark__cli__main="import talkbench.benchmark.animate, talkbench.reports.pages.templates\n",
        benchmark__cli__print__cards="def late():\n    from talkbench.benchmark.cli import main\n",
        benchmark__animate="from talkbench.benchmark.evaluation.plan import prepare\n",
        benchmark__evaluation__plan="from talkbench.benchmark import animate, probes\n",
        benchmark__probes="from talkbench.benchmark.evaluation import plan\n",
        reports__pages__templates="from talkbench.reports.runs import Run\n",
        reports__runs="from talkbench.reports.pages import templates\n",
    )
    assert sorted(climbing(tmp_path)) == [
        "benchmark/cli/print/cards.py:2 imports talkbench.benchmark.cli.main, which is above it in benchmark/cli/",
        "benchmark/evaluation/plan.py:1 imports talkbench.benchmark.animate, which is above it in benchmark/",
        "benchmark/probes.py:1 imports talkbench.benchmark.evaluation.plan, which is above it in benchmark/",
        "core/files.py:2 imports talkbench.benchmark.cli.main, and core/ may not import from benchmark",
        "core/paths.py:1 imports talkbench.version, and core/ may not import from the root",
        "metrics/interface.py:3 imports talkbench.datasets, and metrics/ may not import from datasets",
        "metrics/pixel.py:2 imports talkbench.methods.mcnet, and metrics/ may not import from methods",
        "reports/runs.py:1 imports talkbench.reports.pages.templates, which is above it in reports/",
    ]


def test_a_module_without_a_floor_is_named(tmp_path):
    grow(tmp_path, reports__new="", reports__runs="from talkbench.reports.new import anything\n")
    with pytest.raises(AssertionError, match=r"reports\.new has no floor in reports/; give it one in FLOORS"):
        list(climbing(tmp_path))


def test_a_circle_is_named_import_by_import(tmp_path):
    """In a function or not; through what a package defines itself, but not past it to a module; not for types."""
    grow(
        tmp_path,
        core__files="def late():\n    from talkbench.core.locks import locked\n",
        core__locks="from talkbench.core.paths import home\n",
        core__paths="class Home:\n    from talkbench.core import files\n",
        metrics__cache="def late():\n    from talkbench import metrics\n",
        datasets__clips="from talkbench.datasets import pairs\n",
        datasets__pairs="import typing\nif typing.TYPE_CHECKING:\n    from talkbench.datasets.clips import Clip\n",
        results__rows="from talkbench.results.rows import itself\n",
    )
    (tmp_path / "metrics" / "__init__.py").write_text("from .cache import FeatureCache\n")
    (tmp_path / "datasets" / "__init__.py").write_text("from talkbench.datasets.clips import Clip\n")
    assert {frozenset(line.split("; ")) for line in leading_back(tmp_path)} == {
        frozenset(
            {
                "core/files.py:2 imports talkbench.core.locks.locked",
                "core/locks.py:1 imports talkbench.core.paths.home",
                "core/paths.py:2 imports talkbench.core.files",
            }
        ),
        frozenset(
            {
                "metrics/cache.py:2 imports talkbench.metrics",
                "metrics/__init__.py:1 imports talkbench.metrics.cache.FeatureCache",
            }
        ),
        frozenset({"results/rows.py:1 imports talkbench.results.rows.itself"}),
    }


def test_a_heavy_library_at_the_top_is_named(tmp_path):
    grow(
        tmp_path,
        metrics__bad="from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import pandas\nelse:\n    import mlflow.tracking\n"
        "def later():\n    import skimage\n"
        "class Now:\n    import feat\n"
        "try:\n    from ray.util import queue\nexcept ImportError:\n    queue = None\n",
    )
    assert list(hasty(tmp_path)) == [
        "metrics/bad.py:5 imports mlflow.tracking at its top",
        "metrics/bad.py:9 imports feat at its top",
        "metrics/bad.py:11 imports ray.util.queue at its top",
    ]


def test_a_crowded_folder_is_named():
    files = [Path("metrics", name) for name in ("__init__.py", "card.yaml", *(f"m{number}.py" for number in range(17)))]
    assert list(crowded(files)) == ["metrics/ has 17 modules, which is more than 16"]
    assert list(crowded(files[:-1])) == []
    assert list(crowded([Path("benchmark", "cli", f"m{number}.py") for number in range(24)])) == []
    assert list(crowded([Path("tests", f"m{number}.py") for number in range(100)])) == []


def test_a_long_module_is_named(tmp_path):
    grow(tmp_path, tests__long="#\n" * 401, metrics__full="#\n" * 400)
    (tmp_path / "metrics" / "long.yaml").write_text("#\n" * 1000)
    files = [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("*.*"))]
    assert list(long(tmp_path, files)) == ["tests/long.py has 401 lines, which is more than 400"]
