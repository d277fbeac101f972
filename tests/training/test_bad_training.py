"""What may go wrong in a training: each ends with one line, and nothing that was reached is lost."""

import json
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_training import SIZE, Toy, tiny

from talkbench.core.errors import TalkbenchError, Terminated
from talkbench.methods.checkpoints import save_states
from talkbench.training.config import TrainConfig, load_config
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer
from talkbench.training.objectives.losses import MultiScaleL1, load_vgg19
from talkbench.training.progress import TrainProgress
from talkbench.training.world import World, join

FRAMES = {name: list(range(20)) for name in "ab"}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Heard(TrainProgress):
    """Keeps what it is told, and acts after a step."""

    def __init__(self, act: Callable[[int], None] = lambda step: None) -> None:
        self.said: list[str] = []
        self.losses: list[dict[str, float]] = []
        self._act = act

    def say(self, line: str) -> None:
        self.said.append(line)

    def step(self, step: int, total: int, images: int, losses: dict[str, float]) -> None:
        self.losses.append(losses)
        self._act(step)


def trainer(
    folder: Path,
    heard: Heard | None = None,
    data: Toy | None = None,
    workers: int = 0,
    image_loss: torch.nn.Module | None = None,
    **changes: object,
) -> Trainer:
    torch.manual_seed(0)
    usual = {"epochs": 3, "repeats": 2, "batch_size": 2, "jitter": 0.0, "validation": 2, "sampling": "clip"}
    config = TrainConfig(method="mcnet@demo", dataset="toy", **{**usual, **changes})
    pairs = FramePairs(data or Toy(FRAMES), config, SIZE)
    world, options = World(torch.device("cpu")), LoopOptions(workers=workers)
    return Trainer(tiny(), config, pairs, folder, image_loss or MultiScaleL1(), world, options, heard or Heard())


def weights(trained: Trainer) -> list[torch.Tensor]:
    return [value for state in trained.states().values() for value in state.values()]


def same(first: Trainer, second: Trainer) -> bool:
    return all(map(torch.equal, weights(first), weights(second)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, Heard, Path]:
    """Three epochs of two steps that nobody disturbs."""
    heard, folder = Heard(), tmp_path_factory.mktemp("whole")
    trained = trainer(folder, heard)
    trained.run()
    return trained, heard, folder


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file can grow beyond `room` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("lr", -1, "lr: Input should be greater than 0"),
        ("lr", float("inf"), "lr: Input should be a finite number"),
        ("epochs", 0, "epochs: Input should be greater than 0"),
        ("epochs", "many", "epochs: Input should be a valid integer"),
        ("milestones", [-3], "milestones.0: Input should be greater than or equal to 0"),
        ("seed", 1 << 40, "seed: Input should be less than 2147483648"),
        ("precision", "fp8", "precision: Input should be 'float32', 'tf32' or 'bf16'"),
        ("weights.consistency", -1, "weights.consistency: Input should be greater than or equal to 0"),
        ("weights.consistency", float("nan"), "weights.consistency: Input should be"),
        ("weights", 3, "weights: Input should be a valid dictionary"),
        ("lr.x", 3, "lr.x: lr has no entries of its own"),
    ],
)
def test_an_entry_that_makes_no_sense(key: str, value: object, message: str) -> None:
    with pytest.raises(TalkbenchError, match=f"^training config mcnet/demo: {message}"):
        load_config("mcnet/demo", {key: value})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a page of a dead link", "vgg.pth is damaged or no checkpoint"),
        ({"a": torch.zeros(1)}, "vgg.pth does not hold torchvision's VGG-19 .32 missing keys: "),
        ({"features.0.weight": torch.zeros(1)}, "31 missing keys: .*; 1 misshapen keys: 0.weight"),
    ],
)
def test_another_file_in_the_place_of_vgg19(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "vgg.pth"
    if isinstance(content, str):
        path.write_text(content)
    else:
        torch.save(content, path)
    with pytest.raises(TalkbenchError, match=message):
        load_vgg19(path)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("two", "WORLD_SIZE=two is no number of processes; unset it"),
        ("0", "WORLD_SIZE=0 is no number of processes; unset it"),
        ("2", "WORLD_SIZE=2, but no RANK; unset it, or start the processes with torchrun"),
    ],
)
def test_an_environment_that_torchrun_does_not_make(monkeypatch: pytest.MonkeyPatch, size: str, message: str) -> None:
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(TalkbenchError, match=message), join(torch.device("cpu")):
        pass


Whole = tuple[Trainer, Heard, Path]


