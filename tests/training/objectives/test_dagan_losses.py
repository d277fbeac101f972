"""DaGAN's losses and gradients against the reference outputs (docs/specs/dagan.md 5.1)."""

from types import SimpleNamespace

import golden_models
import numpy as np
import pytest
import torch
from goldens import Golden, assert_golden, assert_manifest, assert_statistics, gradient_norm, image, load, load_manifest

from talkbench.training.objectives.adversarial import feature_matching, lsgan_discriminator, lsgan_generator
from talkbench.training.objectives.losses import (
    ImagePyramid,
    PerceptualLoss,
    depth_constraint,
    equivariance,
    keypoint_distance,
)
from talkbench.training.objectives.transform import EquivarianceTransform

MAPS, LOSSES, GRADIENTS = 1e-4, 1e-3, 1e-2


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load("dagan")


@pytest.fixture(scope="module")
def step(golden: Golden, perceptual: PerceptualLoss) -> SimpleNamespace:
    """Forward and backward of both sides; the depth network is frozen."""
    theta, control = (torch.from_numpy(golden[f"transform_{name}"]) for name in ("theta", "control_params"))
    transform = EquivarianceTransform(theta, control.flatten(1))
    method = golden_models.dagan()
    judge = golden_models.discriminator(num_kp=15)
    generator = method.networks["generator"]
    source, driving = torch.cat([image(1), image(1)]), torch.cat([image(2), image(3)])
    frame = transform.warp_images(driving)
    with torch.no_grad():
        depths = [method._disparity(images) for images in (source, driving, frame)]
    frames = zip((source, driving, frame), depths, strict=True)
    kp_source, kp_driving, kp_frame = (method._keypoints(images, depth) for images, depth in frames)
    prediction = generator(generator.encode(source, depths[0], kp_source), kp_driving).prediction
    condition = kp_driving.value.detach()
    real, fake = judge(driving, condition), judge(prediction, condition)
    table, matching = perceptual.table(prediction, driving), feature_matching(real, fake)
    value, jacobian = equivariance(kp_driving, kp_frame, transform)
    terms = {
        "perceptual": 10 * table.sum(),
        "gen_gan": lsgan_generator(fake.prediction),
        "feature_matching": 10 * matching.sum(),
        "equivariance_value": 10 * value,
        "equivariance_jacobian": 10 * jacobian,
        "kp_distance": 10 * (keypoint_distance(kp_source.value) + keypoint_distance(kp_driving.value)),
    }
    total = torch.stack(list(terms.values())).sum()
    total.backward()
    gradients = {
        "generator": gradient_norm(generator.parameters()),
        "kp_detector": gradient_norm(method.networks["kp_detector"].parameters()),
        "gamma": gradient_norm([generator.AttnModule.gamma]),
        "discriminator_from_generator_loss": gradient_norm(judge.parameters()),
    }
    judge.zero_grad()
    judged = lsgan_discriminator(judge(driving, condition).prediction, judge(prediction.detach(), condition).prediction)
    judged.backward()
    gradients["discriminator"] = gradient_norm(judge.parameters())
    with torch.no_grad():
        depth = method._disparity(prediction.detach())
    return SimpleNamespace(
        terms={**terms, "generator_total": total, "disc_gan": judged}, gradients=gradients, table=table,
        matching=matching, real=real, fake=fake, prediction=prediction, frame=frame, kp_frame=kp_frame,
        transform=transform, depths=(depths[1], depth), driving=driving,
    )  # fmt: skip


def test_the_discriminator_is_the_manifests() -> None:
    assert_manifest(golden_models.discriminator(num_kp=15), load_manifest("dagan")["subnetworks"]["discriminator"])


def test_losses(golden: Golden, step: SimpleNamespace) -> None:
    for name, term in step.terms.items():
        np.testing.assert_allclose(term.detach(), golden[f"loss_{name}"], rtol=LOSSES, err_msg=name)
    np.testing.assert_allclose(step.table.detach(), golden["perceptual_raw"], rtol=LOSSES)
    np.testing.assert_allclose(step.matching.detach(), golden["feature_matching_raw"], rtol=LOSSES)
    constraint = depth_constraint(*step.depths).item()
    assert constraint == pytest.approx(float(golden["depth_constraint_raw"]), rel=LOSSES)


def test_gradients(golden: Golden, step: SimpleNamespace) -> None:
    for name, norm in step.gradients.items():
        assert norm == pytest.approx(float(golden[f"grad_norm_{name}"]), rel=GRADIENTS), name


def test_what_the_losses_compare(golden: Golden, step: SimpleNamespace) -> None:
    assert_golden(golden, "loss_prediction", step.prediction, MAPS)
    assert_golden(golden, "transformed_frame", step.frame, MAPS)
    assert_golden(golden, "transformed_kp_value", step.kp_frame.value, MAPS)
    assert_golden(golden, "transformed_kp_jacobian", step.kp_frame.jacobian, MAPS)
    assert_golden(golden, "warped_transformed_kp", step.transform.warp_points(step.kp_frame.value), MAPS)
    points = torch.from_numpy(golden["transform_control_points"]).view(-1, 2)
    assert torch.equal(step.transform._points, points)
    for name, judgement in (("real", step.real), ("generated", step.fake)):
        assert_golden(golden, f"disc_map_{name}", judgement.prediction, MAPS, strides=(1, 1, 8, 8))
    pyramid = ImagePyramid()
    for name, images in (("real", step.driving), ("generated", step.prediction.detach())):
        for scale, found in zip(("1", "0.5", "0.25", "0.125"), pyramid(images), strict=True):
            assert f"pyramid_{scale}_{name}_mean" in golden
            assert_statistics(golden, f"pyramid_{scale}_{name}", found, MAPS)
