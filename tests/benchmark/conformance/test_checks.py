"""`bench check method`: sound methods pass, and every kind of fault is caught by the check that is there for it."""

from functools import partial

import pytest
import torch
from faulty_methods import FAULTS, Centred, Doubling, Greedy, NotFinite, Tint, Ungrateful
from torch import nn

from talkbench import methods
from talkbench.benchmark.conformance.checks import CHECKS, check_method
from talkbench.benchmark.conformance.subject import GLOBALS, CheckOptions
from talkbench.core.errors import TalkbenchError
from talkbench.methods.interface import Method


@pytest.fixture
def examine(place, monkeypatch):
    """The verdicts on a class, by the names of the checks."""

    def run(kind: type[Method], **settings: object) -> dict:
        monkeypatch.setitem(methods.registry._factories, "mine", kind)
        verdicts = check_method(CheckOptions("mine", device="cpu", settings=settings))
        assert [verdict.check for verdict in verdicts] == CHECKS
        return {verdict.check.name: verdict for verdict in verdicts}

    return run


def of_status(verdicts: dict, status: str) -> list[str]:
    return [name for name, verdict in verdicts.items() if verdict.status == status]


def test_a_sound_method_passes_every_check(examine):
    assert of_status(examine(Tint), "pass") == [check.name for check in CHECKS]


@pytest.mark.parametrize(("kind", "check", "finding"), FAULTS, ids=[kind.__name__ for kind, *_ in FAULTS])
def test_a_fault_is_caught_by_its_check_alone(examine, kind, check, finding):
    verdicts = examine(kind)
    assert of_status(verdicts, "fail") == [check]
    assert verdicts[check].finding.startswith(finding)
    assert "\n" not in verdicts[check].finding


def test_every_check_has_a_fault_that_it_catches():
    assert {check for _, check, _ in FAULTS} == {check.name for check in CHECKS}


def test_what_a_method_changes_is_set_back(examine):
    before = [read() for read, _ in GLOBALS.values()]
    for kind in (Ungrateful, Doubling, Greedy):
        examine(kind)
        assert [read() for read, _ in GLOBALS.values()] == before


def test_a_check_that_another_one_makes_pointless_is_not_judged(examine):
    verdicts = examine(NotFinite)
    assert verdicts["autocast"].finding == "not judged without history"
    assert verdicts["determinism"].finding == "not judged without finite values"
    assert verdicts["records"].status == verdicts["arguments"].status == "pass"


def test_avd_that_is_set_leaves_relative_motion_out(examine):
    verdicts = examine(Tint, avd=True)
    assert of_status(verdicts, "fail") == []
    assert verdicts["relative motion"].finding == "avd is set, which moves absolutely"
    assert verdicts["identity drive"].finding == "not judged without relative motion"
    assert verdicts["avd motion"].status == "pass"


def test_avd_that_the_weights_lack_is_not_applicable(examine):
    class Partial(Tint):
        def __init__(self, weights=None, avd: bool = False):
            if avd:
                raise TalkbenchError("weights.pth has no avd_network")
            super().__init__(weights)

    verdict = examine(Partial)["avd motion"]
    assert (verdict.status, verdict.finding) == ("n/a", "weights.pth has no avd_network")


def test_out_of_memory_is_not_the_methods_fault(examine):
    class Large(Tint):
        def render(self, source, motion):
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(TalkbenchError, match="out of memory; try another --device"):
        examine(Large)


def test_fresh_weights_are_the_same_each_time(examine):
    drawn = []

    class Watched(Tint):
        def __init__(self, weights=None, avd: bool = False):
            super().__init__(weights, avd)
            drawn.append(self.network.weight.detach().clone())

    examine(Watched)
    examine(Watched)
    assert all(torch.equal(weights, drawn[0]) for weights in drawn)


@pytest.mark.parametrize("name", ["blend", "copy-source", "mcnet@demo", "oracle", "x2face-like"])
def test_methods_that_exist_pass(bench, monkeypatch, name):
    class AbsoluteOnly(Tint):
        motions = ("absolute",)

    monkeypatch.setitem(methods.registry._factories, "x2face-like", AbsoluteOnly)
    result = bench("check", "method", name, "--device", "cpu")
    assert (result.code, result.err.count("warning")) == (0, 0)
    count = {"x2face-like": 12}.get(name, 14)
    assert result.out.splitlines()[-1] == f"all {count} checks pass"


def test_weights_are_handed_on_and_left_as_they_are(examine, monkeypatch, tmp_path):
    """Fresh batch normalisation is adjusted to the faces, that of a checkpoint is not."""
    built = []

    class Normalising(Tint):
        def __init__(self, weights=None, avd: bool = False):
            super().__init__(weights, avd)
            self.network = nn.Sequential(self.network, nn.BatchNorm2d(3)).eval()
            self.networks, self.weights = {"network": self.network}, weights
            built.append(self)

    assert of_status(examine(Normalising), "fail") == []
    fresh = built[0].network[1]
    assert fresh.running_mean.abs().min() > 0
    assert (fresh.training, fresh.momentum) == (False, 0.1)
    built.clear()
    assert {verdict.status for verdict in check_method(CheckOptions("mine", tmp_path, "cpu"))} == {"pass"}
    assert {method.weights for method in built} == {tmp_path}
    assert not built[0].network[1].running_mean.any()


def test_a_failing_method_is_named_and_ends_with_1(bench, monkeypatch):
    monkeypatch.setitem(methods.registry._factories, "mine", partial(Centred))
    result = bench("check", "method", "mine", "--device", "cpu")
    assert result.code == 1
    assert "Traceback" not in result.err
    lines = result.out.splitlines()
    assert lines[-2].startswith("range fails: expected: images in [0, 1]; found: values from -")
    assert lines[-1] == "1 of 15 checks fail"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("method", "blent"), "unknown method 'blent': did you mean blend?"),
        (("method",), "Missing argument 'NAME'; see bench check method --help"),
        (("metod", "blend"), "unknown command 'metod': did you mean method?"),
        (("method", "blend", "--set", "nois=1"), "blend has no setting 'nois': did you mean noise?"),
        (("method", "blend", "--checkpoint", "x.pth"), "blend has no weights; leave --checkpoint out"),
        (("method", "blend", "--device", "gpu"), "device 'gpu' cannot be used here ("),
    ],
)
def test_a_wrong_command(bench, arguments, message):
    assert message in bench("check", *arguments).complaint()
