"""`bench check method`: sound methods pass, and every kind of fault is caught by the check that is there for it."""

from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from talkbench import methods
from talkbench.benchmark.conformance.checks import CHECKS, check_method
from talkbench.benchmark.conformance.subject import GLOBALS, CheckOptions
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.methods.interface import MOTIONS, Batch, Method


@dataclass(frozen=True)
class Face(Batch):
    """Features (B, 3, H, W) and the pose (B, 3) of the source."""

    features: Tensor
    pose: Tensor


@dataclass(frozen=True)
class Pose(Batch):
    """`value` (B, 3); `spare` for what the faulty ones add."""

    value: Tensor
    spare: object = None


class Tint(Method):
    """A sound method: the motion is the mean colour, rendering adds it to features of the source."""

    motions = MOTIONS

    def __init__(self, weights=None, avd: bool = False):
        self.name, self.settings, self.avd = "tint", {"avd": avd}, avd
        self.network = nn.Conv2d(3, 3, 3, padding=1)
        self.networks = {"network": self.network}

    def encode_source(self, images):
        return Face(self.network(images), images.mean((2, 3)))

    def encode_motion(self, images):
        return Pose(images.mean((2, 3)))

    def transfer(self, source, driving, reference):
        if reference is None:
            return driving
        if self.avd:
            raise TalkbenchError("tint with avd=True moves absolutely")
        return Pose(source.pose + driving.value - reference.value)

    def render(self, source, motion):
        return (source.features + 5 * motion.value[:, :, None, None] - 2.5).float().sigmoid()


class Undeclared(Tint):
    motions = ("absolute", "sideways")


class Unrecordable(Tint):
    def __init__(self, weights=None, avd: bool = False):
        super().__init__(weights, avd)
        self.settings = {"network": self.network}


class Crashing(Tint):
    def encode_motion(self, images):
        raise RuntimeError("a bug\nin two lines")


class Bare(Tint):
    def encode_motion(self, images):
        return images.mean((2, 3))


class SharedGrid(Tint):
    """A constant that does not belong to any item."""

    def encode_motion(self, images):
        return Pose(images.mean((2, 3)), torch.zeros(1, 4))


class Listing(Tint):
    def encode_motion(self, images):
        return Pose(images.mean((2, 3)), [images])


@dataclass(frozen=True)
class Unselectable(Pose):
    def select(self, index):
        return Pose(self.value[: len(index)])


class Stubborn(Tint):
    def encode_motion(self, images):
        return Unselectable(images.mean((2, 3)))


@dataclass(frozen=True)
class Miscounting(Pose):
    def __len__(self):
        return 1


class Uncounted(Tint):
    def encode_motion(self, images):
        return Miscounting(images.mean((2, 3)))


class Cropped(Tint):
    def render(self, source, motion):
        return super().render(source, motion)[..., :-1]


class Double(Tint):
    def render(self, source, motion):
        return super().render(source, motion).double()


class NotFinite(Tint):
    def render(self, source, motion):
        return super().render(source, motion).log().log()


class Centred(Tint):
    """Images in [−1, 1], as many networks give them."""

    def render(self, source, motion):
        return super().render(source, motion) * 2 - 1


class Noisy(Tint):
    def render(self, source, motion):
        image = super().render(source, motion)
        return image * (1 - 0.1 * torch.rand_like(image))


class Forgetful(Tint):
    """Renders the source that was encoded last."""

    def encode_source(self, images):
        self.latest = super().encode_source(images)
        return self.latest

    def render(self, source, motion):
        return super().render(self.latest if len(self.latest) == len(source) else source, motion)


class Smoothing(Tint):
    """Goes a part of the way from the motion that was rendered before."""

    before = None

    def render(self, source, motion):
        value = motion.value
        if self.before is not None and self.before.shape == value.shape:
            value = (value + self.before) / 2
        self.before = value
        return super().render(source, Pose(value))


class Reusing(Tint):
    """Writes every source's features into one buffer."""

    def encode_source(self, images):
        face = super().encode_source(images)
        if len(images) == 1:
            self.buffer = getattr(self, "buffer", torch.empty_like(face.features)).copy_(face.features)
            face = Face(self.buffer, face.pose)
        return face


class Training(Tint):
    """Normalises by the statistics of the batch."""

    def __init__(self, weights=None, avd: bool = False):
        super().__init__(weights, avd)
        self.network = nn.Sequential(self.network, nn.BatchNorm2d(3))
        self.networks = {"network": self.network}


class FirstOfBatch(Tint):
    def render(self, source, motion):
        return super().render(source, Pose(motion.value[:1]))


class Unrelated(Tint):
    def transfer(self, source, driving, reference):
        if reference is not None:
            raise PairError("degenerate-keypoints", "no hull")
        return driving


class Additive(Tint):
    """Forgets where the source was."""

    def transfer(self, source, driving, reference):
        return driving if reference is None else Pose(driving.value - reference.value)


class Backwards(Tint):
    """The change from driving to reference: nothing moves in an identity drive, and all the wrong way otherwise."""

    def transfer(self, source, driving, reference):
        return driving if reference is None else Pose(source.pose + reference.value - driving.value)


class WithoutAvd(Tint):
    def __init__(self, weights=None):
        super().__init__(weights)


class BrokenAvd(Tint):
    def render(self, source, motion):
        return super().render(source, motion) / (0.0 if self.avd else 1.0)


