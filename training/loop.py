"""The training loop: plain, on one device, continued after a crash with the same command."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path
from talkbench.methods.mcnet import MCNet
from talkbench.methods.mcnet.model import Generated
from talkbench.training.config import TrainConfig
from talkbench.training.data import FramePairs
from talkbench.training.draw import Draw
from talkbench.training.losses import MultiScaleL1, PerceptualLoss, consistency, equivariance, keypoint_distance
from talkbench.training.transform import EquivarianceTransform

SAVE_EVERY_SECONDS = 120
LOG_EVERY_STEPS = 20
Losses = dict[str, Tensor]


class Trainer:
    """Trains the networks of an MCNet in place.

    Args:
        method: with fresh weights, or those to start from.
        config: the recipe.
        pairs: the training data.
        folder: of ``state.pt`` (everything needed to continue) and ``log.jsonl``.
        perceptual: the VGG-19 loss; None puts the multi-scale L1 in its place.
    """

    def __init__(
        self,
        method: MCNet,
        config: TrainConfig,
        pairs: FramePairs,
        folder: Path,
        device: torch.device,
        perceptual: PerceptualLoss | None = None,
    ) -> None:
        self.method, self.config, self.pairs, self.folder, self.device = method, config, pairs, folder, device
        method.to(device)
        self.detector, self.generator = method.detector, method.generator
        self.reconstruction = MultiScaleL1().to(device)
        self.perceptual = perceptual.to(device) if perceptual else None
        self.optimisers = {
            name: torch.optim.Adam(network.parameters(), lr=config.lr, betas=(0.5, 0.999))
            for name, network in method.networks.items()
        }
        self.schedules = [
            torch.optim.lr_scheduler.MultiStepLR(optimiser, config.milestones) for optimiser in self.optimisers.values()
        ]
        self.step = 0
        self.latest: dict[str, float] = {}
        self._load()

    def run(self, progress: Callable[[int, dict[str, float]], None]) -> None:
        """Train up to `config.steps`, telling `progress` the step and its losses.

        Raises:
            TalkbenchError: a loss is no longer finite; the last sound state stays on disk.
        """
        saved = time.monotonic()
        for network in self.method.networks.values():
            network.train()
        while self.step < self.config.steps:
            losses = self.train_step()
            self.latest = {name: float(value.detach()) for name, value in losses.items()}
            if not math.isfinite(self.latest["total"]):
                raise TalkbenchError(
                    f"the loss is {self.latest['total']} at step {self.step} ({self.latest}); "
                    f"lower lr and run the same command to continue from {self.folder / 'state.pt'}"
                )
            self.step += 1
            progress(self.step, self.latest)
            if self.step % LOG_EVERY_STEPS == 0:
                self._log()
            if time.monotonic() - saved > SAVE_EVERY_SECONDS or self.step == self.config.steps:
                self._save()
                saved = time.monotonic()
        for network in self.method.networks.values():
            network.eval()

    def train_step(self) -> Losses:
        """One update of all networks (specs mcnet 5.4); returns the weighted losses and their total."""
        source, driving = (images.to(self.device) for images in self.pairs.batch(self.step, self.config.batch_size))
        losses = self.losses(source, driving)
        for optimiser in self.optimisers.values():
            optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()
        for network in self.method.networks.values():
            nn.utils.clip_grad_norm_(network.parameters(), self.config.clip_grad)
        for optimiser in self.optimisers.values():
            optimiser.step()
        for schedule in self.schedules:
            schedule.step()
        return losses

    def losses(self, source: Tensor, driving: Tensor) -> Losses:
        """Forward pass and the weighted terms for images (B, 3, H, W)."""
        random = torch.Generator().manual_seed((self.config.seed << 32) + self.step)
        small = self.detector.down(source)
        kp_source, kp_driving = self.detector.detect(small), self.detector(driving)
        maps = self.generator.encode(source, kp_source, small)
        generated: Generated = self.generator(maps, kp_driving, self._noise(len(source), random))
        draw = Draw(self.config.seed, self.step, len(source), 0, len(source), self.device, 0)
        transform = EquivarianceTransform.random(draw)
        kp_transformed = self.detector(transform.warp_images(driving))
        value, jacobian = equivariance(kp_driving, kp_transformed, transform)
        terms = {
            **self._image_term(generated.prediction, driving),
            "equivariance_value": value,
            "equivariance_jacobian": jacobian,
            "kp_distance": keypoint_distance(kp_source.value) + keypoint_distance(kp_driving.value),
        }
        if generated.compensations:
            terms["consistency"] = consistency(generated.compensations)
        losses = {name: getattr(self.config.weights, name) * term for name, term in terms.items()}
        losses["total"] = torch.stack(list(losses.values())).sum()
        return losses

    def _image_term(self, prediction: Tensor, driving: Tensor) -> Losses:
        if self.perceptual is not None:
            return {"perceptual": self.perceptual(prediction, driving)}
        return {"reconstruction": self.reconstruction(prediction, driving)}

    def _noise(self, batch: int, random: torch.Generator) -> tuple[Tensor, ...] | None:
        memory = self.method.config.memory
        if memory is None or not memory.conditioned:
            return None
        shape = (len(self.method.config.levels), batch, 1, memory.side, memory.side)
        return tuple(torch.randn(shape, generator=random).to(self.device))

    def _log(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": self.step, **self.latest}) + "\n")

    def _save(self) -> None:
        state = {
            "step": self.step,
            "config": self.config.model_dump_json(),
            "networks": {name: network.state_dict() for name, network in self.method.networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "schedules": [schedule.state_dict() for schedule in self.schedules],
        }
        with atomic_path(self.folder / "state.pt") as temporary:
            torch.save(state, temporary)

    def _load(self) -> None:
        path = self.folder / "state.pt"
        if not path.is_file():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["config"] != self.config.model_dump_json():
            raise TalkbenchError(f"{path} was made with another config; choose another --out or delete that folder")
        self.step = state["step"]
        for name, network in self.method.networks.items():
            network.load_state_dict(state["networks"][name])
            self.optimisers[name].load_state_dict(state["optimisers"][name])
        for schedule, stored in zip(self.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(stored)
