"""The package that docs/training.md shows: methods, objectives and recipes of its own, and what may be wrong there."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_training import frame

import talkbench as tb
from talkbench.core.images import write_png
from talkbench.methods.checkpoints import read_metadata
from talkbench.training import objectives

PACKAGE = Path(__file__).parents[1] / "mymethod"
INFO = "mymethod-1.0.dist-info"


@pytest.fixture(scope="session")
def installed(tmp_path_factory, install) -> Path:
    """Where the package is installed."""
    project, site = tmp_path_factory.mktemp("project") / "mymethod", tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, project, ignore=shutil.ignore_patterns("__pycache__"))
    install("--target", site, project)
    return site


@pytest.fixture
def site(installed, tmp_path, monkeypatch) -> Path:
    """A copy of its own, which nobody has imported yet; nothing else is a plugin."""
    site = tmp_path / "own-site"
    shutil.copytree(installed, site)
    objectives.registry.factories()  # those of the tree stay, those of the package must not
    for name, empty in (("_plugins", {}), ("_broken", {}), ("faults", {}), ("owners", {}), ("_loaded", False)):
        monkeypatch.setattr(objectives.registry, name, empty)
    monkeypatch.setattr(objectives.registry, "_factories", dict(objectives.registry._factories))
    monkeypatch.syspath_prepend(str(site))
    yield site
    for module in [name for name in sys.modules if name.partition(".")[0] in {"mymethod", "sharp"}]:
        del sys.modules[module]


@pytest.fixture
def faces(tmp_path) -> Path:
    for clip in "ab":
        for index in range(6):
            write_png(tmp_path / "faces" / clip / f"{index}.png", frame(clip, index))
    return tmp_path / "faces"


@pytest.fixture
def train(bench, faces, site) -> Callable:
    """As the page says, but for two steps of two pairs."""
    entries = ("steps=2", "batch_size=2", "repeats=2", "validation=0")
    few = [word for entry in entries for word in ("--set", entry)]
    return lambda method, *options: bench(
        "train", "--method", method, "--root", faces, "--device", "cpu", *few, *options
    )


def complaint(result) -> str:
    """The last line of a training that was refused before it had begun."""
    assert (result.code, result.out) == (2, ""), result.err
    assert not (result.cwd / "checkpoints").exists()
    return result.err.splitlines()[-1]


def test_a_method_of_ones_own_is_trained_and_used(train, bench, clips):
    trained = train("mymethod")
    weights = "checkpoints/mymethod-folder/weights.safetensors"
    assert trained.out == f"weights {weights}\n", trained.err
    facts = read_metadata(trained.cwd / weights)
    assert (facts["method"], facts["steps"], set(facts["losses"])) == ("mymethod", 2, {"reconstruction", "total"})
    asked = {"dataset": "tiny", "root": clips, "checkpoint": weights, "metrics": "l1"}
    run = bench("run", "--method", "mymethod", *(word for key in asked for word in (f"--{key}", asked[key])))
    assert run.code == 0, run.err
    assert run.record.method.name == "mymethod"
    evaluated = tb.evaluate("mymethod", **{**asked, "metrics": ["l1"]}, tracking_uri="off", progress=False)
    assert evaluated.summary.metrics == run.summary.metrics


def test_a_loss_of_ones_own_is_weighted_by_recipe_and_option(train):
    losses = {}
    for out, options in (("recipe", ()), ("option", ("--set", "weights.sharpness=6"))):
        trained = train("sharp", "--out", out, "--set", "steps=1", *options)
        assert trained.code == 0, trained.err
        facts = read_metadata(trained.cwd / out / "weights.safetensors")
        losses[out] = facts["losses"]
        assert set(losses[out]) >= {"reconstruction", "consistency", "sharpness", "total"}
        assert facts["config"]["weights"]["sharpness"] == {"recipe": 3, "option": 6}[out]
    assert losses["option"]["sharpness"] == pytest.approx(2 * losses["recipe"]["sharpness"], rel=1e-5)
    other = train("sharp", "--out", "recipe", "--set", "steps=1", "--set", "weights.sharpness=6")
    assert "was made with another config (weights: " in other.err.splitlines()[-1]
    again = train("sharp", "--config", "recipe/recipe.yaml", "--out", "recipe", "--set", "steps=1")
    assert "continuing recipe at step 1" in again.err


def test_recipes_of_the_package_are_listed_and_shown(bench, site):
    listed = bench("list", "recipes").out
    assert {"mymethod/mine", "sharp/edges"} <= {line.split()[0] for line in listed.splitlines()}
    assert ["sharpness:", "3"] in [line.split() for line in bench("show", "sharp/edges").out.splitlines()]
    (site / "sharp" / "recipes" / "broken.yaml").write_text("epochs: many")
    assert bench("list", "recipes").out == listed
    assert "did you mean sharp/edges?" in bench("show", "sharp/edge").complaint()


def test_a_recipe_of_the_package_is_found_by_its_short_name(train, site):
    (site / "mymethod" / "recipes" / "short.yaml").write_text("extends: mymethod/mine\nepochs: 1\n")
    assert train("mymethod", "--config", "Short", "--set", "steps=1").code == 0
    assert (
        "trains mymethod, not sharp; name another --config, or a .yaml file of yours that has the entry method: sharp"
        in (train("sharp", "--config", "mymethod/mine").err)
    )
    (site / "mymethod" / "recipes" / "mine.yaml").unlink()
    assert "no training config 'mymethod/mine' (there is no " in train("mymethod").err
    (site / "sharp" / "card.yaml").unlink()
    assert (
        f"sharp has no recipe; name one in {site / 'sharp' / 'card.yaml'}, see docs/training.md" in train("sharp").err
    )


LEFT_OUT = "mymethod cannot be trained: objective 'mymethod' of mymethod is left out, since "


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("from mymethod", "import no_such_library\nfrom mymethod", f"{LEFT_OUT}it cannot be imported: ModuleNotFound"),
        ("    trains = MyMethod", "", f"{LEFT_OUT}it trains no class of methods; name one as its `trains`"),
        ("trains = MyMethod", "trains = Objective", f"{LEFT_OUT}it trains no class of methods; name one"),
        (
            "trains = MyMethod",
            "trains = type('Other', (MyMethod,), {})",
            f"{LEFT_OUT}it trains Other, which no method is;",
        ),
        (
            "(Objective)",
            "(object)",
            f"{LEFT_OUT}it is no subclass of talkbench.training.objectives.objective.Objective",
        ),
        (
            "class MyObjective",
            "MyObjective = print\n\nclass Other",
            f"{LEFT_OUT}it is no subclass of talkbench.training",
        ),
        ("def random", "def chance", f"{LEFT_OUT}it lacks random; write what is missing"),
        (
            "trains =",
            "own_terms = {'total': 1}\n    trains =",
            f"{LEFT_OUT}its own_terms have 'total', which cannot be",
        ),
        ("trains =", "own_terms = {'l1': 1}\n    trains =", f"{LEFT_OUT}its own_terms have l1, which every recipe has"),
        ("trains =", "own_terms = {'x': -1}\n    trains =", f"{LEFT_OUT}its own_terms weigh x by -1; write a number"),
        ("trains =", "own_terms = ['x']\n    trains =", f"{LEFT_OUT}its own_terms are ['x']; write terms and their"),
    ],
)
def test_an_objective_that_cannot_be_used_is_refused(train, site, old, new, message):
    path = site / "mymethod" / "training.py"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    assert f"bench: {message}" in complaint(train("mymethod"))


def test_a_method_is_not_trained_by_the_loss_of_its_base_class_in_place_of_its_own(train, site):
    (site / "sharp" / "training.py").write_text("import no_such_library")
    assert "bench: sharp cannot be trained: objective 'sharp' of mymethod is left out" in complaint(train("sharp"))


def test_two_objectives_of_one_class(train, site):
    with (site / INFO / "entry_points.txt").open("a") as points:
        points.write("again = mymethod.training:MyObjective\n")
    line = (
        "mymethod has several objectives, 'mymethod' of mymethod and 'again' of mymethod, which all train MyMethod in"
    )
    assert line in complaint(train("mymethod"))


def test_a_weight_of_a_term_that_the_objective_does_not_have(train):
    line = complaint(train("sharp", "--set", "weights.sharpnes=3"))
    assert line == "bench: training config sharp/edges: there is no entry weights.sharpnes: did you mean sharpness?"
    assert "there is no entry weights.sharpness" in complaint(train("mymethod", "--set", "weights.sharpness=3"))
    assert "weights.sharpness: Input should be" in complaint(train("sharp", "--set", "weights.sharpness=true"))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (
            "{'edges': 1}",
            "objective MyObjective of mymethod 1.0: its term 'edges' has no weight; declare it in the class, ",
        ),
        (
            "{'l1': prediction.mean() * float('nan')}",
            "the loss is nan at step 0, its gradient's norm nan (l1 is not finite)",
        ),
    ],
)
def test_terms_by_which_no_step_can_be_taken(train, site, returned, message):
    path = site / "mymethod" / "training.py"
    path.write_text(path.read_text().replace("return self.image_term(prediction, driving)", f"return {returned}"))
    result = train("mymethod")
    assert (result.code, result.out) == (2, "")
    assert f"bench: {message}" in result.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("frozen", "message"),
    [
        (
            "generator",
            "objective MyObjective of mymethod 1.0: none of its method's networks learns; see to its `frozen`",
        ),
        ("generatr", "it freezes generatr, no network of mymethod; did you mean generator?"),
    ],
)
def test_networks_that_cannot_be_frozen(train, site, frozen, message):
    path = site / "mymethod" / "training.py"
    path.write_text(path.read_text().replace("    trains =", f"    frozen = ('{frozen}',)\n    trains ="))
    assert message in train("mymethod").err.splitlines()[-1]