def test_a_full_disk_costs_no_more_than_what_was_not_saved(whole: Whole, tmp_path: Path) -> None:
    stopped = trainer(tmp_path)
    with full_disk(1000), pytest.raises(TalkbenchError, match=r"begins anew, since there is no state yet"):
        stopped.checkpoints.save(0, {"weights": torch.zeros(1000)})
    stopped.batches.total = 2
    stopped.run()
    more = trainer(tmp_path)
    room = (whole[2] / "best.safetensors").stat().st_size + 1000  # a state holds the moments of Adam, too
    with (
        pytest.raises(TalkbenchError, match=r"cannot write .*00000004.pt: .*; free some .* from the last state"),
        full_disk(room),
    ):
        more.run()
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["00000002.pt"]
    rest = trainer(tmp_path)
    assert rest.step == 2
    rest.run()
    assert same(rest, whole[0])


def test_a_full_disk_under_weights_and_log(tmp_path: Path) -> None:
    with full_disk(1000), pytest.raises(TalkbenchError, match=r"cannot write .*best.safetensors: .*; free some space"):
        save_states({"generator": {"weight": torch.zeros(1000)}}, tmp_path / "best.safetensors", {})
    assert list(tmp_path.iterdir()) == []
    trained = trainer(tmp_path)
    with (
        full_disk(4),
        pytest.raises(TalkbenchError, match=r"cannot write .*log.jsonl: File too large; see to it.* begins anew"),
    ):
        trained.reports.log(1, {"total": 1.0})


