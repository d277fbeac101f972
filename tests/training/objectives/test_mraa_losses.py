"""MRAA's losses and gradients against the reference outputs (docs/specs/mraa.md 5)."""

import golden_models
import numpy as np
import pytest
import torch
from goldens import Golden, Watch, assert_golden, gradient_norm, image, load

from talkbench.methods.interface import Method
from talkbench.methods.mraa.regions import Regions, axis_sign, disentangled_regions
from talkbench.training.config import LossWeights
from talkbench.training.objectives.losses import ImagePyramid, PerceptualLoss
from talkbench.training.objectives.mraa import MRAAObjective
from talkbench.training.objectives.transform import EquivarianceTransform

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load("mraa")


@pytest.fixture(scope="module")
def mraa() -> Method:
    return golden_models.mraa()


def test_pyramid(golden: Golden) -> None:
    for name, found in zip(("0.5", "0.25", "0.125"), ImagePyramid()(image(2))[1:], strict=True):
        assert_golden(golden, f"pyramid_driving_{name}", found, TOLERANCE)


def test_losses_and_gradients(golden: Golden, mraa: Method, perceptual: PerceptualLoss) -> None:
    """The first stage of training: all networks learn together."""
    theta, control = (torch.from_numpy(golden[f"tps_{name}"]) for name in ("theta", "control_params"))
    transform = EquivarianceTransform(theta, control.flatten(1))
    predictor, generator, background = (
        mraa.networks[name] for name in ("region_predictor", "generator", "bg_predictor")
    )
    source, driving = image(1), image(2)
    objective = MRAAObjective(mraa, perceptual, LossWeights()).eval()
    with Watch(perceptual, "table") as tables:
        losses = {
            name: getattr(objective.weights, name) * term
            for name, term in objective.terms(source, driving, transform).items()
        }
    losses["total"] = torch.stack(list(losses.values())).sum()
    losses["total"].backward()
    losses["equivariance_shift"] = losses.pop("equivariance_value")
    losses["equivariance_shift_raw"] = losses["equivariance_shift"] / 10
    for name, loss in losses.items():
        np.testing.assert_allclose(loss.detach(), golden[f"loss_{name}"], rtol=TOLERANCE, err_msg=name)
    np.testing.assert_allclose(tables.results[0].detach(), golden["perceptual_matrix"], rtol=0, atol=TOLERANCE)
    parts = {
        **{name: mraa.networks[name].parameters() for name in ("generator", "region_predictor", "bg_predictor")},
        "regions.weight": [predictor.regions.weight],
        "mask.weight": [generator.pixelwise_flow_predictor.mask.weight],
        "fc.weight": [background.fc.weight],
        "final.weight": [generator.final.weight],
    }
    for name, parameters in parts.items():
        assert gradient_norm(parameters) == pytest.approx(float(golden[f"gradnorm_{name}"]), rel=1e-3), name
    frame = transform.warp_images(driving)
    with torch.no_grad():
        regions, transformed = predictor(driving), predictor(frame)
    assert_golden(golden, "eq_transformed_frame", frame, TOLERANCE)
    for name in ("shift", "covar", "affine"):
        assert_golden(golden, f"eq_transformed_{name}", getattr(transformed, name), TOLERANCE)
    assert_golden(golden, "eq_warped_shift", transform.warp_points(transformed.shift), TOLERANCE)
    jacobian = transform.jacobian(transformed.shift)
    assert_golden(golden, "eq_jacobian", jacobian, TOLERANCE)
    change = torch.inverse(regions.affine) @ jacobian @ transformed.affine
    assert_golden(golden, "eq_value", change * axis_sign(change), TOLERANCE)


@torch.no_grad()
def test_the_second_stage(golden: Golden, mraa: Method) -> None:
    """The AVD network recovers the driver's regions from scaled ones."""
    predictor = mraa.networks["region_predictor"]
    source, target = predictor(image(1)), predictor(image(2))
    scale = torch.from_numpy(golden["avdtrain_scale"])
    pose = Regions(target.shift * scale[:, None], target.covar, torch.diag_embed(scale)[:, None] @ target.affine)
    found = disentangled_regions(mraa.networks["avd_network"], source, pose)
    for name in ("shift", "affine"):
        assert_golden(golden, f"avdtrain_pose_{name}", getattr(pose, name), TOLERANCE)
        assert_golden(golden, f"avdtrain_rec_{name}", getattr(found, name), TOLERANCE)
        loss = (getattr(target, name) - getattr(found, name)).abs().mean().item()
        assert loss == pytest.approx(float(golden[f"loss_avd_rec_{name}"]), abs=TOLERANCE)
