"""The registry's manners, and other people's packages through entry points."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import Registry, nearest


@pytest.fixture
def shapes() -> Registry[object]:
    registry: Registry[object] = Registry("shape")
    registry.register("circle")(lambda radius=1: ("circle", radius))
    registry.register("square")(lambda side=1, variant="": ("square", side, variant))
    registry.register("square@soft")(lambda: "soft square")
    registry.register("oval")(partial(lambda variant: ("oval", variant), variant="plain"))
    return registry


def test_creates_by_name_with_options(shapes):
    assert shapes.names() == ["circle", "oval", "square", "square@soft"]
    assert shapes.create("circle", radius=3) == ("circle", 3)


def test_a_variant_is_registered_in_full_or_handed_to_the_bare_entry(shapes):
    assert shapes.create("square@soft") == "soft square"
    assert shapes.create("square@hard", side=2) == ("square", 2, "hard")
    assert shapes.get("square@hard")(side=3) == ("square", 3, "hard")


def test_a_variant_that_is_bound_already_takes_no_other(shapes):
    assert shapes.create("oval") == ("oval", "plain")
    with pytest.raises(TalkbenchError, match="unknown shape 'oval@round'"):
        shapes.create("oval@round")


@pytest.mark.parametrize("name", ["circel", "circle@soft", "circel@soft"])
def test_an_unknown_name_is_answered_with_the_nearest(shapes, name):
    with pytest.raises(TalkbenchError, match=r"unknown shape 'circ.*did you mean circle\b") as caught:
        shapes.create(name)
    assert "\n" not in str(caught.value)


def test_a_name_like_no_other_is_answered_with_all(shapes):
    with pytest.raises(TalkbenchError, match="known: circle, oval, square, square@soft"):
        shapes.get("zzz")
    assert nearest("x", []) == "known: none"


@pytest.mark.parametrize("name", ["Circle", "SQUARE@Soft", "Square@Hard", "DISC"])
def test_the_case_of_letters_does_not_matter(shapes, name):
    shapes.alias("disc", "circle")
    assert name in shapes or name == "Square@Hard"
    assert shapes.create(name) == shapes.create(name.lower() if name != "Square@Hard" else "square@Hard")
    with pytest.raises(TalkbenchError, match=r"unknown shape 'CIRCEL': did you mean circle\b"):
        shapes.create("CIRCEL")


def test_a_known_absence_is_explained():
    registry: Registry[object] = Registry("shape", explain=lambda name: f"{name} is lost" if name == "gnomon" else "")
    for name in ("gnomon", "gnomon@late"):
        with pytest.raises(TalkbenchError, match=r"^gnomon is lost$"):
            registry.get(name)
    with pytest.raises(TalkbenchError, match="unknown shape 'gnomen'"):
        registry.get("gnomen")


def test_a_duplicate_is_refused_and_the_first_stays(shapes):
    first = shapes.get("circle")
    with pytest.raises(TalkbenchError, match="shape 'circle' is registered already"):
        shapes.register("circle")(lambda: None)
    assert shapes.get("circle") is first
    assert shapes.register("circle")(first) is first


def test_what_is_not_listed_is_built_all_the_same(shapes):
    shapes.register("circle@tiny", listed=False)(lambda: "tiny circle")
    assert "circle@tiny" not in shapes.names()
    assert "circle@tiny" in shapes
    assert "square@hard" not in shapes
    assert shapes.create("circle@tiny") == "tiny circle"
    with pytest.raises(TalkbenchError, match=r"did you mean circle@tiny\?"):
        shapes.get("circle@tny")


def test_all_factories_by_their_own_names(shapes):
    shapes.register("circle@tiny", listed=False)(lambda: "tiny circle")
    shapes.alias("disc", "circle")
    factories = shapes.factories()
    assert list(factories) == ["circle", "square", "square@soft", "oval", "circle@tiny"]
    assert factories["circle@tiny"]() == "tiny circle"


def test_another_name_of_an_entry(shapes):
    shapes.alias("disc", "circle")
    assert shapes.create("disc", radius=2) == ("circle", 2)
    assert (shapes.resolve("disc"), shapes.resolve("square")) == ("circle", "square")
    assert "disc" in shapes.names()
    shapes.alias("disc", "circle")
    for take in (lambda: shapes.alias("disc", "oval"), lambda: shapes.register("disc")(lambda: None)):
        with pytest.raises(TalkbenchError, match="shape 'disc' is registered already"):
            take()


PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "talkbench-tiny"
version = "1.0"
[project.entry-points."talkbench.methods"]
{entry}
[tool.setuptools]
py-modules = ["tiny"]
"""

