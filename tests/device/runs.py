"""Half b of `gpu.sh`: a run of all carried pairs, and the training of full-size MCNet."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from device.models import CARRIED, table, usable

from talkbench.benchmark.environment import choose_device, device_name
from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.benchmark.evaluation.runner import run
from talkbench.benchmark.perf.training import TrainPerfOptions, perf_train

PIXELS = ("l1", "psnr", "ssim@gauss11-valid", "ms-ssim")
MESH = ("akd@mp68", "missing-face-rate@mp")  # of ai-edge-litert, where that is there


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--quick", action="store_true", help="the smallest model alone")
    chosen = arguments.parse_args()
    device = choose_device(chosen.device)
    print(f"{device_name(device)}, torch {torch.__version__}", flush=True)
    runs("x2face@demo" if chosen.quick else "mcnet@demo", device, chosen.out)
    training(device, chosen.out / "training.csv", chosen.quick)
    return 0


def runs(method: str, device: torch.device, out: Path) -> None:
    """Pairs per second of whole runs, the first of which also begins and warms up everything."""
    names = (*PIXELS, *(MESH if importlib.util.find_spec("ai_edge_litert") else ()))

    def rows() -> Iterator[Sequence[object]]:
        precisions = usable(device)
        for number, precision in enumerate([precisions[0], *precisions]):
            options = RunOptions(
                method=method,
                dataset="folder",
                root=CARRIED / "frames",
                pairs=CARRIED / "pairs.csv",
                metrics=names,
                image_size=None,
                device=str(device),
                precision=precision,
                out=out / "runs" / f"{number}-{precision}",
                videos=0,
                tracking_uri="off",
            )
            start = time.perf_counter()
            finished = run(options)
            seconds = time.perf_counter() - start
            pairs, l1 = finished.summary.pairs, finished.summary.metric("l1")
            yield precision, "first" if not number else "", pairs, f"{seconds:.2f}", f"{pairs / seconds:.1f}", l1.mean

    table(out / "runs.csv", ("precision", "order", "pairs", "seconds", "pairs_per_second", "l1"), rows())


def training(device: torch.device, path: Path, quick: bool) -> None:
    name, sizes = ("x2face@demo", (2,)) if quick else ("mcnet", (8, 16, 32))
    modes = tuple(usable(device)[:1] if quick else usable(device))
    measured, _ = perf_train(TrainPerfOptions((name,), modes, sizes, str(device), repeat=1 if quick else 5, out=path))
    for row in measured:
        cost = f"{row.cost.images_per_second:.2f} images/s, {row.cost.mib_step:.0f} MiB" if row.cost else row.reason
        print("training", row.setting.method, row.setting.mode, row.setting.batch_size, cost, flush=True)


if __name__ == "__main__":
    sys.exit(main())
