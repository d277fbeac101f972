"""LPIPS with two backbones (docs/specs/evaluation.md 3.4, 5.4), and its shift-tolerant kin
(docs/specs/registry-models.md 3)."""

from __future__ import annotations

import importlib.util
import warnings
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.model_files import digest
from talkbench.metrics import registry
from talkbench.metrics.networks import fill, isolated, read_state
from talkbench.metrics.pixel import ImageMetric
from talkbench.metrics.weights import digests

if TYPE_CHECKING:
    from torch import Tensor

    from talkbench.metrics.extractors.architectures.stlpips import StLpips


def lpips_layers(network: Any, a: Tensor, b: Tensor) -> Tensor:
    """The five terms whose sum is LPIPS (docs/specs/evaluation.md 3.4): images in [0, 1], (B, 3, H, W) twice to (B, 5).

    Args:
        network: an ``lpips.LPIPS``, whose backbone sees all 2 B images at once.
        a: images.
        b: images.
    """
    import torch
    from lpips import normalize_tensor

    scaled = network.scaling_layer(torch.cat([a, b]) * 2 - 1)
    terms = []
    for head, features in zip(network.lins, network.net(scaled), strict=True):
        of_a, of_b = normalize_tensor(features).chunk(2)  # (B, C, h, w)
        terms.append(head((of_a - of_b).square()).mean(dim=(1, 2, 3)))
    return torch.stack(terms, dim=1)


class _Lpips(ImageMetric):
    """The weights of the heads ship with the lpips package; those of the backbone are torchvision's.

    `range` ends at twice the sum of the largest weight of each head. A normalised feature vector has no negative
    entry and length 1, so a channel adds at most ``w (p² + q²)``, and all of them at most twice the largest w.
    """

    direction = "lower"
    decimals = 3
    dtype = "float32"
    libraries = ("lpips", "torchvision")

    net: str
    """The backbone as the lpips package calls it."""

    heads_sha256: str
    """sha256 of the file with the heads, version 0.1."""

    def problem(self) -> str | None:
        if problem := super().problem():
            return problem
        heads = _heads(self.net)
        if heads.is_file() and digest(heads) == self.heads_sha256:
            return None
        return f"needs the heads of lpips 0.1.4, not what {heads} holds: pip install --force-reinstall lpips==0.1.4"

    def backend(self) -> str:
        libraries = [f"{library}-{version(library)}" for library in self.libraries]
        return "@".join([self.name, *libraries, digests(*self.weights), f"heads-{self.heads_sha256[:12]}"])

    def values(self, generated: Tensor, target: Tensor) -> Tensor:
        with isolated():
            return super().values(generated, target)

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return lpips_layers(self._network.to(a.device), a, b).double().sum(dim=1)

    @cached_property
    def _network(self) -> Any:
        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        from lpips import LPIPS

        warnings.simplefilter("ignore")  # the package calls torchvision in a deprecated way
        network = LPIPS(net=self.net, version="0.1", pnet_rand=True, verbose=False)
        (weights,) = self.weights
        what = f"torchvision's {weights}"
        file = {key: value for key, value in read_state(weights, what).items() if key.startswith("features.")}
        here = {f"features.{key.partition('.')[2]}": key for key in network.net.state_dict()}  # slice1.0.weight
        fill(network.net, {here.get(key, key): value for key, value in file.items()}, weights, what)
        return network.eval().requires_grad_(False)


@registry.register("lpips@vgg")
class LpipsVgg(_Lpips):
    """Perceptual distance by the features of VGG16, LPIPS version 0.1."""

    name = "lpips@vgg"
    range = (0.0, 6.622)
    min_size = 16
    weights = ("vgg16",)
    net = "vgg"
    heads_sha256 = "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"


@registry.register("lpips@alex")
class LpipsAlex(_Lpips):
    """Perceptual distance by the features of AlexNet, LPIPS version 0.1."""

    name = "lpips@alex"
    range = (0.0, 8.048)
    min_size = 31
    weights = ("alexnet",)
    net = "alex"
    heads_sha256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"


def _heads(net: str) -> Path:
    spec = importlib.util.find_spec("lpips")
    folders = (spec and spec.submodule_search_locations) or ["lpips"]
    return Path(folders[0]) / "weights" / "v0.1" / f"{net}.pth"


class _StLpips(ImageMetric):
    """One file has the trunk and the heads. `range` ends as that of LPIPS, and for the same reason."""

    direction = "lower"
    decimals = 3
    dtype = "float32"

    def backend(self) -> str:
        return f"{self.name}@{digests(*self.weights)}"

    def values(self, generated: Tensor, target: Tensor) -> Tensor:
        with isolated():
            return super().values(generated, target)

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return self._network.to(a.device)(a, b).double().sum(dim=1)

    @cached_property
    def _network(self) -> StLpips:
        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        from talkbench.metrics.extractors.architectures import stlpips

        (name,) = self.weights
        what = f"the network of {self.name}"
        trunk = stlpips.alexnet() if name == "stlpips-alex" else stlpips.vgg16()
        return fill(stlpips.StLpips(trunk), read_state(name, what), name, what)


@registry.register("stlpips@alex")
class StLpipsAlex(_StLpips):
    """Perceptual distance tolerant to shifts of a pixel or two, by the features of AlexNet without strides (ST-LPIPS).

    The formula of LPIPS on another network and other heads (Ghildyal and Liu, ECCV 2022); its values do not compare
    with LPIPS (docs/specs/registry-models.md 3).
    """

    name = "stlpips@alex"
    range = (0.0, 2.683)
    min_size = 21
    weights = ("stlpips-alex",)


@registry.register("stlpips@vgg")
class StLpipsVgg(_StLpips):
    """Perceptual distance tolerant to shifts of a pixel or two, by the features of VGG16 without strides (ST-LPIPS).

    The formula of LPIPS on another network and other heads (Ghildyal and Liu, ECCV 2022); its values do not compare
    with LPIPS (docs/specs/registry-models.md 3).
    """

    name = "stlpips@vgg"
    range = (0.0, 2.158)
    min_size = 18
    weights = ("stlpips-vgg",)
