"""Argument types and options that several commands of `bench` share, and the loop over many items."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from talkbench.core.errors import TalkbenchError
from talkbench.core.text import visible

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
PATH = click.Path(path_type=Path)
POSITIVE = click.IntRange(min=1)
TYPED = "talkbench.typed"
"""In `Context.meta`: the words after ``bench``, where they are others than the user typed."""

ENTRIES = Path("results/entries")
Item = TypeVar("Item")


def settings(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, object]:
    from talkbench.core.yaml_files import parse_yaml

    chosen: dict[str, object] = {}
    for value in values:
        key, sign, text = value.partition("=")
        if not sign or not all(part.isidentifier() for part in key.split(".")):
            raise click.BadParameter(f"{value!r} is not of the form name=value")
        try:
            chosen[key] = parse_yaml(text, f"the value of {key}")
        except TalkbenchError as error:
            raise click.BadParameter(f"{value!r:.200}: the value is not YAML; put it in quotes") from error
    return chosen


def typed() -> str:
    """The command line as the user typed it, with the options of a file in place of the file's name, and without
    passwords, since others read the record that holds it."""
    from talkbench.benchmark.tracking import without_password

    words = click.get_current_context().meta.get(TYPED, sys.argv[1:])
    return without_password(shlex.join(["bench", *words]))


def command_line(*more: str) -> str:
    """The command line to type again, with `more` options, quoted for the shell and without passwords."""
    from talkbench.benchmark.tracking import without_password

    words = [_called(sys.argv[0])]
    if Path(sys.argv[0]).name == "__main__.py":
        words = [_called(sys.executable), "-m", "talkbench"]
    if "TORCHELASTIC_RUN_ID" in os.environ:  # the options of several machines are not known here
        count = os.environ.get("LOCAL_WORLD_SIZE", "1")
        words = ["torchrun", "--nproc-per-node", count, *([] if words[1:] else ["--no-python"]), *words]
    return without_password(shlex.join([*words, *sys.argv[1:], *more]))


def _called(program: str) -> str:
    """The word by which the shell calls a program: its name where the shell finds it by that, else its path."""
    name = Path(program).name
    found = shutil.which(name)
    return name if found and Path(program).exists() and Path(found).samefile(program) else program


def names(_ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",") if name.strip()) if value is not None else ()
    if value is not None and not names:
        raise click.BadParameter(f"no {str(param.name).removesuffix('s')} is named")
    return names


def method_names(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Methods with commas between, or all; unknown ones are refused before anything heavy is imported."""
    from talkbench.methods.registration import registry

    for name in _listed(value):
        registry.check(name)
    return value


