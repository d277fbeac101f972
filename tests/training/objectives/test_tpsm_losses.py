"""TPSM's losses and gradients against the reference outputs (docs/specs/tpsm.md 5)."""

from dataclasses import dataclass

import golden_models
import numpy as np
import pytest
import torch
from goldens import Golden, Recorder, assert_golden, gradient_norm, image, load
from torch import Tensor

from talkbench.methods.interface import Method
from talkbench.methods.tpsm.model import dropped_softmax
from talkbench.training.config import LossWeights
from talkbench.training.objectives.losses import ImagePyramid, PerceptualLoss
from talkbench.training.objectives.objective import Objective
from talkbench.training.objectives.tpsm import TPSMObjective
from talkbench.training.objectives.transform import SIGMA_AFFINE, SIGMA_TPS, EquivarianceTransform, thin_plate

POINTS, MAPS, LOSSES = 1e-5, 1e-4, 1e-4
TERMS = {
    "perceptual": "perceptual",
    "equivariance_value": "equivariance_value",
    "warp": "warp_loss",
    "background": "bg",
}
NETWORKS = ("kp_detector", "dense_motion_network", "inpainting_network", "bg_predictor")


class StoredDraw:
    """The random numbers of the reference outputs."""

    device = torch.device("cpu")

    def __init__(self, golden: Golden, epoch: int) -> None:
        theta, control = (torch.from_numpy(golden[f"loss_{name}"]) for name in ("theta", "control_params"))
        normal = ((theta - torch.eye(2, 3)) / SIGMA_AFFINE, control.flatten(1) / SIGMA_TPS)
        self.epoch, self._normal = epoch, {tuple(numbers.shape[1:]): numbers for numbers in normal}
        self._uniform = torch.from_numpy(golden["loss_dropout_uniform"])

    def normal(self, *shape: int) -> Tensor:
        return self._normal[shape]

    def uniform(self, *shape: int) -> Tensor:
        assert shape == self._uniform.shape[1:]
        return self._uniform


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load("tpsm")


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
    logits: Tensor


def step(objective: Objective, draw: StoredDraw) -> Step:
    source, driving = torch.cat([image(1), image(2)]), torch.cat([image(2), image(3)])
    with Recorder(objective.networks) as recorder:
        terms = objective(source, driving, draw)
    torch.testing.assert_close(terms.pop("total"), sum(terms.values()))
    ((images,),), (found,) = recorder.inputs["kp_detector"], recorder.outputs["kp_detector"]
    _, kp_driving, kp_frame = found.chunk(3)
    prediction = recorder.outputs["inpainting_network"][0].prediction
    logits = recorder.outputs["dense_motion_network.maps"][0]
    return Step(terms, kp_driving, prediction, images.chunk(3)[2], kp_frame, logits)


@pytest.fixture
def objective(tpsm: Method, perceptual: PerceptualLoss) -> Objective:
    return TPSMObjective(tpsm, perceptual, LossWeights()).eval()


def assert_step(golden: Golden, run: str, found: Step) -> None:
    assert list(found.terms) == list(TERMS)
    for name, term in found.terms.items():
        np.testing.assert_allclose(term.detach(), golden[f"{run}_{TERMS[name]}"], rtol=LOSSES, err_msg=name)
    assert_golden(golden, f"{run}_kp_driving", found.keypoints, POINTS)
    assert_golden(golden, f"{run}_prediction", found.prediction, MAPS)


def test_pyramid(golden: Golden) -> None:
    for name, found in zip(("0.5", "0.25", "0.125"), ImagePyramid()(image(2))[1:], strict=True):
        assert_golden(golden, f"pyramid_{name}", found, MAPS)


def test_the_transform_has_true_thin_plates(golden: Golden) -> None:
    points = torch.from_numpy(golden["probe_tps_points"])
    transform = EquivarianceTransform.random(StoredDraw(golden, 0), align_corners=True, radial=thin_plate)
    assert_golden(golden, "loss_tps_random_warped", transform.warp_points(points.expand(2, -1, -1)), POINTS)


def test_losses_and_the_gradient_of_each(golden: Golden, tpsm: Method, objective: Objective) -> None:
    """Epoch 50: no splines are dropped any more."""
    found = step(objective, StoredDraw(golden, 50))
    assert_step(golden, "loss50_eval", found)
    assert_golden(golden, "loss50_eval_transformed_frame", found.frame, MAPS)
    assert_golden(golden, "loss50_eval_transformed_kp", found.kp_frame, POINTS)
    for name, term in found.terms.items():
        for network in tpsm.networks.values():
            network.zero_grad()
        term.backward(retain_graph=True)
        for part in NETWORKS:
            loose = name == "perceptual" and part in ("kp_detector", "bg_predictor")
            stored = float(golden[f"grad50_eval_{TERMS[name]}__{part}"])
            wanted = pytest.approx(stored, rel=1e-2 if loose else 1e-3)
            assert gradient_norm(tpsm.networks[part].parameters()) == wanted, (name, part)


@torch.no_grad()
def test_dropped_splines(golden: Golden, objective: Objective) -> None:
    """Epoch 12: splines are dropped with probability 0.3, the background never."""
    draw = StoredDraw(golden, 12)
    found = step(objective, draw)
    assert_step(golden, "loss12_eval", found)
    weights = dropped_softmax(found.logits, objective.random(draw).keep)
    assert_golden(golden, "loss12_eval_contribution_maps", weights, MAPS)


@torch.no_grad()
def test_batch_statistics(golden: Golden, perceptual: PerceptualLoss) -> None:
    method = golden_models.tpsm()
    objective = TPSMObjective(method, perceptual, LossWeights()).train()
    assert_step(golden, "loss50_train", step(objective, StoredDraw(golden, 50)))
    for name, network, key in (("bn1", "kp_detector", "fg_encoder"), ("bg_bn1", "bg_predictor", "bg_encoder")):
        statistics = method.networks[network].state_dict()[f"{key}.bn1.running_mean"]
        np.testing.assert_allclose(statistics, golden[f"loss50_train_{name}_running_mean"], rtol=0, atol=MAPS)
