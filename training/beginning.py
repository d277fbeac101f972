"""What a training begins with: the method's weights, those of a stage before, those of a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods.cards import card, store
from talkbench.methods.checkpoints import mismatch, mistyped, read_states, with_counters
from talkbench.methods.interface import Method
from talkbench.training import objectives
from talkbench.training.config import TrainConfig

Say = Callable[[str], None]


def start(config: TrainConfig, checkpoint: Path | None, begun: bool, say: Say) -> Method[Any, Any]:
    """The method that a recipe trains, with the weights of `checkpoint`; None: fresh ones.

    Args:
        begun: whether there is a state to continue from, which holds all weights.
        say: called with one line if the weights are those of another configuration, which the recipe fine-tunes; or if
            networks that do not learn, and so have files of their own, lack these.

    Raises:
        TalkbenchError: the checkpoint does not fit; or the stage follows another one, and there is no checkpoint.
    """
    kind = methods.class_of(config.method)
    if isinstance(kind, type) and not checkpoint and not begun:
        after = objectives.find(kind, config.method, config.stage).after
        if after:
            raise TalkbenchError(
                f"stages out of order: train the {after} model first, and name its weights with --checkpoint; stage "
                f"{config.stage} of {config.method} goes on from them"
            )
    try:
        method = methods.create(config.method, weights=checkpoint)
        if not checkpoint and not begun:
            _load_parts(config.method, method.networks, say)
        return method
    except TalkbenchError as error:
        if not (checkpoint and config.fine_tunes):
            raise
        try:
            other = methods.create(config.fine_tunes, weights=checkpoint)
        except TalkbenchError:
            raise error from None
    method = methods.create(config.method)
    for name, network in method.networks.items():
        network.load_state_dict(other.networks[name].state_dict())
    method.checkpoint_sha256 = other.checkpoint_sha256
    say(f"{checkpoint} is {config.fine_tunes}, which becomes {config.method}")
    return method


def _load_parts(name: str, networks: Mapping[str, nn.Module], say: Say) -> None:
    """Load the networks of a fresh method that have files of their own in the store of weights: DaGAN's depth network.

    Raises:
        TalkbenchError: a file holds something else.
    """
    lacking = []
    for part, file in card(name).beside.items():
        path, network = store(name) / file.file, networks[part]
        if not path.is_file():
            lacking.append(path.name)
            continue
        state, expected = read_states(path, name).get("", {}), network.state_dict()
        if fault := mismatch(expected, {key: state[key] for key in state if key in expected}):
            raise TalkbenchError(f"{path} is not the {part} of {name} ({fault}); put its published file there")
        network.load_state_dict(with_counters(expected, {key: state[key] for key in expected if key in state}))
    if lacking:
        say(
            f"no {' and '.join(lacking)} (bench weights list {name} shows where they belong): the "
            "networks that they hold are random, and no training teaches them"
        )


def load_opponents(opponents: nn.ModuleDict, checkpoint: Path, method: str, say: Say) -> None:
    """Load what learns beside the method, the discriminator, from a checkpoint of the method.

    Args:
        say: called with one line for each network that the checkpoint lacks, or that does not fit; it stays fresh.
    """
    stored = read_states(checkpoint, method) if opponents else {}
    for name, network in opponents.items():
        expected, state = network.state_dict(), stored.get(name)
        if state is None:
            say(f"{checkpoint} has no {name}: a fresh one learns against networks that are trained already")
        elif fault := mismatch(expected, state) or mistyped(expected, state):
            say(f"the {name} in {checkpoint} is of another kind ({fault}): a fresh one learns in its place")
        else:
            network.load_state_dict(with_counters(expected, state))
