"""Spoils checkpoints that are sound, adds and loads them: each is taken or refused in one line that names the file,
never with another exception, never without end, and nothing in it is run.

    PYTHONPATH=tests python tests/attacks/mutated_checkpoints.py --checkpoints 300

The same seed spoils the same. It prints how many were tried (each loaded and added), how many were clean, and how
many were bad, with what these did, and ends with the exit code 1 if one was.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import random
import signal
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from foreign_pickles import PICKLE, Named
from safetensors.torch import save

from talkbench import methods
from talkbench.benchmark.cli.main import bench
from talkbench.core.errors import TalkbenchError
from talkbench.core.text import visible
from talkbench.methods.recognition import skeleton

METHOD = "mcnet@demo"
SECONDS = 60
"""After which reading a file counts as endless."""

RUN = {"os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "subprocess.Popen", "socket.connect"}
"""Events of Python's audit that code in a file would cause."""

FORBIDDEN: list[tuple[str, tuple[object, ...]]] = [
    ("os.system", ("touch it-ran",)), ("posix.system", ("touch it-ran",)),
    ("builtins.eval", ("open('it-ran', 'w')",)), ("builtins.exec", ("open('it-ran', 'w')",)),
    ("builtins.open", ("it-ran", "w")), ("subprocess.Popen", ("true",)), ("pathlib.Path", ("it-ran",)),
    ("torch.load", ("x",)), ("torch.hub.load", ("a/b", "c")), ("builtins.getattr", ("", "x")), ("numpy.load", ("x",)),
    ("numpy.dtype", ("O",)), ("numpy.ndarray", ((3,),)), ("collections.OrderedDict", (5,)),
    ("numpy.core.multiarray.scalar", ("i8", b"x")), ("numpy._core.multiarray._reconstruct", ()),
    ("torch.Size", ("x",)), ("torch._utils._rebuild_tensor_v2", (1, 2, 3)), ("builtins.bytearray", (10**13,)),
    ("a\x1b[31m.b", ()), ("torch.nn.modules.linear.Linear", (1, 1)), ("_codecs.encode", ("x", "no such codec")),
    ("torch.device", ("no such",)),
]  # fmt: skip

STRANGE: list[Callable[[torch.Tensor], object]] = [
    lambda value: value.long(), lambda value: value.bool(), lambda value: value.to(torch.complex64),
    lambda value: value[None], lambda value: torch.zeros(2).to(torch.float8_e5m2),
    lambda value: torch.full(value.shape, torch.nan), lambda value: None, lambda value: torch.zeros(1).expand(10**12),
    lambda value: torch.zeros(0), lambda value: torch.zeros(3).to_sparse(),
    lambda value: torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8),
    lambda value: torch.zeros(3, device="meta"), lambda value: torch.nested.nested_tensor([torch.zeros(2)]),
    lambda value: torch.nn.Parameter(torch.zeros(3)), lambda value: np.float64(3), lambda value: np.zeros(3),
    lambda value: np.array(["x"], object), lambda value: [value], lambda value: "x" * 100_000, lambda value: 10**400,
    lambda value: torch.zeros(3).conj(), lambda value: torch.Size([1]),
]  # fmt: skip
"""What stands in place of a tensor."""

KEYS: list[Callable[[str], object]] = [
    lambda key: f"module.{key}", lambda key: f"_orig_mod.{key}", lambda key: f"module._orig_mod.{key}", lambda key: 7,
    lambda key: key.encode(), lambda key: (key,), lambda key: None, lambda key: "", lambda key: "module.",
    lambda key: "." * 50, lambda key: f"\x1b[31m{key}\n", lambda key: "\ud800", lambda key: key * 500,
    lambda key: f"{key}/{key}", lambda key: 1.5, lambda key: torch.zeros(2), lambda key: "num_batches_tracked",
    lambda key: "state_dict", lambda key: "model.model.model.x",
]  # fmt: skip
"""What stands in place of a key."""

METADATA = [
    "{", "[1]", "null", "5", "[" * 5000, '{"method": 5}', '{"method": ["mcnet"]}', '{"method": "\\u001b[31m\\n"}',
    "\ud7ff", '{"method": "mcnet"}', '{"method": "mcnet@demo@x"}', '{"method": "@"}', '{"method": ""}',
    '{"epochs": 1e999}', "9" * 5000,
]  # fmt: skip


class Endless(BaseException):
    """Reading took more than `SECONDS`; no reader may catch it."""


@dataclass
class Tally:
    """How many files were tried and how many taken, and what those did that were neither taken nor refused."""

    tried: int = 0
    taken: int = 0
    bad: list[str] = field(default_factory=list)


def content() -> dict[Any, Any]:
    """A checkpoint of the demo's networks whose entries take no room."""
    networks = skeleton(METHOD)[0].networks
    states: dict[Any, Any] = {
        name: {
            key: torch.zeros((), dtype=value.dtype).expand(value.shape) for key, value in network.state_dict().items()
        }
        for name, network in networks.items()
    }
    return {**states, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]}, "epoch": np.int64(99)}


