"""The arithmetic of a training step: gradients of every turn, their limit, the update and the moving average."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from talkbench.core.errors import TalkbenchError
from talkbench.training.config import TrainConfig
from talkbench.training.data.feed import Batches
from talkbench.training.objectives.objective import GENERATOR, Objective
from talkbench.training.objectives.turn import Losses, Turn, alone
from talkbench.training.optimisers import base, bases, make_optimisers
from talkbench.training.state.draw import Draw
from talkbench.training.world import World

EXPLOSION = 30  # times the usual total loss


class Taught(NamedTuple):
    """A step: the mean losses of all processes, the largest norm of the gradients, and whether they were sound, so that
    the networks have learned by it."""

    losses: dict[str, float]
    norm: float
    sound: bool


class Learner:
    """Networks that learn by an objective, a step at a time.

    Args:
        objective: on the device of `world`.
        batches: the training's steps; this process's share of each batch.
        compiled: whether the turns are compiled by ``torch.compile``.

    Attributes:
        networks, opponents: see `Objective`.
        turns: the turns of a step.
        optimisers: one for each turn.
        average: the moving average of `networks`; None if the recipe has none.
        notes: lines for the user, on what the recipe's entries do together.

    Raises:
        TalkbenchError: the recipe speaks of turns or networks that there are not, the warm-up never ends, or the device
            lacks the recipe's precision.
    """

    def __init__(
        self, objective: Objective, config: TrainConfig, world: World, batches: Batches, compiled: bool = False
    ) -> None:
        if config.precision == "tf32" and world.device.type != "cuda":
            raise TalkbenchError(
                f"precision=tf32 is of NVIDIA's GPUs, and the device is {world.device}; use float32 or bf16"
            )
        self.objective, self.config, self.world, self.batches = objective, config, world, batches
        self.networks, self.opponents, self.turns = objective.networks, objective.opponents, objective.turns()
        self.optimisers = make_optimisers(self.turns, config, world.device)
        average = get_ema_multi_avg_fn(config.ema) if config.ema else None
        self.average = AveragedModel(self.networks, multi_avg_fn=average) if average else None
        self._bases = [[*bases(turn, config)] for turn in self.turns]
        self._total = batches.total
        for turn in self.turns:
            check_warmup(config.turn(turn.name).warmup, self._total)
        self.notes = notes(objective, self.turns, config)
        self._statistics = [*self.networks.buffers(), *self.opponents.buffers()]
        self._before = [buffer.clone() for buffer in self._statistics]
        if compiled:
            for turn in self.turns:
                turn.terms = torch.compile(turn.terms)
        self._shares: list[nn.Module] = [*self.turns]
        if world.size > 1:
            self._shares = [DistributedDataParallel(turn, find_unused_parameters=turn.idle) for turn in self.turns]

    def part(self) -> None:
        """The processes part: from now on this one computes alone."""
        self._shares = [*self.turns]

    def learn(self, images: Tensor, step: int, usual: float) -> Taught:
        """Take a step, unless its losses are unsound: then everything is as before it, but for the gradients.

        Where the device can decide that by itself, the update is begun before the host learns of the losses.

        Args:
            images: this process's share of the batch, uint8 (B, 2, 3, H, W).
            step: the number of the step, from 0.
            usual: the usual total loss; NaN in the first step.
        """
        names, values = self._gradients(images, step)
        ahead = all(optimiser.defaults["fused"] for optimiser in self.optimisers)
        values = (values if ahead else values.cpu()).double()
        total = values[names.index("total")]  # of the first turn; a discriminator's loss may well rise from nothing
        limit = EXPLOSION * (total if math.isnan(usual) else usual)
        unsound = ~(values.sum().isfinite() & (total <= limit))
        rates = [[group["lr"] for group in optimiser.param_groups] for optimiser in self.optimisers]
        fresh = [not optimiser.state for optimiser in self.optimisers]
        if ahead:
            self._optimise(step, unsound)
        *terms, norm, bad = torch.cat([values, unsound[None]]).tolist()  # the one wait for the device
        if bad:
            self._take_back(rates, fresh)
        elif not ahead:
            self._optimise(step)
        if not bad:
            self._settle()
        return Taught(dict(zip(names, terms, strict=True)), norm, not bad)

    def teach(self, images: Tensor, step: int) -> tuple[dict[str, float], float]:
        """Compute the gradients of a step, limited; returns the mean losses of all processes, and the largest norm."""
        names, values = self._gradients(images, step)
        *terms, norm = values.tolist()
        return dict(zip(names, terms, strict=True)), norm

    def _gradients(self, images: Tensor, step: int) -> tuple[list[str], Tensor]:
        """The names of the losses, and their values, with the norm as the last."""
        losses: Losses = {}
        for number, own in enumerate(self.passes(images, step)):
            own["total"].backward()
            if number % len(self.turns) == 0:
                told = set[str]()
            for name, term in own.items():
                if name not in told:  # the total is that of the first turn
                    losses[name] = losses.get(name, 0) + term.detach()
            told |= own.keys()
        values = self.world.mean(torch.stack(list(losses.values())))
        return [*losses], torch.cat([values, self.clip()[None]])

    def _take_back(self, rates: list[list[float]], fresh: list[bool]) -> None:
        """Give the running statistics, which the passes have moved already, and what else is not as before the step
        the values that they had."""
        _copy(self._statistics, self._before)
        for optimiser, own, new in zip(self.optimisers, rates, fresh, strict=True):
            for group, rate in zip(optimiser.param_groups, own, strict=True):
                group["lr"] = rate
            if new:
                optimiser.state.clear()

    def passes(self, images: Tensor, step: int) -> Iterator[Losses]:
        """The turns of a step, one after another, of each portion of the share; the arguments are those of `teach`.

        After each, when its weighted losses are taken, its gradients are to be computed. With several portions these
        are a portion's part of the mean over all of them. Every portion finds the running statistics as the step before
        has left them; after the last, each is the mean over the portions.
        """
        with _products(self.config.precision):
            yield from self._portions(images.chunk(self.config.accumulate), step)

    def _portions(self, portions: Sequence[Tensor], step: int) -> Iterator[Losses]:
        _copy(self._before, self._statistics)
        means: list[Tensor] = []
        for number, portion in enumerate(portions):
            if number:
                _copy(self._statistics, self._before)
            with ExitStack() as exchange:
                if portion is not portions[-1]:  # processes exchange gradients once, when all are added up
                    for share in self._shares:
                        if isinstance(share, DistributedDataParallel):
                            exchange.enter_context(share.no_sync())
                for losses in self._turns(portion, step, self.batches.first + number * len(portion)):
                    yield {name: loss / len(portions) for name, loss in losses.items()}
            if len(portions) > 1:
                means = _means(means, self._statistics, number)
        _copy(self._statistics, means)

    def _turns(self, images: Tensor, step: int, first: int) -> Iterator[Losses]:
        """The turns on the samples from number `first` of the batch on."""
        device = self.world.device
        images = images.to(device, non_blocking=True).float() / 255
        epoch = step // self.batches.per_epoch
        draw = Draw(self.config.seed, step, self.config.batch_size, first, len(images), device, epoch)
        random, left = self.objective.random(draw), None
        for turn, share in zip(self.turns, self._shares, strict=True):
            with alone(turn, self.turns):
                with torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
                    try:
                        losses, left = share(images[:, 0], images[:, 1], random, left)
                    except ValueError as error:
                        raise _lone(error) from error
                yield losses

    def rates(self, step: int) -> dict[str, float]:
        """The learning rate of every network in a step, by the network's name."""
        return {
            name: base(name, turn, self.config) * self._factor(turn, step)
            for turn in self.turns
            for name in turn.networks
        }

    def _factor(self, turn: Turn, step: int) -> float:
        return self.config.turn(turn.name).factor(step, self.batches.per_epoch, self._total)

    def clip(self) -> Tensor:
        """Limit the norm of each group's gradients; returns the largest norm before that."""
        norms = [
            nn.utils.clip_grad_norm_(group, self.config.turn(turn.name).clip_grad or math.inf, turn.clip_type)
            for turn in self.turns
            for group in turn.clipped
        ]
        return torch.stack([norm.to(self.world.device) for norm in norms]).max()  # that of idle networks is on the CPU

    def update(self, step: int) -> None:
        """The optimisers' part of a step: apply the gradients and clear them."""
        self._optimise(step)
        self._settle()

    def _optimise(self, step: int, unsound: Tensor | None = None) -> None:
        """Apply the gradients; fused optimisers leave everything as it is where the device finds the step `unsound`."""
        for turn, optimiser, rates in zip(self.turns, self.optimisers, self._bases, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * self._factor(turn, step)
            optimiser.found_inf = None if unsound is None else unsound.float()  # type: ignore[attr-defined]
            optimiser.step()

    def _settle(self) -> None:
        """What follows the update: clear the gradients, move the average."""
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        if self.average is not None:
            self.average.update_parameters(self.networks)

    def state(self) -> dict[str, Any]:
        """What `restore` takes to go on from here."""
        return {
            "networks": self.networks.state_dict(),
            "opponents": self.opponents.state_dict(),
            "optimisers": {turn.name: own.state_dict() for turn, own in zip(self.turns, self.optimisers, strict=True)},
            "average": self.average.state_dict() if self.average is not None else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, which may have further entries."""
        self.networks.load_state_dict(state["networks"])
        self.opponents.load_state_dict(state.get("opponents", {}))
        moments = state.get("optimisers") or {GENERATOR: state["optimiser"]}  # states of before there were turns
        for turn, optimiser in zip(self.turns, self.optimisers, strict=True):
            optimiser.load_state_dict(moments[turn.name])
        if self.average is not None:
            self.average.load_state_dict(state["average"])

    def states(self) -> dict[str, dict[str, Tensor]]:
        """The state of every network that is the result, averaged if the recipe says so; and of the opponents."""
        with self.averaged():
            return {name: network.state_dict() for name, network in (*self.networks.items(), *self.opponents.items())}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the block the networks have their averaged weights; batch norm keeps its own statistics."""
        if self.average is None:
            yield
            return
        pairs = list(zip(self.networks.parameters(), self.average.module.parameters(), strict=True))
        _swap(pairs)
        try:
            yield
        finally:
            _swap(pairs)


def check_warmup(steps: int, total: int) -> None:
    """Refuse a warm-up that lasts as long as the training.

    Raises:
        TalkbenchError: as said.
    """
    if steps and steps >= total:
        raise TalkbenchError(
            f"training config: the warm-up of {steps} steps does not end in this training, which has {total}; "
            "choose a shorter warmup"
        )


def notes(objective: Objective, turns: Sequence[Turn], config: TrainConfig) -> list[str]:
    """What a user should know of entries of the recipe that have an effect on each other, a line each."""
    lines = []
    objective.train()
    if config.accumulate > 1 and any(isinstance(m, _BatchNorm) and m.training for m in objective.modules()):
        lines.append(
            f"accumulate {config.accumulate}: batch norm has the statistics of each portion, not of the whole batch; "
            "with norms: running a step is that of the whole batch"
        )
    if any(own.schedule == "cosine" and own.milestones for own in (config.turn(turn.name) for turn in turns)):
        lines.append("schedule cosine: the milestones have no effect")
    return lines


def _lone(error: ValueError) -> Exception:
    """What to raise for an error of a turn: ours where batch norm has a single value."""
    if "more than 1 value per channel" not in str(error):
        return error
    return TalkbenchError(
        "batch norm needs more than the one pair that is computed at a time; take a larger batch_size, a smaller "
        "accumulate, or norms: running"
    )


def _means(means: list[Tensor], values: list[Tensor], number: int) -> list[Tensor]:
    """The means of values so far, `number` before these; of integers the latest. Equal values stay as they are."""
    if not number:
        return [value.clone() for value in values]
    for mean, value in zip(means, values, strict=True):
        mean.lerp_(value, 1 / (number + 1)) if value.is_floating_point() else mean.copy_(value)
    return means


@contextmanager
def _products(precision: str) -> Iterator[None]:
    """In the block matrix products are computed in TF32 if the `precision` is ``tf32``."""
    product = torch.backends.cuda.matmul
    before = product.fp32_precision
    if precision == "tf32":
        product.fp32_precision = "tf32"
    try:
        yield
    finally:
        product.fp32_precision = before


def _copy(to: list[Tensor], values: list[Tensor]) -> None:
    if values:  # there is none in networks without batch norm
        torch._foreach_copy_(to, values)


def _swap(pairs: list[tuple[nn.Parameter, nn.Parameter]]) -> None:
    for first, second in pairs:
        first.data, second.data = second.data, first.data
