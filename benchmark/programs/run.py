"""`bench run --program`: a program is run over the pairs and scored as a method."""

from __future__ import annotations

from dataclasses import replace

from talkbench.benchmark.evaluation.grid import is_grid
from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.benchmark.evaluation.runner import Finished, run
from talkbench.benchmark.programs.frames import making
from talkbench.benchmark.programs.program import CARD_OF_RUN, load
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic


def run_program(options: RunOptions, name: str, jobs: int = 1, progress: Progress | None = None) -> Finished:
    """Run a program over a task of a data set and evaluate its frames.

    Args:
        options: without method and frames; their settings are those of the program.
        name: of its card, or the card's path.
        jobs: how many calls run at once, on each GPU if there are any.

    Raises:
        TalkbenchError: as `program.load`, `frames.Maker.make` and `runner.run`.
    """
    if is_grid(options):
        raise TalkbenchError("--program is for a single run; name one data set and one task")
    program = load(name, options.settings)
    if options.out and (options.out / "run.json").exists() and not options.resume:  # hours before the run would say so
        raise TalkbenchError(f"{options.out} holds a run; continue it with --resume or choose another --out")
    with making(program, jobs, options.device) as maker:
        finished = run(replace(options, maker=maker, settings={}), progress)
    write_atomic(finished.store.folder / CARD_OF_RUN, program.path.read_bytes())
    return finished
