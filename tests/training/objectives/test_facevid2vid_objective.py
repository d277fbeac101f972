"""A step of face-vid2vid's training: what runs how often, and who learns from what (docs/specs/facevid2vid.md 5.4)."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from small_training import make_trainer, pictures, step

from talkbench.training.config import load_config


def test_each_network_runs_as_often_as_in_the_authors_step(tmp_path: Path) -> None:
    """Nothing twice, but the discriminator: for each of its two turns it judges both images."""
    trainer = make_trainer("facevid2vid", tmp_path)
    networks = {**trainer.networks, **trainer.opponents}
    calls, seen = Counter(), Counter()

    def count(name: str, images: torch.Tensor) -> None:
        calls[name] += 1
        seen[name] += len(images)

    for name, network in networks.items():
        if name != "generator":
            network.register_forward_pre_hook(lambda _, inputs, name=name: count(name, inputs[0]))
    trainer.method.generator.first.register_forward_pre_hook(lambda _, inputs: count("generator", inputs[0]))
    step(trainer, pictures(64))
    assert calls == {"generator": 1, "kp_detector": 1, "he_estimator": 1, "discriminator": 4}
    assert seen == {"generator": 2, "kp_detector": 2, "he_estimator": 6, "discriminator": 8}
    counters = {name: network.state_dict() for name, network in trainer.networks.items()}
    assert counters["he_estimator"]["norm1.num_batches_tracked"] == 3  # of source, driving and transformed frames
    assert counters["kp_detector"]["predictor.down_blocks.down0.norm.num_batches_tracked"] == 1


def test_the_discriminator_learns_by_hinges_from_the_same_prediction(tmp_path: Path) -> None:
    trainer = make_trainer("facevid2vid", tmp_path)
    judged = []
    trainer.opponents["discriminator"].register_forward_hook(lambda *call: judged.append(call[-1].prediction.detach()))
    losses = step(trainer, pictures(64))
    fake, _, fake_again, real = judged
    assert losses["adversarial"] == pytest.approx(-fake.mean().item(), rel=1e-4)
    hinge = (1 - real).clamp(min=0).mean() + (1 + fake_again).clamp(min=0).mean()
    assert losses["discriminator"] == pytest.approx(hinge.item(), rel=1e-4)


def test_the_recipe_has_the_weights_of_the_released_settings() -> None:
    recipe = load_config("facevid2vid/released")
    found = {
        name: weight for name, weight in recipe.weights.model_dump().items() if name in recipe.weights.model_fields_set
    }
    assert found == {
        **{"perceptual": 10, "equivariance_value": 10, "keypoint_prior": 10, "deformation_prior": 5, "head_pose": 20},
        **{"adversarial": 1, "feature_matching": 10, "discriminator": 1},
    }
    assert recipe.lr == 2e-4
    assert [recipe.factor(epoch, 1, 300) for epoch in (179, 180)] == [1, 0.1]