PLUGIN = """
import talkbench.methods.interface

class Tiny(talkbench.methods.interface.Method):
    def __init__(self, weights=None, variant="plain"):
        self.name, self.networks, self.settings = "tiny@" + variant, {}, {}
    def encode_source(self, images): ...
    def encode_motion(self, images): ...
    def transfer(self, source, driving, reference): ...
    def render(self, source, motion): ...
"""


@pytest.fixture
def plugin(tmp_path, install) -> Callable[..., Path]:
    """Builds and installs a package with one method entry point; the folder to put on the path."""

    def make(entry: str, code: str = PLUGIN) -> Path:
        project, site = tmp_path / "project", tmp_path / "site"
        project.mkdir()
        (project / "tiny.py").write_text(code)
        (project / "pyproject.toml").write_text(PROJECT.format(entry=entry))
        install("--target", site, project)
        return site

    return make


def python(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.path.insert(0, {str(site)!r}); from talkbench import methods; {code}"
    return subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, cwd=site)


def test_an_installed_package_adds_a_method(plugin):
    site = plugin('tiny = "tiny:Tiny"')
    listed = python(site, "print(methods.registry.names(), 'tiny' in sys.modules)")
    assert "'mcnet'" in listed.stdout, listed.stderr
    assert "'tiny'" in listed.stdout
    assert listed.stdout.endswith("False\n"), "listing must not import a plugin"
    created = python(site, "print(methods.create('tiny').name, methods.create('tiny@small').name)")
    assert created.stdout == "tiny@plain tiny@small\n", created.stderr


def test_a_plugin_cannot_take_a_name_of_the_tree(plugin):
    site = plugin('oracle = "tiny:Tiny"')
    program = "print(methods.registry.names().count('oracle'), methods.create('oracle').name, 'tiny' in sys.modules)"
    result = python(site, program)
    assert result.stdout == "1 oracle False\n"
    said = "method 'oracle' of talkbench-tiny is left out, since its name is taken already"
    assert result.stderr == f"{said}; rename its entry or uninstall it\n"


def test_a_plugin_that_cannot_be_imported_is_named_once_and_left_out(plugin):
    site = plugin('tiny = "tiny:Tiny"', code="import no_such_library")
    listed = python(
        site, "print([('tiny' in names, 'mcnet' in names) for names in [methods.registry.importable()] * 2])"
    )
    assert listed.stdout == "[(False, True), (False, True)]\n"
    (line,) = listed.stderr.splitlines()
    assert line.startswith("method 'tiny' of talkbench-tiny is left out, since it cannot be imported: ModuleNotFound")
    assert line.endswith("; mend or uninstall it")


@pytest.mark.parametrize(
    ("code", "reason"), [("raise SystemExit('bye')", "SystemExit('bye')"), ("Tiny = 3", "tiny:Tiny is no class")]
)
def test_a_plugin_that_is_none_is_left_out(plugin, code, reason):
    site = plugin('tiny = "tiny:Tiny"', code=code)
    listed = python(site, "print('tiny' in methods.registry.importable())")
    assert listed.stdout == "False\n"
    assert reason in listed.stderr


def test_a_plugin_that_cannot_be_imported_is_refused_by_name(plugin):
    site = plugin('tiny = "tiny:Tiny"', code="import no_such_library")
    result = python(site, "methods.create('tiny')")
    assert "TalkbenchError: method 'tiny' of talkbench-tiny is left out, since it cannot be imported" in result.stderr
    assert "no_such_library" in result.stderr
    assert python(site, "methods.create('oracle')").returncode == 0
