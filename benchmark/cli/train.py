"""`bench train`: trains one method, or the methods of all rows of an ablation table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from talkbench.benchmark.cli.options import (
    EXISTING,
    OPTIONS,
    PATH,
    dataset_names,
    engine,
    method_names,
    settings,
    typed,
)
from talkbench.benchmark.cli.output import answer, json_option
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.benchmark.ablation import Trained
    from talkbench.training.data.mixed import Roots
    from talkbench.training.session import TrainOptions


def _roots(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> Roots:
    """One folder, the last that is given, or folders by the names of their data sets."""
    from talkbench import datasets

    parts = [value.partition("=") for value in values]
    named = {name: Path(folder) for name, _, folder in parts if folder and name in datasets.registry.names()}
    if values and not named:
        return Path(values[-1])
    if len(named) < len(values):
        raise click.BadParameter("say once of each folder which data set it is of, NAME=FOLDER")
    return named or None


@click.command()
@click.option("--method", callback=method_names, help="Method to train; see: bench list methods.")
@click.option(
    "--ablation", metavar="NAME",
    help="In place of --method: train the methods of all rows of a table, table2 of the paper or table-s1, table-s2, "
    "table-s7 of its supplement.",
)  # fmt: skip
@click.option(
    "--config",
    help="A recipe of bench list recipes, or a .yaml file. demo is for the small form of any variant.  [default: the "
    "method's]",
)
@click.option(
    "--dataset", callback=dataset_names, metavar="NAME[,NAME…]",
    help="Data set in place of the recipe's, or several to train on together; see: bench list datasets.",
)  # fmt: skip
@click.option("--out", type=PATH, help="Folder of the training run.  [default: checkpoints/<method>-<dataset>, or "
              "ablations/<name>-<config>]")  # fmt: skip
@click.option(
    "--root", multiple=True, callback=_roots, metavar="[NAME=]FOLDER",
    help="Folder of the data set's clips. Of several data sets NAME=FOLDER for each, or one folder that has one of "
    "each name.  [default: in the cache folder]",
)  # fmt: skip
@click.option(
    "--set", "changes", multiple=True, callback=settings, metavar="NAME=VALUE",
    help="An entry of the recipe, e.g. --set epochs=150 --set weights.consistency=0. Repeatable.",
)  # fmt: skip
@click.option("--checkpoint", type=PATH, help="Weights to start from.  [default: fresh ones]")
@click.option(
    "--vgg",
    type=EXISTING,
    help="File vgg19-dcbb9e9d.pth for the perceptual loss.  [default: the one in the store of bench weights]",
)
@click.option(
    "--workers", type=click.IntRange(0, 64), help="Number of processes that read frames.  [default: 0 on a CPU, else 8]"
)
@click.option(
    "--precision", type=click.Choice(["float32", "tf32", "bf16"]),
    help="Arithmetic, as --set precision=. float32: on NVIDIA's GPUs with TF32 convolutions; tf32: matrix products "
    "too; bf16: autocast.  [default: the recipe's]",
)  # fmt: skip
@click.option("--compile", "compiled", is_flag=True, help="Compile the training step with torch.compile.")
@click.option(
    "--save-minutes", type=click.FloatRange(min=0, min_open=True), default=5, show_default=True,
    help="Minutes after which the state is saved, for the first time after one; it is also saved after every epoch.",
)  # fmt: skip
@click.option(
    "--log-every", type=click.IntRange(min=1), default=20, show_default=True,
    help="Steps after which a line has the means of the losses since the line before.",
)  # fmt: skip
@click.option(
    "--keep-every", type=click.IntRange(min=1), metavar="N",
    help="Keep the state of every N-th epoch.  [default: the last two states alone]",
)  # fmt: skip
@click.option("--tracking-uri", help="MLflow store; off for none.  [default: MLFLOW_TRACKING_URI, else runs/mlflow.db]")
@OPTIONS["device"]
@click.option(
    "--engine", default="local", show_default=True, callback=engine, metavar="ENGINE",
    help="With --ablation: who trains the rows, as in bench run. processes:4 trains four at once, ray:ADDRESS as many "
    "as a Ray cluster has GPUs or processors.",
)  # fmt: skip
@OPTIONS["wait"]
@json_option("weights and mlflow; of an ablation rows, of each method, folder and fault")
def command(as_json: bool, **options: Any) -> None:
    """Train a method.

    If training is stopped or killed, the same command continues from the last state and gives the same weights. After
    Ctrl-C, SIGTERM or SIGUSR1 that is the state after the step at hand, and the exit code is 130, 143 or 138. The
    result is weights.safetensors, which bench run takes as --checkpoint. Beside it are best.safetensors, the weights
    with the best value on the validation pairs (--set best=akd@mp68 chooses by landmarks, --set patience=5 stops where
    that gets no better), pictures of these pairs after every epoch, and log.jsonl.

    The recipes train the methods as their authors' code does, on VoxCeleb1 if not told otherwise. A step takes so many
    GFLOP per frame pair:

    \b
    x2face/released          105  X2Face's first stage, on the mean absolute difference
    fomm/released            532  FOMM without a discriminator
    fomm/vox-adv             637  FOMM, fine-tuned against a discriminator from vox-256's --checkpoint
    mraa/released            558  MRAA's first stage
    mraa/avd                   4  its second: the AVD network, from the first's --checkpoint
    dagan/released           762  DaGAN against its discriminator; bench weights list names its depth network's files
    tpsm/released           1096  TPSM's first stage
    tpsm/avd                   9  its second, as MRAA's
    mcnet/released          1369  MCNet; mcnet/paper is what its paper prints
    mcnet/ted-384           2874  MCNet at 384x384, as talkbench reads it
    facevid2vid/released    4158  face-vid2vid against its discriminator; bench weights list names Hopenet's file

    On several GPUs run torchrun --nproc-per-node 8 --no-python bench train ...; they share the recipe's batch.

    \b
    bench train --method mcnet --config demo
    bench train --method mcnet --dataset voxceleb1 --root data/voxceleb1
    bench train --method mcnet --dataset voxceleb1,hdtf --root voxceleb1=data/voxceleb1 --root hdtf=data/hdtf
    bench train --method mcnet@pe10 --dataset voxceleb1 --precision bf16 --compile
    bench train --method mcnet@ted-384 --dataset ted-talks --root data/ted-talks
    bench train --ablation table2 --config demo
    """
    if bool(options["method"]) == bool(options["ablation"]):
        raise click.UsageError("give either --method or --ablation")
    from talkbench.benchmark.cli.train_progress import TrainDisplay

    if precision := options.pop("precision"):
        options["changes"] |= {"precision": precision}
    uri, ablation, device = options.pop("tracking_uri"), options.pop("ablation"), options.pop("device")
    engine = options.pop("engine")
    if ablation:
        _train_rows(ablation, _options(options, device), uri, device, engine, as_json)
        return
    if engine != "local":
        raise click.UsageError("--engine is for --ablation; on several GPUs one training runs with torchrun")
    with TrainDisplay(uri) as display:  # which moves while the libraries are loaded
        chosen = _options(options, device)

        from talkbench.training.session import train

        weights = train(chosen, display)
    if not display.begun:
        return
    if as_json:
        answer(weights=weights, mlflow=display.tracked)
        return
    from talkbench.benchmark.cli.print.runs import print_tracked

    click.echo(f"weights {weights}")
    print_tracked(display.tracked)


def _options(options: dict[str, Any], device: str) -> TrainOptions:
    """What the training is asked for by the options of the command line."""
    from talkbench.benchmark.environment import choose_device
    from talkbench.training.loop import LoopOptions
    from talkbench.training.session import TrainOptions

    chosen, workers = choose_device(device), options.pop("workers")
    loop = LoopOptions(
        workers=_workers(chosen.type) if workers is None else workers,
        compiled=options.pop("compiled"),
        save_minutes=options.pop("save_minutes"),
        log_every=options.pop("log_every"),
        keep_every=options.pop("keep_every") or 0,
    )
    return TrainOptions(**options, loop=loop, device=chosen, command=typed())


def _train_rows(name: str, options: TrainOptions, uri: str | None, device: str, engine: str, as_json: bool) -> None:
    import shlex
    from functools import partial

    from talkbench.benchmark.ablation import DEMO, folder, train_ablation
    from talkbench.benchmark.cli.train_progress import RowDisplay, TrainDisplay

    rows: list[Trained] = []
    displays = partial(TrainDisplay, uri), partial(RowDisplay, set())
    for row in train_ablation(name, options, uri, device, *displays, engine):
        rows.append(row)
        if as_json:
            answer(rows=rows)
        else:
            click.echo(f"{row.method:28} {row.fault or row.folder}")
    if failed := sum(bool(row.fault) for row in rows):
        raise TalkbenchError(f"{failed} of the rows failed; repeat the command to try them again")
    layout = [f"--ablation {name}"] if options.config == DEMO else []
    runs = [f"{shlex.quote(str(folder(name, options.config, options.out)))}/*/run"] if options.out or not layout else []
    if not as_json:
        click.echo(" ".join(["table   bench tables", *layout, *runs]))


def _workers(device: str) -> int:
    import os

    return 0 if device == "cpu" else min(8, os.cpu_count() or 1)
