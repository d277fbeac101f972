"""A whole `bench train` of a small method."""

from pathlib import Path

import pytest
from toy_training import Toy

from talkbench.methods.interface import Method
from talkbench.training import session
from talkbench.training.progress import TrainProgress
from talkbench.training.session import TrainOptions


def run_session(options: TrainOptions, method: Method, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """`bench train` of a small `method` on `Toy`: the weights file, and what was said."""
    monkeypatch.setattr(session.datasets, "create", lambda name, root: Toy())
    monkeypatch.setattr(session.methods, "create", lambda name, weights=None: method)
    said: list[str] = []
    progress = TrainProgress()
    progress.say = said.append
    return session.train(options, progress), said
