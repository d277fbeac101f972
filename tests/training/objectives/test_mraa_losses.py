"""MRAA's losses and gradients against the reference outputs (docs/specs/mraa.md 5)."""

import golden_models
import numpy as np
import pytest
import torch
from goldens import Golden, assert_golden, gradient_norm, image, load

from talkbench.methods.interface import Method
from talkbench.methods.mraa.regions import Regions, axis_sign, disentangled_regions
from talkbench.training.objectives.losses import ImagePyramid, PerceptualLoss, equivariance_affine, equivariance_value
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
    small = predictor.down(source)
    regions = predictor(driving)
    encoded = generator.encode(source, predictor.detect(small), small)
    prediction = generator(encoded, regions, background(source, driving)).prediction
    frame = transform.warp_images(driving)
    transformed = predictor(frame)
    table = perceptual.table(prediction, driving)
    shift = equivariance_value(regions.shift, transformed.shift, transform)
    terms = {
        "perceptual": 10 * table.sum(),
        "equivariance_shift": 10 * shift,
        "equivariance_affine": 10 * equivariance_affine(regions, transformed, transform),
    }
    total = torch.stack(list(terms.values())).sum()
    total.backward()
    for name, term in {**terms, "total": total, "equivariance_shift_raw": shift}.items():
        np.testing.assert_allclose(term.detach(), golden[f"loss_{name}"], rtol=TOLERANCE, err_msg=name)
    np.testing.assert_allclose(table.detach(), golden["perceptual_matrix"], rtol=0, atol=TOLERANCE)
    parts = {
        **{name: mraa.networks[name].parameters() for name in ("generator", "region_predictor", "bg_predictor")},
        "regions.weight": [predictor.regions.weight],
        "mask.weight": [generator.pixelwise_flow_predictor.mask.weight],
        "fc.weight": [background.fc.weight],
        "final.weight": [generator.final.weight],
    }
    for name, parameters in parts.items():
        assert gradient_norm(parameters) == pytest.approx(float(golden[f"gradnorm_{name}"]), rel=1e-3), name
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
