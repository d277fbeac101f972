"""The base class of objectives: the turns of a training step, and their unweighted terms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods.interface import Method
from talkbench.training.config import MAIN, LossWeights
from talkbench.training.objectives.adversarial import (
    feature_matching,
    hinge_discriminator,
    hinge_generator,
    lsgan_discriminator,
    lsgan_generator,
)
from talkbench.training.objectives.losses import MultiScaleL1, PerceptualLoss
from talkbench.training.objectives.norms import prepare_norms
from talkbench.training.objectives.turn import Losses, Turn, named
from talkbench.training.state.draw import Draw
from talkbench.training.terms import called, complete

GENERATOR, DISCRIMINATOR = "generator", "discriminator"

IMAGE_TERMS: dict[type[nn.Module], str] = {
    PerceptualLoss: "perceptual",
    MultiScaleL1: "reconstruction",
    nn.L1Loss: "l1",
}
"""The image losses, and the names of their weights."""


class Objective(nn.Module, ABC):
    """The losses of one step of a method.

    A step has one turn, in which the method's networks learn by `terms`; and a second one, in which a discriminator
    learns to tell driving frames from predictions, if `weights` have an adversarial term. All turns of a step are
    computed before what they teach is applied, each in the state that the step before has left.

    Args:
        method: its networks are trained, in place.
        image_loss: compares prediction and driving frame; a key of `IMAGE_TERMS`.
        weights: factors of the terms.
        sync: whether batch norm sees the batches of all processes.

    Attributes:
        trains: the class of methods that it trains; subclasses too, unless they have an objective of their own.
        own_terms: the terms that it has beside those of `LossWeights`, with the weights that they have where a recipe
            says nothing; those of its base classes stay.
        stage: which part of their training it is.
        after: the stage that has to come before; "": none.
        plain: whether its image loss is the mean absolute difference alone, without VGG-19 and without a pyramid.
        frozen: the names of networks that are run but do not learn; they stay as they are, in eval mode. `freeze` adds
            to those of the class.
        fixed_norms: whether batch norm has its running statistics in training too, and leaves them as they are.
        clip_type: the order of the norm by which the gradients of the method's networks are limited.
        idle: whether a parameter of theirs may get no gradient in some steps.
        compares_images: whether the image loss is among its terms.
        hinge: whether the adversarial terms are hinges, in place of least squares.
        teachers: frozen networks, no part of the method, that its networks learn from; the image loss is none of them.
        left_out: the terms that are left out since a file is missing, by their names in `LossWeights`, and why, ``it
            needs …``.
        networks: the result: what learns of the method, and what is frozen.
        opponents: what learns as well but is no part of the method: the ``discriminator``, if there is one.

    Raises:
        TalkbenchError: there is an adversarial term, but the method has no discriminator; the weights have a term that
            the objective does not; or nothing would learn.
    """

    trains: ClassVar[type[Method[Any, Any]]]
    own_terms: ClassVar[Mapping[str, float]] = {}
    stage: ClassVar[str] = MAIN
    after: ClassVar[str] = ""
    plain: ClassVar[bool] = False
    frozen: tuple[str, ...] = ()
    fixed_norms: bool = False
    clip_type: ClassVar[float] = 2.0
    idle: ClassVar[bool] = False
    compares_images: ClassVar[bool] = True
    hinge: ClassVar[bool] = False

    def __init__(self, method: Method, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> None:
        super().__init__()
        self.networks, self.opponents = named(method.networks), nn.ModuleDict()
        if unknown := sorted({*self.frozen} - {*self.networks}):
            known = nearest(unknown[0], self.networks)
            raise TalkbenchError(f"{called(type(self))}: it freezes {unknown[0]}, no network of {method.name}; {known}")
        for name, network in self.networks.items():
            if name in self.frozen:
                network.requires_grad_(False).eval()
            else:
                prepare_norms(network, sync)
        if weights.adversarial:
            discriminator = method.discriminator()
            if discriminator is None:
                raise TalkbenchError(f"{method.name} has no discriminator; leave weights.adversarial out of its recipe")
            self.opponents[DISCRIMINATOR] = discriminator
        self.image_loss, self.weights = image_loss, complete(weights, type(self), method.name)
        self.teachers, self.left_out = nn.ModuleDict(), dict[str, str]()

    def freeze(self, names: Sequence[str]) -> None:
        """Let further networks of the method stay as they are.

        Raises:
            TalkbenchError: there is no such network, or none is left that learns.
        """
        for name in names:
            if name not in self.networks:
                raise TalkbenchError(
                    f"training config: freeze: there is no network {name}: {nearest(name, self.networks)}"
                )
            self.networks[name].requires_grad_(False)
        self.frozen = tuple(dict.fromkeys((*self.frozen, *names)))
        if names and {*self.networks} == {*self.frozen}:
            raise TalkbenchError("training config: freeze: no network is left that learns; freeze fewer")

    def turns(self) -> list[Turn]:
        """The turns of a step, in their order."""
        learning = named({name: net for name, net in self.networks.items() if name not in self.frozen})
        owner = called(type(self))
        first = Turn(GENERATOR, learning, self._first, self.weights, self.clipped(), self.clip_type, self.idle, owner)
        if not first.learned:
            raise TalkbenchError(f"{owner}: none of its method's networks learns; see to its `frozen`")
        return [first, *([Turn(DISCRIMINATOR, self.opponents, self._judge, self.weights)] if self.opponents else [])]

    def train(self, mode: bool = True) -> Self:
        """Frozen networks, and with `fixed_norms` all batch norms, stay in eval mode."""
        super().train(mode)
        for name in self.frozen:
            self.networks[name].eval()
        for module in self.modules() if self.fixed_norms else ():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    def forward(self, source: Tensor, driving: Tensor, draw: Draw) -> Losses:
        """The weighted terms of the first turn, and their sum as ``total``, for images (B, 3, H, W) in [0, 1]."""
        losses, _ = self.turns()[0](source, driving, self.random(draw), None)
        return losses

    def complete(self) -> None:
        """Take teachers with random weights where their files are missing: they cost what the real ones do."""

    @abstractmethod
    def random(self, draw: Draw) -> Any:
        """All random numbers of the step, so that `terms` is a plain function and can be compiled."""

    @abstractmethod
    def terms(self, source: Tensor, driving: Tensor, random: Any) -> Losses:
        """The unweighted terms of the first turn by their names in `LossWeights` and `own_terms`: scalars, each a mean
        over the samples."""

    def step(self, source: Tensor, driving: Tensor, random: Any) -> tuple[Losses, Any]:
        """The `terms`, and what the discriminator is to judge, detached: the prediction and the driving keypoints.

        An objective that can have a discriminator has this method in place of `terms`, see `deceive`.
        """
        return self.terms(source, driving, random), None

    def clipped(self) -> Iterable[Iterable[nn.Parameter]]:
        """The groups of parameters whose gradients are limited, each by its own norm; by default one per network."""
        return [network.parameters() for network in self.networks.values()]

    def image_term(self, prediction: Tensor, driving: Tensor) -> Losses:
        """The image loss under the name of its weight."""
        for kind, name in IMAGE_TERMS.items():
            if isinstance(self.image_loss, kind):
                return {name: self.image_loss(prediction, driving)}
        raise TalkbenchError(f"{called(type(self))}: it compares images, so do not set compares_images to False")

    def deceive(self, driving: Tensor, prediction: Tensor, keypoints: Tensor) -> Losses:
        """The terms by which the method's networks learn from the discriminator; none if there is no discriminator.

        Args:
            keypoints: of the driving frame (B, K, 2); the discriminator sees them, but they learn nothing from it.
        """
        if not self.opponents:
            return {}
        discriminator, keypoints = self.opponents[DISCRIMINATOR], keypoints.detach()
        fake, real = discriminator(prediction, keypoints), discriminator(driving, keypoints)
        term = hinge_generator if self.hinge else lsgan_generator
        return {"adversarial": term(fake.prediction), "feature_matching": feature_matching(real, fake).sum()}

    def _first(self, source: Tensor, driving: Tensor, random: Any, _left: Any) -> tuple[Losses, Any]:
        return self.step(source, driving, random)

    def _judge(self, _source: Tensor, driving: Tensor, _random: Any, left: Any) -> tuple[Losses, Any]:
        """The discriminator's term, on the prediction of the first turn. As in the authors' steps it judges anew, with
        gradients of its own."""
        prediction, keypoints = left
        discriminator = self.opponents[DISCRIMINATOR]
        fake, real = discriminator(prediction, keypoints), discriminator(driving, keypoints)
        term = hinge_discriminator if self.hinge else lsgan_discriminator
        return {"discriminator": term(real.prediction, fake.prediction)}, None
