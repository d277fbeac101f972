"""What a metric and an extractor say of themselves, and what is said where they declare too little or too much."""

import numpy as np
import pytest

from talkbench import metrics
from talkbench.core.cards import ExtractorCard, MetricCard
from talkbench.core.errors import TalkbenchError
from talkbench.metrics import Extractor, Metric, extractors, registry
from talkbench.metrics.interface import Metric as PluginMetric


class Eyes(Extractor):
    """Where the eyes are (docs/specs/evaluation.md 3.5): float32 (2, 2).

    None: no `face`.
    """

    name, id = "eyes", "eyes@1"

    def extract(self, images, base=None):
        return [np.zeros((2, 2), np.float32) for _ in images]


class Iris(Eyes):
    name, id, uses, weights = "iris", "iris@1", "eyes", ("vgg16", "alexnet")


class Squint(Metric):
    """How far the eyes are
    apart, by `eyes`.

    As the paper has it (docs/specs/evaluation.md 3.5),
    and not otherwise.

    Nobody knows more.
    """

    name, default_variant, direction, range, decimals = "squint", "eyes", "lower", (0.0, 2.0), 2
    unit, scale, extractor, target = "px", 10.0, "eyes", "identity"
    weights = ("alexnet",)

    def compare(self, generated, target):
        return np.zeros(len(generated))


class Unexplained(Squint):
    name, default_variant, extractor, weights = "unexplained", None, None, ()


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for kind in (Eyes, Iris):
        monkeypatch.setitem(extractors.registry._factories, kind.name, kind)


def test_the_card_of_a_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Squint, "weights", ())
    assert Squint().card() == MetricCard(
        name="squint@eyes",
        short="squint",
        about="How far the eyes are apart, by eyes.",
        definition=("As the paper has it, and not otherwise.", "Nobody knows more."),
        direction="lower",
        unit="px",
        range=(0, 2),
        decimals=2,
        scale=10,
        target="identity",
        extractor="eyes",
        extractor_id="eyes@1@v1",
        backend="eyes@1@v1",
    )
    assert Squint().card().printed_range == (0, 20)


def test_the_card_of_one_that_cannot_be_computed_says_why() -> None:
    card = Squint().card()
    assert card.problem.startswith("needs alexnet-owt-7be5be79.pth (")
    assert (card.extractor, card.extractor_id, card.backend) == ("eyes", "", "")


def test_without_a_docstring_the_name_is_all_that_is_said() -> None:
    card = Unexplained().card()
    assert (card.about, card.definition, card.backend) == ("unexplained", (), "talkbench")


def test_the_card_of_an_extractor() -> None:
    about = "Where the eyes are: float32 (2, 2)."
    assert Eyes().card() == ExtractorCard(name="eyes", about=about, id="eyes@1@v1")
    card = Iris().card()
    assert (card.uses, card.weights, card.id) == ("eyes", ("vgg16", "alexnet"), "")
    assert card.problem.startswith("needs vgg16-397923af.pth (")


def test_files_are_its_own_and_those_of_what_it_starts_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Eyes, "weights", ("s3fd", "alexnet"))
    monkeypatch.setattr(Squint, "extractor", "iris")
    assert Iris().files() == ["vgg16", "alexnet", "s3fd"]
    assert Squint().files() == ["alexnet", "vgg16", "s3fd"]


@pytest.mark.parametrize(
    ("attribute", "value", "fault"),
    [
        ("direction", "down", "metric squint does not fit: direction: input should be 'higher' or 'lower'"),
        ("decimals", 1.5, "metric squint does not fit: decimals: input should be a valid integer"),
        ("range", (0.0, 1.0, 2.0), "metric squint does not fit: range: list should have at most 2 items"),
        ("target", "truth", "metric squint does not fit: target: input should be 'driving', 'source' or 'identity'"),
    ],
)
def test_what_a_metric_may_not_declare(attribute, value, fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Squint, attribute, value)
    with pytest.raises(TalkbenchError) as error:
        Squint().card()
    assert str(error.value).startswith(fault)


@pytest.mark.parametrize("attribute", ["direction", "range", "decimals"])
def test_what_a_metric_must_declare(attribute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Squint, attribute)
    with pytest.raises(TalkbenchError, match=f"^Squint declares no '{attribute}'; add it to the class$"):
        Squint().card()


def test_other_packages_register_here() -> None:
    """What they import keeps its place."""
    assert PluginMetric is Metric
    assert registry is metrics.registry
    assert extractors.registry.create("eyes").name == metrics.create_extractor("eyes").name == "eyes"
