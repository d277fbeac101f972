"""face-vid2vid's losses against the reference outputs (docs/specs/facevid2vid.md 5.2)."""

import golden_models
import numpy as np
import pytest
import torch
from goldens import Golden, Recorder, Watch, assert_golden, assert_manifest, image, load, load_manifest
from torch import Tensor

from talkbench.methods.discriminator import Judgement
from talkbench.methods.interface import Method
from talkbench.training.config import LossWeights
from talkbench.training.objectives.adversarial import hinge_discriminator, hinge_generator
from talkbench.training.objectives.facevid2vid import FaceVid2VidObjective
from talkbench.training.objectives.losses import ImagePyramid, PerceptualLoss, head_pose
from talkbench.training.objectives.transform import EquivarianceTransform

KEYPOINTS, MAPS, LOSSES = 1e-5, 1e-4, 1e-4
NAMES = {
    "perceptual": "perceptual",
    "equivariance_value": "equivariance",
    "keypoint_prior": "keypoint_prior",
    "deformation_prior": "deformation_prior",
}


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load("facevid2vid")


@pytest.fixture(scope="module")
def method() -> Method:
    return golden_models.facevid2vid("vox-256")


def test_the_discriminator_is_the_manifests(method: Method) -> None:
    assert_manifest(method.discriminator(), load_manifest("facevid2vid")["subnetworks"]["discriminator"]["entries"])


@torch.no_grad()
def test_losses(golden: Golden, method: Method, perceptual: PerceptualLoss) -> None:
    theta, control = (torch.from_numpy(golden[f"loss_{name}"]) for name in ("theta", "control_params"))
    transform = EquivarianceTransform(theta, control.flatten(1))
    driving = image(2)
    objective = FaceVid2VidObjective(method, perceptual, LossWeights(head_pose=0)).eval()
    with (
        Watch(perceptual, "table") as tables,
        Recorder(method.detector) as detector,
        Recorder(method.estimator) as estimator,
    ):
        terms = objective.terms(image(1), driving, transform)
    losses = {NAMES[name]: getattr(objective.weights, name) * term for name, term in terms.items()}
    assert losses.keys() == set(NAMES.values())
    for name, loss in losses.items():
        np.testing.assert_allclose(loss, golden[f"loss_{name}"], rtol=LOSSES, err_msg=name)
    np.testing.assert_allclose(tables.results[0], golden["loss_perceptual_terms"], rtol=LOSSES)
    canonical, heads = detector.outputs[""][0], estimator.outputs[""][0]  # of source, driving and transformed frame
    transformed = heads.select(torch.tensor([2])).keypoints(canonical)
    assert_golden(golden, "loss_transformed_frame", transform.warp_images(driving), MAPS)
    assert_golden(golden, "loss_transformed_kp", transformed, KEYPOINTS)
    assert_golden(golden, "loss_warped_kp", transform.warp_points(transformed[..., :2]), KEYPOINTS)
    for name, found in zip(("0.5", "0.25", "0.125"), ImagePyramid()(driving)[1:], strict=True):
        assert_golden(golden, f"loss_pyramid_driving_{name}", found, MAPS)


def test_each_degree_of_each_angle_counts() -> None:
    """No golden: the mean over the batch, summed over the angles."""
    estimated, target = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.0]] * 2)
    assert head_pose(estimated, target) == 3


def judged(value: float) -> Tensor:
    return Judgement((), torch.full((1, 1, 4, 4), value)).prediction


def test_hinges() -> None:
    """No golden: a map beyond its margin costs nothing, one short of it what it lacks."""
    assert hinge_discriminator(judged(2.0), judged(-3.0)) == 0
    assert hinge_discriminator(judged(0.25), judged(0.5)) == 0.75 + 1.5
    assert hinge_generator(judged(0.5)) == -0.5