def changed(rng: random.Random) -> dict[Any, Any]:
    """A checkpoint with another tensor, key, wrapper, or function where it does not belong."""
    states = content()
    for _ in range(rng.choice((1, 1, 2, 5))):
        state = states.get(rng.choice(("generator", "kp_detector")))
        if not isinstance(state, dict) or not state:
            continue
        key = rng.choice(list(state))
        kind = rng.randrange(6)
        if kind == 0 and isinstance(state[key], torch.Tensor):
            state[key] = rng.choice(STRANGE)(state[key])
        elif kind == 1:
            renamed = rng.choice(KEYS)(str(key))
            value = state[key] if rng.random() < 0.5 else state.pop(key)
            state[renamed] = value
        elif kind == 2:
            function, arguments = rng.choice(FORBIDDEN)
            place = rng.choice((state, states))
            place[rng.choice((key, "epoch", "extra"))] = Named(function, *arguments)
        elif kind == 3:
            wrapper = rng.choice(("state_dict", "model", "params", "module", "x", 5))
            flat = {
                f"{name}.{key}": value
                for name, state in states.items()
                if isinstance(state, dict)
                for key, value in state.items()
            }
            states = rng.choice(
                ({wrapper: states}, {wrapper: flat}, flat, {**states, wrapper: states}, {**states, wrapper: flat})
            )
        elif kind == 4:
            states["model"] = states
        else:
            states[rng.choice(KEYS)("generator")] = rng.choice((state, None, 5, [state], {0: state}))
    return states


def sound(rng: random.Random) -> bytes:
    """A checkpoint in one of the two ways of torch, or a small one of safetensors."""
    file = io.BytesIO()
    kind = rng.randrange(3)
    if kind == 2:
        states = {f"generator.{number}": torch.zeros(3, number) for number in range(5)}
        return save(states, {"talkbench": rng.choice(METADATA)})
    torch.save(content(), file, _use_new_zipfile_serialization=kind == 1)
    return file.getvalue()


def spoiled(data: bytes, rng: random.Random) -> bytes:
    """The bytes after one to four changes: bits, stretches that go or come twice, a stretch of another file, a cut.

    In most zips the pickle is changed and packed again, so that the checks of the zip do not hide it.
    """
    if data[:2] == b"PK" and rng.random() < 0.7:
        return _repacked(data, rng)
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = min(rng.randrange(len(data) + 1), rng.choice((100, 3000, 10**9)))
        stop = min(len(data), start + rng.choice((1, 2, 8, 50, 1000)))
        kind = rng.randrange(6)
        if kind in (0, 1) and start < len(data):
            data = data[:start] + bytes([data[start] ^ 1 << rng.randrange(8)]) + data[start + 1 :]
        elif kind == 2:
            data = data[:start] + data[stop:]
        elif kind == 3:
            data = data[:stop] + data[start:]
        elif kind == 4:
            data = data[:start] + sound(rng)[start:stop] + data[stop:]
        else:
            data = data[:start] if rng.random() < 0.4 else data[:start] + rng.randbytes(stop - start) + data[stop:]
    return data


def _repacked(data: bytes, rng: random.Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            inside = old.read(name)
            new.writestr(name, spoiled(inside, rng) if name.endswith("data.pkl") else inside)
    return file.getvalue()


def write(path: Path, rng: random.Random) -> None:
    """A spoiled checkpoint."""
    if rng.random() < 0.5:
        path.write_bytes(spoiled(sound(rng), rng))
        return
    states = changed(rng)
    try:
        torch.save(states, path, pickle_module=PICKLE, _use_new_zipfile_serialization=rng.random() < 0.7)
    except Exception:  # nothing that anyone could have saved either
        path.write_bytes(spoiled(sound(rng), rng))


def attack(count: int, seed: int, folder: Path) -> Tally:
    """Spoil `count` checkpoints, add each to a store of its own and load it."""
    tally, ran = Tally(), [False]
    watched: list[str] = []
    sys.addaudithook(lambda event, _: watched.append(event) if ran[0] and event in RUN else None)
    for number in range(count):
        rng = random.Random(f"{seed} {number}")  # noqa: S311
        path = folder / f"spoilt{rng.choice(('.pth.tar', '.pth', '.safetensors'))}"
        write(path, rng)
        arguments = ["weights", "add", str(path), *(["--as", METHOD] if rng.random() < 0.5 else [])]
        for act in (lambda path=path: methods.create(METHOD, weights=path), lambda args=arguments: _command(args)):
            ran[0] = True
            _attempt(tally, act, path, f"checkpoint {number}")
            ran[0] = False
        if watched or (folder / "it-ran").exists():
            tally.bad.append(f"checkpoint {number}: something was run: {watched}")
            watched.clear()
            (folder / "it-ran").unlink(missing_ok=True)
        path.unlink()
    return tally


def _command(arguments: list[str]) -> None:
    """Run a command of `bench`; what it complains of is raised as `TalkbenchError`."""
    said, complaints = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(complaints):
        try:
            bench.main(arguments, prog_name="bench", standalone_mode=False)
        except SystemExit:
            raise TalkbenchError(complaints.getvalue().rstrip("\n")) from None
    if visible(said.getvalue(), keep="\n") != said.getvalue():
        raise AssertionError(f"prints {said.getvalue()!r}")


def _attempt(tally: Tally, act: Callable[[], object], path: Path, what: str) -> None:
    tally.tried += 1
    try:
        with _limit(), warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            act()
        tally.taken += 1
    except TalkbenchError as error:
        if visible(str(error)) != str(error) or path.name not in str(error):
            tally.bad.append(f"{what}: not one line with the file's name: {str(error)[:300]!r}")
    except (Exception, Endless) as error:
        tally.bad.append(f"{what}: {type(error).__name__}: {str(error)[:200]}")


@contextmanager
def _limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Endless(f"no end after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--checkpoints", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with TemporaryDirectory() as folder:
        os.environ["TALKBENCH_HOME"] = f"{folder}/home"
        os.chdir(folder)
        tally = attack(options.checkpoints, options.seed, Path(folder))
    clean = tally.tried - len(tally.bad)
    print(f"checkpoints: tried {tally.tried}, clean {clean} (taken {tally.taken}), bad {len(tally.bad)}")
    print("\n".join(tally.bad[:20]))
    sys.exit(bool(tally.bad))


if __name__ == "__main__":
    main()
