"""The same command started twice on one folder, again and again, now and then with one of the two killed: nothing that
is written may be lost, and the command must go on afterwards and end as if nobody had disturbed it.

    PYTHONPATH=tests python tests/attacks/double_starts.py [KIND:SEED ...]

without words 20 of each kind: run, train, prepare. Processes are forked from one that has imported everything, so that
they meet within milliseconds, and that has done nothing else, since threads do not live through a fork.
"""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import numpy as np
import torch
from pyarrow.parquet import read_metadata
from raw_videos import write_list, write_raw
from safetensors.torch import load_file
from toy_training import frame, tiny

from talkbench import datasets, methods
from talkbench.benchmark.cli.main import main as bench
from talkbench.core.files import sha256_file
from talkbench.core.images import write_png
from talkbench.methods.mcnet import MCNet
from talkbench.results import RunStore
from talkbench.training import session

ROUNDS = {"run": 20, "train": 20, "prepare": 20}
REFUSED = (
    r"bench: (process \d+ is (writing to|training into|preparing clips in) |\S+ holds a run; continue it with --resume)"
)
PLUGIN = Path(__file__).parents[1] / "benchmark" / "plugin"


@dataclass(frozen=True)
class Target:
    """A command to start twice.

    Attributes:
        command: what is started first and second, and what ends the work.
        result: what the work has left in the folder, to compare.
        code: with which the command ends.
    """

    command: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    result: Callable[[Path], object]
    code: int = 0


def runs(data: Path) -> list[Target]:
    """`bench run` into a named folder, with and without ``--resume``, and into one that it finds itself."""
    run = ("run", "--method", "blend", "--dataset", "tiny", "--root", str(data / "clips"), "--metrics", "l1,psnr")
    run += ("--limit", "8", "--batch-size", "1", "--set", "noise=0.3", "--set", "sleep=0.01", "--tracking-uri", "off")
    out, resume = (*run, "--out", "mine"), (*run, "--resume")

    def rows(folder: Path) -> object:
        """All rows, and how many there are in the parts, where one that two processes have written is there twice."""
        (record,) = folder.rglob("run.json")
        parts = record.parent.glob("rows/*.parquet")
        return RunStore(record.parent).rows().to_csv(), sum(read_metadata(part).num_rows for part in parts)

    both = (*out, "--resume")
    return [
        Target((out, out, both), rows),
        Target((both, both, both), rows),
        Target((out, both, both), rows),
        Target((resume, resume, resume), rows),
        Target((both, (*both, "--wait"), both), rows),
    ]


@cache
def _model() -> MCNet:
    torch.manual_seed(0)
    return tiny()


def training(data: Path) -> Target:
    """`bench train`."""
    _model()  # once, for all processes that are forked
    settings = ("repeats=2", "epochs=2", "batch_size=2", "jitter=0", "validation=0")
    train = (
        "train",
        "--method",
        "mcnet@demo",
        "--config",
        "demo",
        "--dataset",
        "folder",
        "--root",
        str(data / "faces"),
    )
    train += ("--device", "cpu", "--out", "out", "--tracking-uri", "off", "--save-minutes", "0.0001")
    train += tuple(word for setting in settings for word in ("--set", setting))

    def weights(folder: Path) -> object:
        states = load_file(folder / "out" / "weights.safetensors")
        return {key: value.tolist() for key, value in states.items()}

    return Target((train, train, train), weights)


def preparation(data: Path) -> Target:
    """`bench data prepare`; a video is missing, so it ends with 1."""
    prepare = ("data", "prepare", "voxceleb1", "--raw", str(data / "raw"), "--out", "vox", "--size", "32")
    prepare += ("--metadata", str(data / "metadata.csv"), "--workers", "1")

    def clips(folder: Path) -> object:
        files = [path for path in sorted((folder / "vox").rglob("*")) if path.suffix in (".png", ".csv")]
        return [(path.relative_to(folder).as_posix(), sha256_file(path)) for path in files]

    return Target((prepare, prepare, prepare), clips, code=1)