def program_name(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """The card of a program; an unknown one is refused before anything heavy is imported."""
    from talkbench.benchmark.programs.names import card_path

    if value is not None:
        card_path(value)
    return value


def dataset_names(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Data sets, as `method_names`."""
    from talkbench import datasets

    for name in _listed(value):
        datasets.registry.check(name)
    return value


def metric_names(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    listed = names(ctx, param, value)
    if listed:
        from talkbench import metrics

        for name in listed:
            metrics.create(name)
    return listed


def table_names(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    from talkbench.reports.tables.layout import load_layout

    listed = names(ctx, param, value)
    for name in set(listed) - {"all"}:
        load_layout(name)
    return listed


def motion_name(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    from talkbench.benchmark.evaluation.motions import known_motion

    return known_motion(value)


def protocol_name(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    from talkbench.benchmark.evaluation.protocol import load

    load(value)
    return value


def engine(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    from talkbench.benchmark.engines.choice import check_engine

    return check_engine(value)


def optional_engine(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return value if value is None else engine(ctx, param, value)


def shard(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    from talkbench.benchmark.engines.chunks import shard_of

    return value if value is None else str(shard_of(value))


def _listed(value: str | None) -> list[str]:
    """The names between commas; none of ``all``."""
    return [] if value == "all" else [name.strip() for name in (value or "").split(",") if name.strip()]


def _auto(ctx: click.Context, param: click.Parameter, value: str | int) -> int | None:
    """A positive number; None for ``auto``."""
    number: int | None = None if value == "auto" else POSITIVE(value, param, ctx)
    return number


def processors(_ctx: click.Context, _param: click.Parameter, value: int | None) -> int:
    return value or os.cpu_count() or 1


def each(items: Iterable[Item], act: Callable[[Item], None], complaints: Iterable[str] = ()) -> None:
    """Call `act` on every item. The errors of those that fail are printed at the end, each once in a line, after the
    `complaints`; if there are any, the exit code is 2."""
    failures = list(complaints)
    for item in items:
        try:
            act(item)
        except TalkbenchError as error:
            failures.append(str(error))
    for failure in dict.fromkeys(failures):
        click.echo(f"bench: {visible(' '.join(failure.splitlines()))}", err=True)
    if failures:
        sys.exit(2)


Command = Callable[..., Any]
OPTIONS: dict[str, Callable[[Command], Command]] = {
    "method": click.option(
        "--method", required=True, callback=method_names, help="Method to use; see: bench list methods."
    ),
    "dataset": click.option(
        "--dataset", required=True, callback=dataset_names, help="Data set to use; see: bench list datasets."
    ),
    "task": click.option("--task", default="same-identity", show_default=True, help="same-identity, cross-identity …"),
    "motion": click.option(
        "--motion", default="absolute", show_default=True, callback=motion_name,
        help="How the driver moves the face. absolute: it takes the driver's pose; relative-first, relative-best: it "
        "moves as the driver has moved since the first or the best frame; avd: as absolute, without the driver's face "
        "shape (mraa, tpsm).",
    ),
    "pairs": click.option(
        "--pairs", type=PATH,
        help="Pair list to use: a file (CSV), or the name of a published list; see: bench data lists.",
    ),
    "root": click.option("--root", type=PATH, help="Folder of the data set's clips."),
    "lists_root": click.option(
        "--root", type=PATH, help="Folder of the data set.  [default: datasets/<name> in the cache folder]",
    ),
    "clips_root": click.option(
        "--root", type=PATH, help="Folder of the data set's clips.  [default: in the cache folder]",
    ),
    "limit": click.option("--limit", type=POSITIVE, help="Only the first N pairs."),
    "checkpoint": click.option("--checkpoint", type=PATH, help="Weights: the authors' .pth.tar or a .safetensors."),
    "device": click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps …"),
    "precision": click.option(
        "--precision", type=click.Choice(["float32", "tf32", "bf16"]), default="float32", show_default=True,
        help="Arithmetic of the method: true float32; tf32, on NVIDIA's GPUs; bf16, autocast. Part of what was run.",
    ),
    "compile": click.option(
        "--compile", "compiled", is_flag=True,
        help="Compile the method with torch.compile, which takes minutes and pays on long runs. Part of what was run.",
    ),
    "batch_size": click.option(
        "--batch-size", default="auto", show_default=True, callback=_auto, metavar="N",
        help="How many frames are processed at once; auto: 2 of a full-size method on a CPU, else 8.",
    ),
    "frames_at_once": click.option(
        "--batch-size", type=POSITIVE, default=8, show_default=True, help="How many frames are processed at once.",
    ),
    "workers": click.option(
        "--workers", type=click.IntRange(0, 64),
        help="Number of processes that read frames ahead of the model; 0: the main process reads them.  [default: 0 "
        "for up to 400 pairs, else one less than the processors, 2 to 8]",
    ),
    "engine": click.option(
        "--engine", default="local", show_default=True, callback=engine, metavar="ENGINE",
        help="Who works: local, this process; processes or processes:4, so many of this machine, one for each GPU or "
        "thread if not told; ray or ray:ADDRESS, the GPUs or processors of a Ray cluster. The rows are the same.",
    ),
    "processes": click.option(
        "--workers", type=POSITIVE, callback=processors,
        help="Number of processes that work at once.  [default: one for each processor]",
    ),
    "wait": click.option(
        "--wait", is_flag=True, help="If another process writes to the folder, wait until it has finished.",
    ),
    "set": click.option(
        "--set", "settings", multiple=True, callback=settings, metavar="NAME=VALUE",
        help="A setting of the method, e.g. --set noise=random for mcnet. Repeatable.",
    ),
}  # fmt: skip