class HalfPrecise(Tint):
    """Mixes what autocast made half-precise with what it did not, in an operation that takes one type only."""

    def render(self, source, motion):
        mixed = torch.lerp(source.features, motion.value[:, :, None, None].expand_as(source.features), 0.5)
        return mixed.float().sigmoid()


class Overflowing(Tint):
    """Counts in the type that autocast gives, where 256 + 1 = 256."""

    def render(self, source, motion):
        steps = torch.zeros_like(source.features[:, :1])
        for _ in range(400):
            steps = steps + 1
        return super().render(source, motion) * steps.float() / 400


class InPlace(Tint):
    def encode_motion(self, images):
        return Pose(images.sub_(0.5).mean((2, 3)) + 0.5)


class InPlaceRecord(Tint):
    def render(self, source, motion):
        motion.value.sub_(0.5)
        return (source.features + 5 * motion.value[:, :, None, None]).float().sigmoid()


class Ungrateful(Tint):
    def render(self, source, motion):
        torch.set_grad_enabled(False)
        return super().render(source, motion)


class Doubling(Tint):
    def encode_source(self, images):
        torch.set_default_dtype(torch.float64)
        return super().encode_source(images)


class Greedy(Tint):
    def encode_motion(self, images):
        torch.set_num_threads(torch.get_num_threads() + 1)
        return super().encode_motion(images)


FAULTS = [
    (Undeclared, "declaration", "motions is ('absolute', 'sideways')"),
    (Unrecordable, "declaration", "writing settings as JSON raised TypeError: Object of type Conv2d"),
    (Crashing, "steps", "encode_motion raised RuntimeError: a bug"),
    (Bare, "steps", "encode_motion gives a Tensor, not a Batch"),
    (SharedGrid, "records", "motion.spare has the shape (1, 4) for 3 images"),
    (Listing, "records", "motion.spare is a list"),
    (Stubborn, "records", "select and expand give other items of motion.value"),
    (Uncounted, "records", "len of the motion is 1 for 3 images"),
    (Cropped, "images", "float32 (1, 3, 64, 63) on cpu"),
    (Double, "images", "float64 (1, 3, 64, 64) on cpu"),
    (NotFinite, "finite values", "12288 of 12288 values are NaN or infinite"),
    (Centred, "range", "values from -"),
    (Noisy, "determinism", "largest difference "),
    (Forgetful, "history", "largest difference "),
    (Smoothing, "history", "largest difference "),
    (Reusing, "history", "largest difference "),
    (Training, "batch invariance", "largest difference "),
    (FirstOfBatch, "batch invariance", "largest difference "),
    (Unrelated, "relative motion", "transfer raised PairError: no hull"),
    (Additive, "identity drive", "largest difference "),
    (Backwards, "identity drive", "largest difference "),
    (WithoutAvd, "avd motion", "it is declared, but there is no setting avd that chooses it"),
    (BrokenAvd, "avd motion", "render gives NaN or infinite values"),
    (HalfPrecise, "autocast", "render raised RuntimeError: "),
    (Overflowing, "autocast", "mean difference "),
    (InPlace, "arguments", "encode_motion changes images"),
    (InPlaceRecord, "arguments", "render changes motion.value"),
    (Ungrateful, "global settings", "render turns gradients enabled from True to False"),
    (Doubling, "global settings", "encode_source turns default dtype from torch.float32 to torch.float64"),
    (Greedy, "global settings", "encode_motion turns number of threads from 1 to 2"),
]


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


@pytest.mark.parametrize(("kind", "check", "found"), FAULTS, ids=[kind.__name__ for kind, *_ in FAULTS])
def test_a_fault_is_caught_by_its_check_alone(examine, kind, check, found):
    verdicts = examine(kind)
    assert of_status(verdicts, "fail") == [check]
    assert verdicts[check].found.startswith(found)
    assert "\n" not in verdicts[check].found


def test_every_check_has_a_fault_that_it_catches():
    assert {check for _, check, _ in FAULTS} == {check.name for check in CHECKS}


def test_what_a_method_changes_is_set_back(examine):
    before = [read() for read, _ in GLOBALS.values()]
    for kind in (Ungrateful, Doubling, Greedy):
        examine(kind)
        assert [read() for read, _ in GLOBALS.values()] == before


def test_a_check_that_another_one_makes_pointless_is_not_judged(examine):
    verdicts = examine(NotFinite)
    assert verdicts["autocast"].found == "not judged without history"
    assert verdicts["determinism"].found == "not judged without finite values"
    assert verdicts["records"].status == verdicts["arguments"].status == "pass"


def test_avd_that_is_set_leaves_relative_motion_out(examine):
    verdicts = examine(Tint, avd=True)
    assert of_status(verdicts, "fail") == []
    assert verdicts["relative motion"].found == "avd is set, which moves absolutely"
    assert verdicts["identity drive"].found == "not judged without relative motion"
    assert verdicts["avd motion"].status == "pass"


def test_avd_that_the_weights_lack_is_not_applicable(examine):
    class Partial(Tint):
        def __init__(self, weights=None, avd: bool = False):
            if avd:
                raise TalkbenchError("weights.pth has no avd_network")
            super().__init__(weights)

    verdict = examine(Partial)["avd motion"]
    assert (verdict.status, verdict.found) == ("n/a", "weights.pth has no avd_network")


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