def make_data(data: Path) -> None:
    """What the targets work on: clips, frames to train on, and a video to cut."""
    for module in ("filelock", "rich.progress", "torch._dynamo"):  # which each process would import
        import_module(module)
    rows, columns = np.mgrid[0:32, 0:32]
    for clip in "ab":
        for index in range(8):
            image = np.stack([rows * 4 + 10 * index, columns * 4, rows + columns + 90 * (clip == "b")], axis=2)
            write_png(data / "clips" / clip / f"{index}.png", image.clip(0, 255).astype(np.uint8))
    for index in range(8):
        write_png(data / "faces" / "a" / f"{index}.png", frame("a", index))
        write_png(data / "faces" / "b" / f"{index}.png", frame("b", index))
    (data / "raw").mkdir()
    write_raw(data / "raw" / "Zbz058o9j6s.mp4", rate=25)
    names = ("Zbz058o9j6s#id10280", "vanishedvid#id10281")
    write_list(data / "metadata.csv", *({"video_id": name, "start": 0, "end": 15} for name in names))


def attack(kind: str, data: Path, seed: int) -> str:
    """One double start, and then the command that ends the work.

    Returns:
        What happened, in a line; an `AssertionError` says what went wrong.
    """
    rng, chosen = np.random.default_rng(seed), targets(data, kind)
    target = chosen[seed % len(chosen)]
    whole, folder = (Path(mkdtemp(dir=data)) for _ in range(2))
    undisturbed = ended(start(target.command[0], whole), whole)
    assert undisturbed[0] == target.code, undisturbed
    first = start(target.command[0], folder)
    time.sleep(delay := float(rng.uniform(0, 0.3)))
    second = start(target.command[1], folder)
    if kill := rng.random() < 0.4:
        time.sleep(float(rng.uniform(0, 0.5)))
        with suppress(ProcessLookupError):
            os.kill(first.pid, signal.SIGKILL)
    codes = []
    for process in (first, second):
        code, said = ended(process, folder)
        codes.append(code)
        told = said.strip().splitlines()[-1:] or [""]
        assert code in (target.code, -signal.SIGKILL) or (code == 2 and re.match(REFUSED, told[0])), said
    last = ended(start(target.command[2], folder), folder)
    assert last[0] == target.code, last
    assert target.result(folder) == target.result(whole)
    return f"delay {delay:.2f} s, {'one killed, ' if kill else ''}exit codes {codes}, then {last[0]}"


def start(command: tuple[str, ...], folder: Path):
    process = get_context("fork").Process(target=work, args=(command, folder))
    process.start()
    return process


def ended(process, folder: Path) -> tuple[int, str]:
    """The exit code of a process that `start` has started, and what it said."""
    process.join(120)
    assert process.exitcode is not None, f"process {process.pid} has not ended"
    return process.exitcode, (folder / f"{process.pid}.txt").read_text()


def work(command: tuple[str, ...], folder: Path) -> None:
    """What a forked process does: `bench`, with its words in a file."""
    os.chdir(folder)
    words = os.open(f"{os.getpid()}.txt", os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(words, stream)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(stream), "w", buffering=1) for stream in (1, 2))
    os.environ |= {"TALKBENCH_HOME": str(folder / "home"), "MLFLOW_TRACKING_URI": "off"}
    sys.path.insert(0, str(PLUGIN))
    for registry in (methods.registry, datasets.registry):  # other tests may have looked for plugins before
        registry._plugins, registry._loaded = {}, False
    torch.set_num_threads(1)
    if command[0] == "train":
        model = _model()
        session.methods.create = lambda *_, **__: model  # type: ignore[assignment]
        session.READERS_END = 0.0  # there are no processes that read
    sys.argv = ["bench", *command]
    bench()


def targets(data: Path, kind: str) -> list[Target]:
    """The commands of a kind: run, train or prepare."""
    return runs(data) if kind == "run" else [training(data) if kind == "train" else preparation(data)]


def main(attack: Callable[[str, Path, int], str], rounds: Mapping[str, int], words: Sequence[str]) -> int:
    """Do the attacks that `words` name as KIND:SEED, or all `rounds` of each kind, and print how each went.

    Returns:
        The exit code: 1 if any went badly.
    """
    chosen = [word.split(":") for word in words] or [(kind, seed) for kind, n in rounds.items() for seed in range(n)]
    bad = 0
    with TemporaryDirectory() as place:
        make_data(Path(place))
        for kind, seed in chosen:
            try:
                print(kind, seed, attack(kind, Path(place), int(seed)), flush=True)
            except AssertionError as error:
                bad += 1
                print(kind, seed, "BAD", error, flush=True)
    print(f"tried {len(chosen)}, clean {len(chosen) - bad}, bad {bad}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(attack, ROUNDS, sys.argv[1:]))
