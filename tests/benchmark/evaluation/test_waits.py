"""What the host waits for: once for each batch, and with a batch begun ahead the rows stay the same."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from talkbench import metrics
from talkbench.benchmark.evaluation.evaluator import Evaluator, Outcome, Rules
from talkbench.core.errors import PairError
from talkbench.core.images import Download
from talkbench.datasets import Frame, Pair, Split
from talkbench.methods.interface import Batch, Method
from talkbench.metrics import FeatureCache, Metric
from talkbench.results.rows import Row

ORDER = [[0, 1, 2], [3, 4, 5], [6, 7]]
CHOSEN = ("l1", "l1@unquantised", "psnr", "ssim", "ssim@uniform7-dr1", "flicker")
WAITS = ("cpu", "item", "tolist", "nonzero", "__bool__", "__float__", "__int__")


@dataclass(frozen=True)
class Images(Batch):
    images: Tensor


class Mixed(Method[Images, Images]):
    """The noisy mean of source and driving frame; there may be faults."""

    name, networks, settings = "mixed", {}, {}

    def __init__(self, log: list[str], fault: Callable[[int, Tensor], Tensor] = lambda _, images: images) -> None:
        self.log, self.fault, self.rendered = log, fault, 0

    def encode_source(self, images: Tensor) -> Images:
        return Images(images)

    encode_motion = encode_source

    def transfer(self, source: Images, driving: Images, reference: Images | None) -> Images:
        return driving if reference is None else Images(driving.images - 0.1 * reference.images)

    def render(self, source: Images, motion: Images) -> Tensor:
        self.log.append("render")
        self.rendered += 1
        noise = 0.1 * torch.rand(motion.images.shape)
        return self.fault(self.rendered, (source.images + motion.images + noise) / 2.2)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the method and the host do, in this order."""
    lines: list[str] = []

    def counted(name: str, original: Callable[..., object]) -> Callable[..., object]:
        return lambda *arguments, **named: (lines.append(name), original(*arguments, **named))[1]

    for name in WAITS:
        monkeypatch.setattr(Tensor, name, counted(name, getattr(Tensor, name)))
    wait = Download.wait
    monkeypatch.setattr(Download, "wait", lambda self: ([lines.append("wait")] if self._tensors else [], wait(self))[1])
    return lines


@pytest.fixture
def outcomes(clips: Path, tmp_path: Path, log: list[str]) -> Callable[..., Iterator[Outcome]]:
    """The outcomes of frames 0 to 7 of one clip, by the number of batches begun ahead."""

    def make(ahead: int, chosen: tuple[str, ...] = CHOSEN, method: Method | None = None) -> Iterator[Outcome]:
        pairs = [Pair(Frame("a", number // 5), Frame("b", number), Frame("b", 0)) for number in range(8)]
        split = Split("tiny", "reconstruction", "relative-first", clips, pairs)
        named: list[Metric] = [metrics.create(metric) for metric in chosen]
        subject = Evaluator(
            method or Mixed(log), split, named, {}, Rules(48), torch.device("cpu"), cache=FeatureCache(tmp_path)
        )
        subject.ahead = ahead
        return subject.run(ORDER)

    return make


def rows(outcomes: Iterator[Outcome]) -> list[Row]:
    return [row for outcome in outcomes for row in outcome.scores.rows]


def test_the_host_waits_once_for_a_batch(outcomes: Callable[..., Iterator[Outcome]], log: list[str]) -> None:
    rows(outcomes(0, CHOSEN[:-1]))
    assert log == ["render", "wait"] * len(ORDER)


def test_metrics_that_look_back_are_waited_for_together(
    outcomes: Callable[..., Iterator[Outcome]], log: list[str]
) -> None:
    rows(outcomes(0, (*CHOSEN, "flicker")))
    assert log == ["render", "wait", "wait"] * len(ORDER)


def test_the_next_batch_is_begun_before_the_host_waits(
    outcomes: Callable[..., Iterator[Outcome]], log: list[str]
) -> None:
    rows(outcomes(1, CHOSEN[:-1]))
    assert log == ["render", "render", "wait", "render", "wait", "wait"]


def broken(number: int, images: Tensor) -> Tensor:
    """The second frame of the second batch is not finite."""
    return images.index_fill(0, torch.tensor([1]), torch.nan) if number == 2 else images


def faceless(number: int, images: Tensor) -> Tensor:
    """Batches of several fail, and one pair alone."""
    if len(images) > 1 or number == 3:
        raise PairError("no-motion", "there is none")
    return images


@pytest.mark.parametrize("fault", [lambda _, images: images, broken, faceless])
def test_the_rows_do_not_depend_on_how_many_batches_are_begun(
    outcomes: Callable[..., Iterator[Outcome]], log: list[str], fault: Callable[[int, Tensor], Tensor]
) -> None:
    """Random draws, windows of frames and failures among them."""
    one_by_one = list(outcomes(0, method=Mixed(log, fault)))
    for ahead in (1, 2):
        pipelined = list(outcomes(ahead, method=Mixed(log, fault)))
        assert [outcome.scores.rows for outcome in pipelined] == [outcome.scores.rows for outcome in one_by_one]
        assert [(outcome.numbers, outcome.drew) for outcome in pipelined] == [(numbers, True) for numbers in ORDER]
        for outcome, other in zip(pipelined, one_by_one, strict=True):
            for frame, expected in zip(outcome.frames, other.frames, strict=True):
                assert (frame.frame == expected.frame).all()
    reasons = {row.reason for row in rows(iter(one_by_one))}
    assert reasons >= {broken: {"not-finite"}, faceless: {"no-motion"}}.get(fault, {""})


def test_what_is_computed_is_given_before_an_error(outcomes: Callable[..., Iterator[Outcome]], log: list[str]) -> None:
    def breaks(number: int, images: Tensor) -> Tensor:
        if number == 2:
            raise MemoryError
        return images

    running = outcomes(1, method=Mixed(log, breaks))
    assert list(next(running).numbers) == ORDER[0]
    with pytest.raises(MemoryError):
        next(running)