def test_the_log_goes_on_where_the_state_does(whole: Whole, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(step: int) -> None:
        if step == 3:
            raise Killed

    with pytest.raises(Killed):
        trainer(tmp_path, Heard(kill)).run()
    log = tmp_path / "log.jsonl"
    log.write_text(log.read_text() + '{"step": 3, "epoch": 1, "total": 1}\n{"step": 4, "ep')
    rest = trainer(tmp_path)
    rest.run()
    lines, whole_lines = (
        [json.loads(line) for line in path.read_text().splitlines()] for path in (log, whole[2] / "log.jsonl")
    )
    for line in (*lines, *whole_lines):  # of what is measured only the names are the same
        line |= dict.fromkeys(line.keys() & {"seconds", "images_per_second"})
    assert lines == whole_lines
    assert [line["step"] for line in lines] == [2, 2, 4, 4, 6, 6]


def test_a_damaged_state_gives_way_to_the_one_before_aloud(whole: Whole, tmp_path: Path) -> None:
    stopped = trainer(tmp_path)
    stopped.batches.total = 4
    stopped.run()
    latest = tmp_path / "state" / "00000004.pt"
    latest.write_bytes(latest.read_bytes()[:5000])
    heard = Heard()
    rest = trainer(tmp_path, heard)
    assert heard.said == [f"{latest} cannot be read, so the state before it is taken"]
    assert rest.step == 2
    rest.run()
    assert same(rest, whole[0])
    for path in (tmp_path / "state").iterdir():
        torch.save({"another": "program"}, path)
    with pytest.raises(TalkbenchError, match=r"no state in .* can be read; delete it to begin anew"):
        trainer(tmp_path)


def test_another_image_loss_does_not_continue(whole: Whole) -> None:
    with pytest.raises(
        TalkbenchError, match=r"another config \(image loss: MultiScaleL1, now L1Loss\); choose another"
    ):
        trainer(whole[2], image_loss=torch.nn.L1Loss())


def test_processes_that_read_change_nothing(whole: Whole, tmp_path: Path) -> None:
    heard = Heard()
    trained = trainer(tmp_path, heard, workers=2)
    trained.run()
    assert heard.losses == whole[1].losses
    assert same(trained, whole[0])


def test_a_reading_process_that_dies(whole: Whole, tmp_path: Path) -> None:
    def kill(step: int) -> None:
        if step == 3:
            for process in multiprocessing.active_children():
                process.kill()

    with pytest.raises(
        TalkbenchError, match=r"a process that reads frames has died.*; repeat the command, with fewer"
    ) as end:
        trainer(tmp_path, Heard(kill), workers=1, repeats=20, epochs=1, steps=20).run()
    assert "\n" not in str(end.value)
    trained = trainer(tmp_path / "again", workers=1)
    trained.run()
    assert same(trained, whole[0])


@pytest.mark.parametrize("workers", [0, 1])
def test_frames_that_cannot_be_read(tmp_path: Path, workers: int) -> None:
    heard = Heard()
    broken = Toy(FRAMES, broken=[("a", number) for number in range(0, 18, 4)])
    trainer(tmp_path / "some", heard, broken, workers).run()
    assert any("a 4 is damaged" in line for line in heard.said)
    assert len({*heard.said}) == len(heard.said)  # each is told once, however many there are in a sample
    assert all(line.count("is damaged") < 2 for line in heard.said)
    everything = Toy(FRAMES, broken=[(clip, number) for clip in "ab" for number in range(18)])
    with pytest.raises(
        TalkbenchError, match=r"^10 frames in a row cannot be read, the last: \w \d+ is damaged; see"
    ) as end:
        trainer(tmp_path / "all", data=everything, workers=workers).run()
    assert type(end.value) is TalkbenchError
    assert "\n" not in str(end.value)


def test_frames_of_the_validation_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    data = Toy(FRAMES, broken=[("a", 18), ("a", 19)])
    left, *_, about = trainer(tmp_path, data=data).validation.notes
    assert left.replace("18", "19") == "left out of validation: a 19 is damaged"
    assert about.startswith("validation: 1 pair of 1 person it is trained on")
    many = [
        line for line in trainer(tmp_path, data=data, validation=16).validation.notes if line.startswith("left out")
    ]
    assert len(many) == len({*many}) <= 2, "each reason is told once"
    heard = Heard()
    short = trainer(tmp_path, heard, Toy({"a": [0, 1, 2]}), steps=1)
    assert not short.validation
    short.run()
    assert heard.said[0].startswith("no clip is long enough to hold frames out for validation")


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGINT, 0), (signal.SIGINT, 1), (signal.SIGTERM, 0), (signal.SIGUSR1, 1)]
)
def test_a_signal_within_a_step_stops_after_it(whole: Whole, tmp_path: Path, number: int, workers: int) -> None:
    stopped = trainer(tmp_path, workers=workers)
    terms, calls = stopped.turns[0].terms, []

    def interrupted(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            for process in multiprocessing.active_children():  # to those that read it comes as well
                os.kill(process.pid, number)
            signal.raise_signal(number)
        return terms(*arguments)

    before, stopped.turns[0].terms = signal.getsignal(number), interrupted
    with pytest.raises(KeyboardInterrupt) as end:
        stopped.run()
    assert isinstance(end.value, Terminated) == (number != signal.SIGINT)
    assert signal.getsignal(number) is before
    rest = trainer(tmp_path)
    assert rest.step == 3
    rest.run()
    assert same(rest, whole[0])


def test_a_state_is_there_after_the_first_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    running = trainer(tmp_path, repeats=20, epochs=1, steps=6)
    running.checkpoints.save = lambda step, state: saved.append(step)  # type: ignore[method-assign]
    times = iter(range(0, 10_000, 25))
    monkeypatch.setattr("talkbench.training.state.checkpoints.SaveTimer.__init__.__defaults__", (lambda: next(times),))
    running.run()
    assert saved == [2, 6]  # the next step would end after more than a minute; and the end


def test_a_recipe_that_ends_before_the_step_at_hand_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path, steps=4).run()
    with pytest.raises(TalkbenchError, match=r"is at step 4, and this recipe ends at step 3; leave out the --set that"):
        trainer(tmp_path, steps=3)
    assert trainer(tmp_path, steps=4).step == 4


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    stopped = trainer(tmp_path)
    stopped.progress.step = lambda *_: [signal.raise_signal(signal.SIGINT) for _ in range(2)]
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert not (tmp_path / "state").exists()


def test_a_batch_that_is_not_finite_leaves_no_trace_in_the_state(tmp_path: Path) -> None:
    def spoil(step: int) -> None:
        if step == 3:
            stopped.learner.passes = lambda images, step: passes(images * float("nan"), step)

    stopped = trainer(tmp_path, Heard(spoil))
    passes = stopped.learner.passes
    with pytest.raises(TalkbenchError, match="the loss is nan at step 3, usually"):
        stopped.run()
    state = torch.load(tmp_path / "state" / "00000003.pt", weights_only=True)
    assert all(value.isfinite().all() for value in state["networks"].values())


def test_bf16_stays_near_float32(whole: Whole, tmp_path: Path) -> None:
    heard = Heard()
    trained = trainer(tmp_path, heard, precision="bf16", steps=3)
    trained.run()
    totals = [[losses["total"] for losses in run.losses[:3]] for run in (heard, whole[1])]
    np.testing.assert_allclose(*totals, rtol=0.05)
    assert totals[0] != totals[1]
    assert all(value.isfinite().all() for value in weights(trained))
