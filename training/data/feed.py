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
from talkbench.training.state.interrupts import ignore_others

AHEAD = 4  # batches that each process reads in advance
DIED = (
    "a process that reads frames has died, for lack of memory perhaps; repeat the command, with fewer --workers if it "
    "happens again"
)


class Batches:
    """The samples of every step from `start` on, this process's share of each batch.

    The order of an epoch is a permutation drawn from (seed, epoch), so a run needs only its position to be continued.

    Args:
        samples: number of samples in an epoch.
        rank, size: the number of this process, and how many there are.
    """

    def __init__(self, samples: int, config: TrainConfig, start: int = 0, rank: int = 0, size: int = 1) -> None:
        if config.batch_size % size:
            raise TalkbenchError(
                f"a batch of {config.batch_size} does not divide evenly among {size} processes; change batch_size"
            )
        self.per_epoch = samples // config.batch_size
        if not self.per_epoch:
            raise TalkbenchError(
                f"an epoch of {samples} samples does not fill a batch of {config.batch_size}; raise repeats"
            )
        self.total = min(config.epochs * self.per_epoch, config.steps or config.epochs * self.per_epoch)
        self._samples, self._config, self._start = samples, config, start
        share = config.batch_size // size
        if share % config.accumulate:
            whole = f"a batch of {share}" if size == 1 else f"the {share} pairs that each of {size} processes has"
            raise TalkbenchError(
                f"training config: accumulate {config.accumulate} does not divide {whole}: take "
                f"{' or '.join(map(str, divisors(share, config.accumulate)))}"
            )
        self.first, self.count = rank * share, share

    def __len__(self) -> int:
        """Steps that are left."""
        return max(0, self.total - self._start)

    def ends_epoch(self, step: int) -> bool:
        """Whether an epoch, or the training, ends with `step`, from 1."""
        return step % self.per_epoch == 0 or step == self.total

    def __iter__(self) -> Iterator[list[Item]]:
        order, shuffled = np.empty(0, int), -1
        for step in range(self._start, self.total):
            epoch, place = divmod(step, self.per_epoch)
            if epoch != shuffled:
                order, shuffled = np.random.default_rng((self._config.seed, epoch)).permutation(self._samples), epoch
            begin = place * self._config.batch_size + self.first
            yield [(epoch, int(index)) for index in order[begin : begin + self.count]]


def divisors(number: int, near: int) -> list[int]:
    """The divisors of `number` next to `near`, below and above it."""
    every = [divisor for divisor in range(1, number + 1) if number % divisor == 0]
    return [*[each for each in every if each < near][-1:], *[each for each in every if each > near][:1]]


Batch = tuple[Tensor, list[str], list[str]]
"""As `data.Sample`, stacked."""


def feed(pairs: FramePairs, batches: Batches, workers: int, device: torch.device) -> Generator[Batch]:
    """The batches of every step that is left.

    Args:
        workers: processes that read frames; 0: this process reads them.

    Raises:
        TalkbenchError: many frames in a row cannot be read, or a reading process has died.
        RuntimeError: a reading process has died; inside `reading` that becomes a TalkbenchError.
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
    except (ConnectionError, EOFError, FileNotFoundError) as error:  # the connection to the process broke
        if not workers:
            raise
        raise TalkbenchError(DIED) from error
    finally:
        if workers:  # an error would keep them, and torch would go on reporting one that has died
            try:
                read._shutdown_workers()  # type: ignore[attr-defined]
            finally:
                for process in read._workers:  # type: ignore[attr-defined]
                    process.kill()  # one that hangs: SIGTERM does not end it, and Python's end would wait for it


@contextmanager
def reading() -> Iterator[None]:
    """Turn torch's error for a reading process that died, which may interrupt any code of the block, into ours.

    Raises:
        TalkbenchError: a reading process has died.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(words in str(error) for words in ("DataLoader worker (pid", "ancdata")):
            raise
        raise TalkbenchError(DIED) from error


class _Reader(Dataset[Batch | TalkbenchError]):
    """Reads batches; returns an error instead of raising it, since torch would put the traceback of a reading process
    into the message."""

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
    """Close the open videos, which a forked process must not share with its parent, and leave the end to that."""
    ignore_others()
    forget()
