"""Commands that are killed while they write: before a file is moved to its place, when half of it is on the disk, and
right after it was moved. The same command must end the work as if nobody had disturbed it, with nothing half written.

    PYTHONPATH=tests python tests/attacks/kills.py [KIND:SEED ...]

without words 50 kills of `run`, 20 each of `train`, `data prepare`, `results export`, `weights add` and of a process
that fills the cache of features.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
from attacks.double_starts import ended, main, preparation, runs, training, work
from cache_user import use

from talkbench.core.files import PARTIAL, sha256_file
from talkbench.methods import checkpoint_store
from talkbench.methods.recognition import skeleton
from talkbench.metrics.cache import FeatureCache
from talkbench.results.validation import faults

ROUNDS = {"run": 50, "train": 20, "prepare": 20, "export": 20, "add": 20, "cache": 20}
MOMENTS = ("before", "half", "after")
SWEPT = {"run", "train", "prepare"}
"""Kinds whose next start clears away what was half written; where several may write, nobody knows whose it is."""


@dataclass(frozen=True)
class Work:
    """What is killed.

    Attributes:
        commands: in their order; the last one is killed.
        result: what the work leaves, to compare.
        codes: with which the command may end when it is given again.
    """

    commands: tuple[tuple[str, ...], ...]
    result: Callable[[Path], object]
    codes: tuple[int, ...] = (0,)


def works(data: Path, kind: str) -> Work:
    """The work of a kind."""
    if kind in ("train", "prepare"):
        target = training(data) if kind == "train" else preparation(data)
        return Work((target.command[2],), target.result, (target.code,))
    run = runs(data)[1]
    if kind == "run":
        return Work((run.command[2],), lambda folder: run.result(folder / "mine"))
    if kind == "export":
        export = ("results", "export", "mine", "--out", "entries", "--thumbnails", "0")
        return Work((run.command[2], export), _entries, (0, 2))  # 2: the entry is there already
    return Work((("weights", "add", str(_checkpoint(data)), "--as", "fomm@vox-256"),), _store)


def _entries(folder: Path) -> object:
    entries = [path for path in (folder / "entries").iterdir() if not path.name.startswith(".")]
    return [(path.name, faults(path)) for path in entries]


def _store(folder: Path) -> object:
    files = [path for path in (folder / "home").rglob("*") if path.is_file() and not path.name.startswith(".")]
    return sorted((path.name, sha256_file(path)) for path in files if PARTIAL not in str(path))


def _checkpoint(data: Path) -> Path:
    """A checkpoint of FOMM's, whose entries take no room in the file."""
    path = data / "fomm.pth"
    if not path.exists():
        states = {
            part: {key: torch.zeros((), dtype=value.dtype).expand(value.shape) for key, value in state.items()}
            for part, state in ((p, n.state_dict()) for p, n in skeleton("fomm@vox-256")[0].networks.items())
        }
        torch.save(states, path)
    return path


class Killer:
    """Counts the moves of files of this process, and kills it at one of them."""

    def __init__(self, number: int, moment: str) -> None:
        self.moves, self.number, self.moment = 0, number, moment
        self._replace, self._fsync = Path.replace, os.fsync
        Path.replace = lambda path, target: self.replace(path, target)  # type: ignore[method-assign]
        os.fsync = self.fsync

    def replace(self, path: Path, target: Path) -> Path:
        self.moves += 1
        if self.moment in ("before", "half"):  # a folder is moved without being synchronised first
            self.kill()
        moved = self._replace(path, target)
        if self.moment == "after":
            self.kill()
        return moved

    def fsync(self, file: int) -> None:
        if self.moment == "half" and self.moves + 1 >= self.number:
            path = Path(f"/proc/self/fd/{file}").readlink()
            if path.is_file():
                os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        self._fsync(file)

    def kill(self) -> None:
        if self.moves >= self.number:
            os.kill(os.getpid(), signal.SIGKILL)


def _killed(command: tuple[str, ...], folder: Path, number: int, moment: str) -> None:
    """What a forked process does; it leaves the number of its moves."""
    killer = Killer(number, moment)
    names = ["mcnet@demo", "fomm@vox-256", "fomm@taichi"]  # to recognise a file among all methods takes seconds
    checkpoint_store.known_names = lambda: names  # type: ignore[assignment]
    try:
        work(command, folder)
    finally:
        (folder / "moves").write_text(str(killer.moves))


def _process(target: Callable[..., object], *arguments: object):
    process = get_context("fork").Process(target=target, args=arguments)
    process.start()
    return process


def attack(kind: str, data: Path, seed: int) -> str:
    """One kill, and then the same command again.

    Returns:
        What happened, in a line; an `AssertionError` says what went wrong.
    """
    rng = np.random.default_rng(seed)
    if kind == "cache":
        return _attack_on_cache(data, rng)
    killed_work = works(data, kind)
    whole, folder = (Path(mkdtemp(dir=data)) for _ in range(2))
    for place in (whole, folder):
        for command in killed_work.commands[:-1]:
            assert ended(_process(work, command, place), place)[0] == 0
    command = killed_work.commands[-1]
    undisturbed = ended(_process(_killed, command, whole, sys.maxsize, ""), whole)
    assert undisturbed[0] == killed_work.codes[0], undisturbed
    number = int(rng.integers(1, int((whole / "moves").read_text()) + 1))
    moment = MOMENTS[rng.integers(len(MOMENTS))]
    killed = ended(_process(_killed, command, folder, number, moment), folder)
    assert killed[0] == -signal.SIGKILL, killed
    again = ended(_process(_killed, command, folder, sys.maxsize, ""), folder)
    assert again[0] in killed_work.codes, again
    assert killed_work.result(folder) == killed_work.result(whole)
    if kind in SWEPT:
        assert not list(folder.rglob(f"{PARTIAL}*"))
    return f"killed {moment} move {number}, then {again[0]}"


def _attack_on_cache(data: Path, rng: np.random.Generator) -> str:
    folder, seed = Path(mkdtemp(dir=data)) / "features", int(rng.integers(1000))
    process = _process(use, folder, seed, None)
    time.sleep(delay := float(rng.uniform(0, 0.15)))
    process.kill()
    process.join(60)
    computed = use(folder, seed, None)  # which checks every value
    assert use(folder, seed, None) == 0
    assert FeatureCache(folder).info().extractors[0].frames > 0
    return f"killed after {delay:.3f} s, {computed} frames were left to compute"


if __name__ == "__main__":
    sys.exit(main(attack, ROUNDS, sys.argv[1:]))
