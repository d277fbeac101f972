"""Half a of `gpu.sh`: how exact the methods are on a device, and how fast."""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

import golden_models
import mcnet_golden
from goldens import image, load

from talkbench import methods
from talkbench.benchmark.environment import choose_device, device_name, reproducible
from talkbench.benchmark.numerics import PRECISIONS, Numerics
from talkbench.benchmark.perf.methods import COLUMNS, KEY, PerfOptions, measure
from talkbench.benchmark.perf.table import CostTable
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import read_image, to_tensor
from talkbench.methods.cards import defaults, find_weights
from talkbench.methods.interface import Method

CARRIED = Path(os.environ.get("CARRIED", Path(__file__).with_name("carried")))
LIMIT = 1e-3
"""Largest difference of float32 on another device from the stored frame, in [0, 1]."""
GOLDENS: dict[str, tuple[Callable[[], Method[Any, Any]], str]] = {
    "fomm": (lambda: golden_models.fomm(False), "prediction"),
    "mcnet": (mcnet_golden.filled, "abs/prediction"),
    "mraa": (golden_models.mraa, "recon_prediction"),
    "tpsm": (golden_models.tpsm, "std_prediction"),
    "dagan": (golden_models.dagan, "prediction"),
    "facevid2vid": (lambda: golden_models.facevid2vid("vox-256"), "prediction"),
}
"""The model with the weights of the goldens, and the name of the frame in which image 2 drives image 1."""
SMALL = ("mcnet@demo", "fomm@demo", "mraa@demo", "dagan@demo", "tpsm@demo", "facevid2vid@demo", "x2face@demo")
QUICK = ("x2face@demo",)
"""The one that takes the least time."""
COMPILED = ("bf16+compiled", "bf16+channels_last+compiled")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--quick", action="store_true", help="the smallest model alone")
    arguments.add_argument("--minutes", type=float, default=7, help="no measurement begins later than that")
    chosen = arguments.parse_args()
    end, device = time.monotonic() + 60 * chosen.minutes, choose_device(chosen.device)
    print(f"{device_name(device)}, torch {torch.__version__}", flush=True)
    faults = 0
    if not chosen.quick:
        faults = exactness(device, chosen.out / "exactness.csv")
    deviations(device, QUICK if chosen.quick else SMALL, chosen.out / "deviations.csv")
    names, sizes = (QUICK, (2,)) if chosen.quick else (defaults(False), (1, 8, 32))
    precisions = usable(device)
    settings = [(name, mode, size) for size in sizes for name in names for mode in precisions]
    if not chosen.quick:
        first = [("mcnet", mode, size) for size in sizes for mode in precisions]
        compiled = [(name, mode, 32) for name in ("mcnet", "fomm") for mode in COMPILED]
        settings = list(dict.fromkeys([*first, *compiled, *settings]))
    speed(settings, device, chosen.out / "speed.csv", end, repeat=1 if chosen.quick else 10)
    return 1 if faults else 0


@cache
def usable(device: torch.device) -> list[str]:
    """The precisions that the device has."""
    names = []
    for name in PRECISIONS:
        try:
            Numerics(name).check(device)
            names.append(name)
        except TalkbenchError as error:
            print(f"left out: {error}", flush=True)
    return names


def table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows as CSV, each as it comes, and print it."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for row in chain([columns], rows):
            writer.writerow(row)
            file.flush()
            print(*row, flush=True)


def exactness(device: torch.device, path: Path) -> int:
    """How far frames of full-size models are from the stored ones; returns how many in float32 are too far."""
    faults = []

    def rows() -> Iterator[Sequence[object]]:
        for name, (build, array) in GOLDENS.items():
            method, stored = build().to(device), torch.from_numpy(load(name)[array])
            for precision in usable(device):
                for batch_size in (1, 4):
                    frame = driven(method, image(1), image(2).expand(batch_size, -1, -1, -1), precision, device)
                    stride = frame.shape[-1] // stored.shape[-1]
                    far = (frame[..., ::stride, ::stride] - stored).abs().max().item()
                    verdict = "" if precision != "float32" else "sound" if far <= LIMIT else "FAULT"
                    faults.append(verdict == "FAULT")
                    yield name, precision, batch_size, f"{far:.2e}", verdict

    table(path, ("method", "precision", "batch_size", "largest_difference", "verdict"), rows())
    return sum(faults)


def deviations(device: torch.device, names: Sequence[str], path: Path) -> None:
    """How far frames of the small models in other precisions are from those of the CPU in float32, and what that
    changes of the mean absolute difference from the driving frames."""
    with (CARRIED / "pairs.csv").open(newline="") as file:
        pairs = list(csv.DictReader(file))[::25]  # eight of 200
    source, driving = (frames(pairs, role) for role in ("source", "driving"))

    def rows() -> Iterator[Sequence[object]]:
        for name in names:
            method = methods.create(name, weights=find_weights(name, None).path)
            cpu = torch.device("cpu")
            plain = driven(method, source, driving, "float32", cpu)
            method.to(device)
            for precision in usable(device):
                found = driven(method, source, driving, precision, device)
                far = (found - plain).abs()
                losses = ((other - driving).abs().mean().item() for other in (plain, found))
                yield name, precision, f"{far.mean():.2e}", f"{far.max():.2e}", *(f"{loss:.5f}" for loss in losses)

    table(path, ("method", "precision", "mean_difference", "largest_difference", "l1_float32_cpu", "l1"), rows())


def frames(pairs: Sequence[dict[str, str]], role: str) -> Tensor:
    paths = [CARRIED / "frames" / pair[f"{role}_clip"] / f"{int(pair[f'{role}_index']):07d}.png" for pair in pairs]
    return to_tensor(np.stack([read_image(path) for path in paths]), torch.device("cpu"))


@torch.inference_mode()
def driven(method: Method[Any, Any], source: Tensor, driving: Tensor, precision: str, device: torch.device) -> Tensor:
    """Frames of absolute motion, computed on the device, in the memory of the CPU."""
    with reproducible(), Numerics(precision).context(device):
        encoded = method.encode_source(source.to(device))
        encoded = encoded.expand(len(driving)) if len(encoded) == 1 else encoded
        motion = method.transfer(encoded, method.encode_motion(driving.to(device)), None)
        return method.render(encoded, motion).float().cpu()


def speed(settings: Sequence[tuple[str, str, int]], device: torch.device, path: Path, end: float, repeat: int) -> None:
    """Frames per second of full-size models, and the ratio to float32 of the same batch size in this run."""
    rows, plain = CostTable(path, COLUMNS, KEY), dict[tuple[str, int], float]()
    for number, (name, mode, batch_size) in enumerate(settings):
        if time.monotonic() > end:
            print(f"out of time: {len(settings) - number} of {len(settings)} settings are not measured")
            return
        row = measure(name, mode, batch_size, device, PerfOptions((name,), repeat=repeat))
        rows.add(row)
        rate = row.cost.frames_per_second if row.cost else 0.0
        if mode == "float32":
            plain[name, batch_size] = rate
        ratio = f"{rate / plain[name, batch_size]:.2f} x float32" if plain.get((name, batch_size)) else ""
        memory = f"{row.cost.mib_frame:.0f} MiB" if row.cost else row.reason
        print(name, mode, batch_size, f"{rate:.1f} frames/s", ratio, memory, flush=True)


if __name__ == "__main__":
    sys.exit(main())
