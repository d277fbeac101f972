"""DaGAN's losses and gradients against the reference outputs (docs/specs/dagan.md 5.1)."""

from types import SimpleNamespace

import golden_models
import numpy as np
import pytest
import torch
from goldens import (
    Golden,
    Recorder,
    Watch,
    assert_golden,
    assert_manifest,
    assert_statistics,
    gradient_norm,
    image,
    load,
    load_manifest,
)

from talkbench.training.config import LossWeights
from talkbench.training.objectives.adversarial import feature_matching
from talkbench.training.objectives.dagan import DaGANObjective
from talkbench.training.objectives.losses import ImagePyramid, PerceptualLoss, depth_constraint
from talkbench.training.objectives.transform import EquivarianceTransform

MAPS, LOSSES, GRADIENTS = 1e-4, 1e-3, 1e-2


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load("dagan")


NAMES = {"adversarial": "gen_gan", "discriminator": "disc_gan", "total": "generator_total"}


@pytest.fixture(scope="module")
def step(golden: Golden, perceptual: PerceptualLoss) -> SimpleNamespace:
    """Forward and backward of both turns; the depth network is frozen."""
    theta, control = (torch.from_numpy(golden[f"transform_{name}"]) for name in ("theta", "control_params"))
    transform = EquivarianceTransform(theta, control.flatten(1))
    method, judge = golden_models.dagan(), golden_models.discriminator(num_kp=15)
    objective = DaGANObjective(method, perceptual, LossWeights(adversarial=1)).eval()
    objective.opponents["discriminator"] = judge
    generator = method.networks["generator"]
    source, driving = torch.cat([image(1), image(1)]), torch.cat([image(2), image(3)])
    with Watch(objective, "generate") as made, Watch(perceptual, "table") as tables, Recorder(judge) as recorder:
        turns = objective.turns()
        first, left = turns[0](source, driving, (transform, ()), None)
        first["total"].backward()
        gradients = {
            "generator": gradient_norm(generator.parameters()),
            "kp_detector": gradient_norm(method.networks["kp_detector"].parameters()),
            "gamma": gradient_norm([generator.AttnModule.gamma]),
            "discriminator_from_generator_loss": gradient_norm(judge.parameters()),
        }
        judge.zero_grad()
        second, _ = turns[1](source, driving, None, left)
        second["total"].backward()
    gradients["discriminator"] = gradient_norm(judge.parameters())
    assert gradient_norm(p for name in objective.frozen for p in method.networks[name].parameters()) == 0
    made, prediction = made.results[0], left[0]
    with torch.no_grad():
        depth = method._disparity(prediction)
    terms = {**second, **first, "total": first["total"] + first["kp_distance"]}  # no gradient, so in the authors' only
    fake, real = recorder.outputs[""][:2]
    return SimpleNamespace(
        terms={NAMES.get(name, name): term for name, term in terms.items()}, gradients=gradients,
        table=tables.results[0], matching=feature_matching(real, fake), real=real, fake=fake, prediction=prediction,
        frame=transform.warp_images(driving), kp_frame=made.transformed, transform=transform,
        depths=(made.disparity, depth), driving=driving,
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
