"""TPSM's losses and gradients against the reference outputs (specs tpsm 5)."""

from dataclasses import dataclass

import golden_models
import numpy as np
import pytest
import torch
from goldens import Golden, assert_golden, gradient_norm, image, load
from torch import Tensor

from talkbench.methods.interface import Method
from talkbench.methods.tpsm.model import dropped_softmax
from talkbench.training.losses import (
    ImagePyramid,
    PerceptualLoss,
    background_consistency,
    equivariance_value,
    keypoint_recovery,
    warp_consistency,
)
from talkbench.training.transform import EquivarianceTransform, thin_plate

POINTS, MAPS, LOSSES = 1e-5, 1e-4, 1e-4
TERMS = ("perceptual", "equivariance_value", "warp_loss", "bg")
NETWORKS = ("kp_detector", "dense_motion_network", "inpainting_network", "bg_predictor")


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load("tpsm")


@pytest.fixture(scope="module")
def transform(golden: Golden) -> EquivarianceTransform:
    theta, control = (torch.from_numpy(golden[f"loss_{name}"]) for name in ("theta", "control_params"))
    return EquivarianceTransform(theta, control.flatten(1), align_corners=True, radial=thin_plate)


@pytest.fixture(scope="module")
def tpsm() -> Method:
    return golden_models.tpsm()


@dataclass
class Step:
    """One forward pass of training: the weighted terms, and what they were made of."""

    terms: dict[str, Tensor]
    keypoints: Tensor
    prediction: Tensor
    frame: Tensor
    kp_frame: Tensor


def step(
    method: Method, transform: EquivarianceTransform, perceptual: PerceptualLoss, keep: Tensor | None = None
) -> Step:
    source, driving = torch.cat([image(1), image(2)]), torch.cat([image(2), image(3)])
    detector, motion, inpainting, background = (method.networks[name] for name in NETWORKS)
    kp_source, kp_driving = detector(source), detector(driving)
    matrix = background(source, driving)
    encoded = inpainting.encode(source, kp_source, motion.down(source))
    flow = motion(encoded, kp_driving, matrix, keep)
    prediction = inpainting(encoded, flow).prediction
    frame = transform.warp_images(driving)
    kp_frame = detector(frame)
    theirs = inpainting.encode(driving, kp_driving, encoded.small).maps
    terms = {
        "perceptual": perceptual(prediction, driving),
        "equivariance_value": equivariance_value(kp_driving, kp_frame, transform),
        "warp_loss": warp_consistency(theirs, encoded.maps, flow),
        "bg": background_consistency(matrix, background(driving, source)),
    }
    return Step({name: 10 * term for name, term in terms.items()}, kp_driving, prediction, frame, kp_frame)


def assert_step(golden: Golden, run: str, found: Step) -> None:
    for name in TERMS:
        np.testing.assert_allclose(found.terms[name].detach(), golden[f"{run}_{name}"], rtol=LOSSES, err_msg=name)
    assert_golden(golden, f"{run}_kp_driving", found.keypoints, POINTS)
    assert_golden(golden, f"{run}_prediction", found.prediction, MAPS)


def test_pyramid(golden: Golden) -> None:
    for name, found in zip(("0.5", "0.25", "0.125"), ImagePyramid()(image(2))[1:], strict=True):
        assert_golden(golden, f"pyramid_{name}", found, MAPS)


def test_the_transform_has_true_thin_plates(golden: Golden, transform: EquivarianceTransform) -> None:
    points = torch.from_numpy(golden["probe_tps_points"])
    assert_golden(golden, "loss_tps_random_warped", transform.warp_points(points.expand(2, -1, -1)), POINTS)


def test_losses_and_the_gradient_of_each(
    golden: Golden, tpsm: Method, transform: EquivarianceTransform, perceptual: PerceptualLoss
) -> None:
    found = step(tpsm, transform, perceptual)
    assert_step(golden, "loss50_eval", found)
    assert_golden(golden, "loss50_eval_transformed_frame", found.frame, MAPS)
    assert_golden(golden, "loss50_eval_transformed_kp", found.kp_frame, POINTS)
    for name, term in found.terms.items():
        for network in tpsm.networks.values():
            network.zero_grad()
        term.backward(retain_graph=True)
        for part in NETWORKS:
            loose = name == "perceptual" and part in ("kp_detector", "bg_predictor")
            wanted = pytest.approx(float(golden[f"grad50_eval_{name}__{part}"]), rel=1e-2 if loose else 1e-3)
            assert gradient_norm(tpsm.networks[part].parameters()) == wanted, (name, part)


@torch.no_grad()
def test_dropped_splines(
    golden: Golden, tpsm: Method, transform: EquivarianceTransform, perceptual: PerceptualLoss
) -> None:
    """Epoch 12: splines are dropped with probability 0.3, the background never."""
    keep = torch.from_numpy(golden["loss_dropout_uniform"]) < 1 - 0.3
    keep[:, 0] = True
    logits: list[Tensor] = []
    handle = tpsm.networks["dense_motion_network"].maps.register_forward_hook(lambda *call: logits.append(call[2]))
    found = step(tpsm, transform, perceptual, keep)
    handle.remove()
    assert_step(golden, "loss12_eval", found)
    assert_golden(golden, "loss12_eval_contribution_maps", dropped_softmax(logits[0], keep), MAPS)


@torch.no_grad()
def test_batch_statistics(golden: Golden, transform: EquivarianceTransform, perceptual: PerceptualLoss) -> None:
    method = golden_models.tpsm()
    for network in method.networks.values():
        network.train()
    assert_step(golden, "loss50_train", step(method, transform, perceptual))
    for name, network, key in (("bn1", "kp_detector", "fg_encoder"), ("bg_bn1", "bg_predictor", "bg_encoder")):
        statistics = method.networks[network].state_dict()[f"{key}.bn1.running_mean"]
        np.testing.assert_allclose(statistics, golden[f"loss50_train_{name}_running_mean"], rtol=0, atol=MAPS)


@torch.no_grad()
def test_avd_training(golden: Golden, tpsm: Method) -> None:
    """The AVD network recovers driving keypoints from scaled ones, with batch statistics."""
    source, driving = (torch.from_numpy(golden[f"probe_avd_{name}"]) for name in ("source", "driving"))
    scaled = driving * torch.from_numpy(golden["probe_avd_train_scale"])[:, None]
    network = tpsm.networks["avd_network"].train()
    found = network(source.flatten(1), scaled.flatten(1)).view_as(driving)
    network.eval()
    assert_golden(golden, "probe_avd_train_out", found, POINTS)
    assert keypoint_recovery(driving, found).item() == pytest.approx(float(golden["probe_avd_train_loss"]), rel=LOSSES)
