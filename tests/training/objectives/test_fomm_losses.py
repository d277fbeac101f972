"""FOMM's discriminators, losses, gradients and running statistics against the reference outputs
(docs/specs/fomm.md 5)."""

from types import SimpleNamespace

import golden_models
import numpy as np
import pytest
import torch
from goldens import Golden, Watch, assert_golden, gradient_norm, image, load, load_manifest
from torch import Tensor

from talkbench.training.config import LossWeights
from talkbench.training.objectives.fomm import FOMMObjective
from talkbench.training.objectives.losses import ImagePyramid, PerceptualLoss
from talkbench.training.objectives.transform import EquivarianceTransform
from talkbench.training.objectives.turn import alone

DISCRIMINATORS = {
    "vox-256": {"spectral": True},
    "vox-adv-256": {"num_kp": 10},
    "taichi-256": {},
}


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load("fomm")


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminators(golden: Golden, name: str) -> None:
    network = golden_models.discriminator(**DISCRIMINATORS[name])
    entries = load_manifest("fomm")["subnetworks"][f"discriminator:{name}"]["entries"]
    assert {key: [*value.shape] for key, value in network.state_dict().items()} == {
        key: entry[:-1] for key, entry in entries.items()
    }
    assert list(network.state_dict()) == list(entries)
    keypoints = torch.from_numpy(golden["kp_driving_value"]) if "num_kp" in DISCRIMINATORS[name] else None
    with torch.no_grad():
        judgement = network(image(2), keypoints)
    prefix = f"disc_{name.replace('-', '_')}"
    assert_golden(golden, f"{prefix}_prediction_map", judgement.prediction, 1e-4)
    for index, feature in enumerate(judgement.features):
        assert_golden(golden, f"{prefix}_feature{index}", feature, 1e-3, relative=True, strides=(1, 8, 8, 8))
    if name == "vox-256":
        state = network.state_dict()
        norms = [
            state[f"{prefix}u"] @ state[f"{prefix}orig"].flatten(1) @ state[f"{prefix}v"]
            for prefix in (key.removesuffix("orig") for key in state if key.endswith("weight_orig"))
        ]
        np.testing.assert_allclose(torch.stack(norms), golden["disc_vox_256_sigma"], rtol=1e-4)


def test_pyramid(golden: Golden) -> None:
    for name, found in zip(("0p5", "0p25", "0p125"), ImagePyramid()(image(2))[1:], strict=True):
        assert_golden(golden, f"pyramid_driving_{name}", found, 1e-4)


NAMES = {"adversarial": "gen_gan", "discriminator": "disc_gan"}


def step(
    objective: FOMMObjective, transform: EquivarianceTransform, source: Tensor, driving: Tensor
) -> SimpleNamespace:
    """Forward and backward of one training step, the generator's turn first (docs/specs/fomm.md 5.3)."""
    generator, detector = objective.generator, objective.detector
    turns = objective.turns()
    with Watch(objective, "generate") as made, Watch(objective.image_loss, "table") as tables:
        with alone(turns[0], turns):
            first, left = turns[0](source, driving, (transform, ()), None)
            first["total"].backward()
        with alone(turns[1], turns):
            second, _ = turns[1](source, driving, None, left)
            second["total"].backward()
    gradients = {
        "generator": gradient_norm(generator.parameters()),
        "dense_motion": gradient_norm(generator.dense_motion_network.parameters()),
        "kp_detector": gradient_norm(detector.parameters()),
        "discriminator": gradient_norm(objective.opponents.parameters()),
    }
    terms = {NAMES.get(name, name): term for name, term in {**second, **first}.items()}
    return SimpleNamespace(
        terms={**terms, "perceptual_terms": tables.results[0]}, gradients=gradients, prediction=left[0],
        kp_driving=made.results[0].driving, frame=transform.warp_images(driving),
        kp_frame=made.results[0].transformed,
    )  # fmt: skip


def adversarial(aligned: bool, perceptual: PerceptualLoss) -> FOMMObjective:
    """FOMM with the discriminator of vox-adv."""
    objective = FOMMObjective(golden_models.fomm(aligned), perceptual, LossWeights(adversarial=1))
    objective.opponents["discriminator"] = golden_models.discriminator(num_kp=10)
    return objective


def assert_step(golden: Golden, found: SimpleNamespace, prefix: str, bounds: dict[str, float]) -> None:
    for name, term in found.terms.items():
        np.testing.assert_allclose(term.detach(), golden[f"loss_{prefix}_{name}"], rtol=1e-4, err_msg=name)
    for name, size in found.gradients.items():
        assert size == pytest.approx(float(golden[f"grad_{prefix}_{name}"]), rel=bounds.get(name, 1e-3)), name


@pytest.mark.parametrize("aligned", [False, True])
def test_losses_and_gradients_in_eval_mode(golden: Golden, perceptual: PerceptualLoss, aligned: bool) -> None:
    theta, control = (torch.from_numpy(golden[f"transform_{name}"]) for name in ("theta", "control_params"))
    transform = EquivarianceTransform(theta, control.flatten(1), aligned)
    found = step(adversarial(aligned, perceptual).eval(), transform, image(1), image(2))
    assert_step(golden, found, "eval_align_corners_true" if aligned else "eval", {})
    suffix = "_align_corners_true" if aligned else ""
    assert_golden(golden, f"transform_frame{suffix}", found.frame, 1e-4)
    if not aligned:
        assert_golden(golden, "transform_kp_value", found.kp_frame.value, 1e-5)
        assert_golden(golden, "transform_kp_jacobian", found.kp_frame.jacobian, 1e-5)
        points = torch.from_numpy(golden["transform_kp_value"])
        assert_golden(golden, "transform_warped_kp", transform.warp_points(points), 1e-5)
        assert_golden(golden, "transform_jacobian", transform.jacobian(points), 1e-5)


def test_losses_and_gradients_in_train_mode(golden: Golden, perceptual: PerceptualLoss) -> None:
    theta, control = (torch.from_numpy(golden[f"train_transform_{name}"]) for name in ("theta", "control_params"))
    objective = adversarial(False, perceptual).train()
    source, driving = torch.cat([image(1), image(3)]), torch.cat([image(2), image(1)])
    found = step(objective, EquivarianceTransform(theta, control.flatten(1)), source, driving)
    bounds = {"generator": 0.01, "discriminator": 0.01, "dense_motion": 0.03, "kp_detector": 0.1}
    assert_step(golden, found, "train", bounds)
    assert_golden(golden, "train_prediction", found.prediction, 1e-3)
    assert_golden(golden, "train_kp_driving_value", found.kp_driving.value, 1e-4)
    assert_golden(golden, "train_kp_driving_jacobian", found.kp_driving.jacobian, 1e-4)
    for name, network in objective.networks.items():
        state = network.state_dict()
        for key in (key for key in golden if key.startswith(f"train_{name}:")):
            np.testing.assert_allclose(state[key.partition(":")[2]], golden[key], rtol=0, atol=1e-4)
