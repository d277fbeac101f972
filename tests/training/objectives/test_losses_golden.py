"""Losses, gradients and running statistics against the reference outputs (tests/golden/mcnet/golden.md "Losses")."""

import copy
import json
from typing import Any

import numpy as np
import pytest
import torch
from goldens import Watch, image
from torch import Tensor, nn

from talkbench.methods.interface import Method
from talkbench.training import objectives
from talkbench.training.config import LossWeights
from talkbench.training.objectives.losses import PerceptualLoss, consistency, keypoint_distance
from talkbench.training.objectives.transform import EquivarianceTransform

NAMES = {"consistency": "feat_consistent"}
SEEDS = {"eval": ([1], [2]), "train2": ([1, 4], [2, 5])}


@pytest.fixture(scope="module", params=SEEDS)
def step(request: pytest.FixtureRequest, mcnet: Method, golden: dict, perceptual: PerceptualLoss) -> tuple:
    """Forward and backward pass of one training step: mode, method, terms and what they were made of."""
    mode = request.param
    method = copy.deepcopy(mcnet)
    for network in method.networks.values():
        network.train(mode == "train2").requires_grad_(True)
    source, driving = (torch.cat([image(seed) for seed in seeds]) for seeds in SEEDS[mode])
    theta = torch.from_numpy(golden[f"{mode}/transform_theta"])
    control = torch.from_numpy(golden[f"{mode}/transform_control_params"]).flatten(1)
    transform = EquivarianceTransform(theta, control)
    objective = objectives.create(method, perceptual, LossWeights())
    method.generator.register_forward_hook(lambda _, inputs, output: seen.update(inputs=inputs, generated=output))
    seen: dict[str, Any] = {}
    silence = tuple(torch.zeros(3, 1, 1, 32, 32))  # no noise, but through the graph
    with Watch(perceptual, "table") as tables:
        terms = objective.terms(source, driving, (transform, (silence,)))
    (10 * sum(terms.values())).backward()
    parts = {"generated": seen["generated"], "driving": driving, "kp": (seen["inputs"][0].keypoints, seen["inputs"][1])}
    return mode, method, terms, {**parts, "transform": transform, "table": tables.results[0]}


def test_terms(step: tuple, golden: dict) -> None:
    mode, _, terms, _ = step
    tolerance = {"eval": 1e-5, "train2": 1e-4}[mode]
    for name, term in terms.items():
        stored = golden[f"{mode}/loss/{NAMES.get(name, name)}"]
        assert 10 * term.item() == pytest.approx(float(stored), rel=tolerance), name
    assert 10 * sum(terms.values()).item() == pytest.approx(float(golden[f"{mode}/loss/total"]), rel=tolerance)


def test_gradients(step: tuple, golden: dict) -> None:
    mode, method, _, _ = step
    relative = {"eval": 0.01, "train2": 0.05}[mode]
    for name, network in method.networks.items():
        names = json.loads(str(golden[f"names/{name}"]))
        norms = dict(zip(names, golden[f"{mode}/grad_norm/{name}"], strict=True))
        assert [key for key, _ in network.named_parameters()] == names
        for key, parameter in network.named_parameters():
            found = -1.0 if parameter.grad is None else parameter.grad.norm().item()
            loose = mode == "train2" and key == "dense_motion_network.occlusion.bias"
            assert found == pytest.approx(norms[key], rel=0.25 if loose else relative, abs=1e-3), key
        total = nn.utils.get_total_norm([p.grad for p in network.parameters() if p.grad is not None])
        assert total.item() == pytest.approx(float(golden[f"{mode}/grad_norm_total/{name}"]), rel=relative)


def test_running_statistics(step: tuple, golden: dict) -> None:
    mode, method, _, _ = step
    if mode == "eval":
        return
    for name, network in method.networks.items():
        state = network.state_dict()
        for kind in ("mean", "var"):
            found = [value.mean().item() for key, value in state.items() if key.endswith(f"running_{kind}")]
            np.testing.assert_allclose(found, golden[f"{mode}/bn_running_{kind}_avg/{name}"], rtol=1e-3, atol=1e-4)


def test_what_the_terms_are_made_of(step: tuple, golden: dict, perceptual: PerceptualLoss) -> None:
    mode, method, _, parts = step
    if mode != "eval":
        return
    kp_source, kp_driving = parts["kp"]
    transform, driving = parts["transform"], parts["driving"]
    frame = transform.warp_images(driving)
    kp_transformed = method.detector(frame)
    found: dict[str, Tensor] = {
        "perceptual_table": parts["table"],
        "kp_distance_source": keypoint_distance(kp_source.value),
        "kp_distance_driving": keypoint_distance(kp_driving.value),
        "transformed_frame": frame[..., ::8, ::8],
        "transformed_kp_value": kp_transformed.value,
        "transformed_kp_jacobian": kp_transformed.jacobian,
        "warped_transformed_kp": transform.warp_points(kp_transformed.value),
        "transform_jacobian_at_kp": transform.jacobian(kp_transformed.value),
    }
    for level, compensation in zip((32, 64, 128), parts["generated"].compensations, strict=True):
        found[f"consistency_L{level}"] = consistency([compensation])
    for scale, level in zip(("1", "0.5", "0.25", "0.125"), perceptual.pyramid(driving), strict=True):
        found[f"pyramid_{scale}_mean_std"] = torch.stack([level.mean(), level.std(correction=0)])
    for name, tensor in found.items():
        np.testing.assert_allclose(tensor.detach().numpy(), golden[f"eval/{name}"], rtol=1e-5, atol=2e-5, err_msg=name)
