"""Processes of the tests' own, forked from one that has imported what takes longer than their work, and has done
nothing else."""

import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import NamedTuple, TextIO

from talkbench.core.errors import Terminated

IMPORTED = [
    "torch._dynamo",
    "torch.distributed",
    "torchvision",
    "mlflow",
    "talkbench.training.loop",
    "talkbench.metrics",
]


class Forked(NamedTuple):
    """A process, and what it prints."""

    process: BaseProcess
    printed: TextIO


def context() -> ForkServerContext:
    """There is one process to fork from for all tests of a session: what it imports is what any of them needs."""
    server = get_context("forkserver")
    server.set_forkserver_preload(IMPORTED)
    return server


def start(main: Callable[..., None], *arguments: object, **environment: object) -> Forked:
    """`main` in a process, with variables that are added to this one's environment."""
    forks = context()
    reader, writer = forks.Pipe(duplex=False)
    variables = {**os.environ, **{key: str(value) for key, value in environment.items()}}
    process = forks.Process(target=_work, args=(writer, variables, main, arguments))
    process.start()
    writer.close()
    return Forked(process, os.fdopen(os.dup(reader.fileno())))


def bench(*words: str) -> None:
    """The `bench` command with plugins that this process finds on its path."""
    from talkbench import datasets, methods
    from talkbench.benchmark.cli.main import main

    for registry in (methods.registry, datasets.registry):
        registry._plugins, registry._loaded = {}, False
    sys.stdout, sys.stderr = (os.fdopen(os.dup(stream), "w") for stream in (1, 2))  # those there are were files
    sys.argv = ["bench", *words]
    main()


def impatient_bench(*words: str) -> None:
    """`bench` that writes the rows of a run every quarter of a second."""
    from talkbench.results import run_store

    run_store.SECONDS = 0.25
    bench(*words)


def _work(
    output: Connection, environment: Mapping[str, str], main: Callable[..., None], arguments: tuple[object, ...]
) -> None:
    os.dup2(output.fileno(), 1)
    os.environ |= environment
    try:
        main(*arguments)
    except Terminated as end:
        sys.exit(128 + end.number)
