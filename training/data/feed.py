"""Which samples make up each step, and the processes that read them ahead."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.clip_store import forget
from talkbench.training.config import TrainConfig
from talkbench.training.data.pairs import FramePairs, Item

AHEAD = 4  # batches that each process reads in advance
DIED = (
    "a process that reads frames has died, for lack of memory perhaps; the same command continues, with fewer "
    "--workers if it happens again"
)


class Batches:
    """The samples of every step from `start` on, this process's share of each batch.

    The order of an epoch is a permutation drawn from (seed, epoch), so the position in it is all there is to remember.

    Args:
        samples: of an epoch.
        rank, size: which process this is, of how many.
    """

    def __init__(self, samples: int, config: TrainConfig, start: int = 0, rank: int = 0, size: int = 1) -> None:
        if config.batch_size % size:
            raise TalkbenchError(f"a batch of {config.batch_size} does not share among {size} processes; change it")
        self.per_epoch = samples // config.batch_size
        if not self.per_epoch:
            raise TalkbenchError(
                f"an epoch of {samples} samples does not fill a batch of {config.batch_size}; raise repeats"
            )
        self.total = min(config.epochs * self.per_epoch, config.steps or config.epochs * self.per_epoch)
        self._samples, self._config, self._start = samples, config, start
        share = config.batch_size // size
        self.first, self.count = rank * share, share

    def __len__(self) -> int:
        """Steps that are left."""
        return max(0, self.total - self._start)

    def __iter__(self) -> Iterator[list[Item]]:
        order, shuffled = np.empty(0, int), -1
        for step in range(self._start, self.total):
            epoch, place = divmod(step, self.per_epoch)
            if epoch != shuffled:
                order, shuffled = np.random.default_rng((self._config.seed, epoch)).permutation(self._samples), epoch
            begin = place * self._config.batch_size + self.first
            yield [(epoch, int(index)) for index in order[begin : begin + self.count]]


Batch = tuple[Tensor, list[str], list[str]]
"""As `data.Sample`, stacked."""


def feed(pairs: FramePairs, batches: Batches, workers: int, device: torch.device) -> Generator[Batch]:
    """The batches of every step that is left.

    Args:
        workers: processes that read; 0: this one.

    Raises:
        TalkbenchError: frame after frame cannot be read, or such a process has died.
        RuntimeError: it has died; within `reading` this is a TalkbenchError too.
    """
    loader = DataLoader(
        _Reader(pairs),
        collate_fn=_as_it_is,
        batch_sampler=batches,  # type: ignore[arg-type]
        num_workers=workers,
        pin_memory=device.type == "cuda",
        prefetch_factor=AHEAD if workers else None,
        worker_init_fn=_begin if workers else None,
    )
    read = iter(loader)
    try:
        for batch in read:
            if isinstance(batch, TalkbenchError):
                raise batch
            yield batch
    except (ConnectionError, EOFError, FileNotFoundError) as error:  # where the line to it breaks
        if not workers:
            raise
        raise TalkbenchError(DIED) from error
    finally:
        if workers:  # an error would keep them, and torch would go on reporting one that has died
            read._shutdown_workers()  # type: ignore[attr-defined]


@contextmanager
def reading() -> Iterator[None]:
    """Says so if a process that reads has died: torch may interrupt whatever is going on to tell.

    Raises:
        TalkbenchError: one has died.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(words in str(error) for words in ("DataLoader worker (pid", "ancdata")):
            raise
        raise TalkbenchError(DIED) from error


class _Reader(Dataset[Batch | TalkbenchError]):
    """Reads batch by batch, and hands on why one cannot be read: raised in a process of its own, an error would come
    out of it with a traceback in its message."""

    def __init__(self, pairs: FramePairs) -> None:
        self._pairs = pairs

    def __getitems__(self, items: list[Item]) -> Batch | TalkbenchError:
        try:
            batch: Batch = default_collate([self._pairs[item] for item in items])
        except TalkbenchError as error:
            return error
        return batch


def _as_it_is(batch: Any) -> Any:
    return batch


def _begin(_worker: int) -> None:
    """Open videos are not to be shared with the process that this one was copied from."""
    forget()
