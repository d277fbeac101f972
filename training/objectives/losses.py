"""The terms of the methods' objectives, each unweighted and returned as a scalar; the adversarial ones are in
`adversarial` (docs/specs/mcnet.md 5.1, docs/specs/fomm.md 5, docs/specs/mraa.md 5, docs/specs/dagan.md 5.1,
docs/specs/tpsm.md 5.4, docs/specs/facevid2vid.md 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.core.errors import TalkbenchError
from talkbench.methods.blocks import AntiAliasDownsample
from talkbench.methods.checkpoints import mismatch, mistyped, read_states
from talkbench.methods.keypoints import Keypoints, inverse
from talkbench.methods.mcnet.memory import Compensation
from talkbench.methods.mraa.regions import Regions, axis_sign
from talkbench.methods.tpsm.model import MaskedFlow
from talkbench.methods.warping import resize_to, warp
from talkbench.training.objectives.transform import EquivarianceTransform

SCALES = (1.0, 0.5, 0.25, 0.125)
VGG_LAYERS = (1, 6, 11, 20, 29)  # relu1_1, 2_1, 3_1, 4_1, 5_1 of torchvision's vgg19().features


class ImagePyramid(nn.Module):
    """An image (B, 3, H, W) at scales 1, 1/2, 1/4, 1/8 (docs/specs/fomm.md "Block: perceptual pyramid")."""

    def __init__(self) -> None:
        super().__init__()
        self.downs = nn.ModuleList(AntiAliasDownsample(3, scale) for scale in SCALES[1:])

    def forward(self, images: Tensor) -> list[Tensor]:
        return [images, *(down(images) for down in self.downs)]


class MultiScaleL1(nn.Module):
    """Mean absolute difference summed over the pyramid; replaces the perceptual loss if the VGG-19 weights are
    missing."""

    def __init__(self) -> None:
        super().__init__()
        self.pyramid = ImagePyramid()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        pairs = zip(self.pyramid(prediction), self.pyramid(target), strict=True)
        return torch.stack([F.l1_loss(a, b) for a, b in pairs]).sum()


class PerceptualLoss(nn.Module):
    """Σ over scales and five VGG-19 layers of mean |F(prediction) − F(target)|; the target is detached.

    Args:
        features: torchvision's ``vgg19().features``; frozen here.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.pyramid = ImagePyramid()
        self.features = features[: VGG_LAYERS[-1] + 1].eval().requires_grad_(False)
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.table(prediction, target).sum()

    def table(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The single terms, (scales, layers)."""
        rows = []
        for predicted_image, target_image in zip(self.pyramid(prediction), self.pyramid(target), strict=True):
            with torch.no_grad():
                truth = self._layers(target_image)
            rows.append([F.l1_loss(a, b) for a, b in zip(self._layers(predicted_image), truth, strict=True)])
        return torch.stack([torch.stack(row) for row in rows])

    def train(self, mode: bool = True) -> PerceptualLoss:
        """Stays in eval mode: the backbone is a fixed measure."""
        return super().train(False)

    def _layers(self, images: Tensor) -> list[Tensor]:
        out, kept = (images - self.mean) / self.std, []
        for index, layer in enumerate(self.features):
            out = layer(out)
            if index in VGG_LAYERS:
                kept.append(out)
        return kept


def equivariance(driving: Keypoints, transformed: Keypoints, transform: EquivarianceTransform) -> tuple[Tensor, Tensor]:
    """Value and jacobian term: keypoints must move with the image (docs/specs/fomm.md 5.2).

    `transformed` are the keypoints detected on ``transform.warp_images(driving image)``.
    """
    value = equivariance_value(driving.value, transformed.value, transform)
    with _precise(driving.value):
        moved = transform.jacobian(transformed.value) @ transformed.jacobian
        identity = torch.eye(2, device=moved.device)
        jacobian = (identity - inverse(driving.jacobian) @ moved).abs().mean()
    return value, jacobian


def equivariance_value(driving: Tensor, transformed: Tensor, transform: EquivarianceTransform) -> Tensor:
    """Mean |p − W(p')| of positions (B, K, 2), p' those detected on the transformed image; all methods but X2Face."""
    return (driving - transform.warp_points(transformed)).abs().mean()


def equivariance_affine(driving: Regions, transformed: Regions, transform: EquivarianceTransform) -> Tensor:
    """MRAA's term on the axes: mean |I − V|, V = A_D⁻¹·∇W·A' with the sign of its first entry taken out
    (docs/specs/mraa.md 5.1)."""
    with _precise(driving.affine):
        change = inverse(driving.affine) @ transform.jacobian(transformed.shift) @ transformed.affine
        return (torch.eye(2, device=change.device) - change * axis_sign(change)).abs().mean()


def background_consistency(forward: Tensor, backward: Tensor) -> Tensor:
    """TPSM's term on background matrices (B, 3, 3), source to driving and back: mean |I − A·A'|
    (docs/specs/tpsm.md 5.4)."""
    with _precise(forward):
        return (torch.eye(3, device=forward.device) - forward @ backward).abs().mean()


def _precise(like: Tensor) -> torch.autocast:
    """Within the block products of coordinates keep float32's precision."""
    return torch.autocast(like.device.type, enabled=False)


def warp_consistency(driving: Sequence[Tensor], source: Sequence[Tensor], flow: MaskedFlow) -> Tensor:
    """TPSM's term on encoder maps, full size first: Σ mean |O·e(driving) − O·warp(e(source))|.

    Maps and masks are detached: only the flow is taught (docs/specs/tpsm.md 5.4).
    """
    masks = [mask.detach() for mask in reversed(flow.occlusion_maps)]
    terms = [
        F.l1_loss(mask * warp(source_map.detach(), flow.deformation, True, True), (mask * driving_map).detach())
        for mask, driving_map, source_map in zip(masks, driving, source, strict=True)
    ]
    return torch.stack(terms).sum()


def depth_constraint(driving: Tensor, prediction: Tensor) -> Tensor:
    """DaGAN's optional term: mean absolute difference of the disparities of driving frame and prediction."""
    return F.l1_loss(prediction, driving)


def keypoint_prior(keypoints: Tensor) -> Tensor:
    """face-vid2vid's prior on driving keypoints (B, K, 3): apart by √0.1, and 0.33 deep on average.

    Σᵢ Σⱼ max(0, 0.1 − dᵢⱼ²), the diagonal included, which adds a constant (docs/specs/facevid2vid.md 5.2).
    """
    offset = keypoints[:, :, None] - keypoints[:, None] + 1e-6  # as torch's pairwise_distance has it
    crowded = F.relu(0.1 - offset.square().sum(-1)).sum((1, 2)).mean()
    return crowded + (keypoints[..., 2].mean(1) - 0.33).abs().mean()


def deformation_prior(expression: Tensor) -> Tensor:
    """face-vid2vid's prior on the driving frame's deformations (B, 3K): mean over the batch of Σ |δ|."""
    return expression.flatten(1).abs().sum(1).mean()


def head_pose(estimated: Tensor, target: Tensor) -> Tensor:
    """face-vid2vid's term on the driving head's angles (B, 3) in degrees: Σ over yaw, pitch and roll of their mean
    absolute difference (docs/specs/facevid2vid.md 5.2)."""
    return (estimated - target).abs().mean(0).sum()


def keypoint_distance(keypoints: Tensor, threshold: float = 0.2) -> Tensor:
    """Mean over all ordered pairs (B, K, 2) of 1 − sign(distance − 0.2); the diagonal counts as 0
    (docs/specs/mcnet.md 5.1).

    The sign has no gradient: the term changes the loss that the authors' code reports, not the training. It is
    detached, so it stays out of our total. For the effect that the paper intends, see `keypoint_separation`.
    """
    return (1 - torch.sign(_distances(keypoints.detach(), threshold) - threshold)).mean()


def keypoint_separation(keypoints: Tensor, threshold: float = 0.2) -> Tensor:
    """Mean over all ordered pairs (B, K, 2) of 2·max(0, 1 − distance/0.2); the diagonal counts as 0.

    A hinge with the range of `keypoint_distance`, 2 for keypoints in one place and 0 from the threshold on, which
    pushes close keypoints apart. An extension: no published model was trained with it.
    """
    return 2 * F.relu(1 - _distances(keypoints, threshold) / threshold).mean()


def _distances(keypoints: Tensor, diagonal: float) -> Tensor:
    """Euclidean distances (B, K, K) of keypoints (B, K, 2), `diagonal` on the diagonal."""
    distance = ((keypoints[:, :, None] - keypoints[:, None]).square().sum(-1) + 1e-8).sqrt()
    return distance + diagonal * torch.eye(keypoints.shape[1], device=keypoints.device)


def keypoint_recovery(keypoints: Tensor, recovered: Tensor) -> Tensor:
    """The term of the second stage of MRAA and TPSM: mean |p − AVD(source's, p distorted)| (docs/specs/tpsm.md 5.5)."""
    return F.l1_loss(recovered, keypoints)


def consistency(compensations: Sequence[Compensation]) -> Tensor:
    """Σ over levels of mean |stopgrad(F resized) − Value|: the memory's values follow the features."""
    terms = [(resize_to(c.feature, c.value, align_corners=True).detach() - c.value).abs().mean() for c in compensations]
    return torch.stack(terms).sum()


def load_vgg19(path: Path) -> nn.Sequential:
    """torchvision's ``vgg19().features`` with the weights of a local file (``vgg19-dcbb9e9d.pth``).

    Raises:
        TalkbenchError: torchvision is missing, or the file does not hold VGG-19.
    """
    try:
        from torchvision.models import vgg19
    except ImportError as error:
        raise TalkbenchError("the perceptual loss needs torchvision: pip install 'talkbench[full]'") from error
    with torch.device("meta"):  # nothing is filled, of the classifier least of all, which is most of it
        features = vgg19(weights=None).features
    assert isinstance(features, nn.Sequential)
    stored = read_states(path, "the perceptual loss").get("", {})
    state = {key.removeprefix("features."): value for key, value in stored.items() if key.startswith("features.")}
    fault = mismatch(features.state_dict(), state) or mistyped(features.state_dict(), state)
    if fault:
        raise TalkbenchError(f"{path} does not hold torchvision's VGG-19 ({fault}); give vgg19-dcbb9e9d.pth")
    features.load_state_dict(state, assign=True)
    return features
