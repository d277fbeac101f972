"""A sound method, and one for each fault that `bench check method` is to catch."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

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


# Method, the check that catches it, how what that finds begins.
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
