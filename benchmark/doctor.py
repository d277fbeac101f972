"""`bench doctor`: what this machine has, what can run on it, and what cannot and why."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from talkbench.core.errors import TalkbenchError
from talkbench.core.paths import commit, home

GIB = 2**30


@dataclass(frozen=True)
class Part:
    """One thing that was looked at.

    Attributes:
        ok: whether it is there and works; None: a fact that cannot be wrong.
        about: what is known of it, in words.
        remedy: of what is missing, what to do about it.
    """

    name: str
    ok: bool | None
    about: str
    remedy: str = ""


def examine() -> dict[str, list[Part]]:
    """All parts, by the heading of their section. Nothing is fetched, prepared or written."""
    return {heading: list(section()) for heading, section in SECTIONS.items()}


def _program() -> Iterator[Part]:
    state = commit()
    where = f"commit {state[0][:12]}{', changed since' if state[1] else ''}, " if state else ""
    yield Part("talkbench", None, f"{metadata.version('talkbench')} ({where}{Path(__file__).parents[1]})")
    yield Part("python", None, f"{platform.python_version()} ({sys.executable})")
    yield Part("system", None, platform.platform())


def _libraries() -> Iterator[Part]:
    for text in metadata.requires("talkbench") or []:
        requirement = Requirement(text)
        optional = bool(requirement.marker and "extra" in str(requirement.marker))
        if requirement.marker and not requirement.marker.evaluate({"extra": "full"}):
            continue
        install = f"pip install '{'talkbench[full]' if optional else str(requirement).partition(';')[0].strip()}'"
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield Part(requirement.name, False, "not installed", install)
            continue
        fits = requirement.specifier.contains(version, prereleases=True)
        yield Part(requirement.name, fits, version if fits else f"{version}, not {requirement.specifier}", install)


def _devices() -> Iterator[Part]:
    import torch

    from talkbench.benchmark.environment import device_name

    memory = f", {_memory() / GIB:.0f} GiB of memory" if _memory() else ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = torch.get_num_threads()
    name = device_name(torch.device("cpu"))
    yield Part("cpu", True, f"{name}, {cores} cores, {threads} threads{memory}")
    built = torch.version.cuda
    for number in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(number)
        about = f"{card.name}, {card.total_memory / GIB:.0f} GiB, capability {card.major}.{card.minor}, CUDA {built}"
        yield Part(f"cuda:{number}", True, about)
    if not torch.cuda.is_available():
        lacking = (
            f"torch is built for CUDA {built}, and no driver finds a card" if built else "torch is built without it"
        )
        yield Part("cuda", None, lacking)
    if torch.backends.mps.is_available():
        yield Part("mps", True, "Apple GPU")


def _memory() -> int:
    """Bytes of the machine's memory; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _folders() -> Iterator[Part]:
    store = home()
    parent = next(folder for folder in (store, *store.parents) if folder.is_dir())
    free = f"{shutil.disk_usage(parent).free / GIB:.1f} GiB free"
    if not os.access(parent, os.W_OK):
        yield Part("cache", False, f"{store}: cannot be written", "set TALKBENCH_HOME to a folder that can")
    else:
        yield Part("cache", True, f"{store}{'' if store.is_dir() else ', not made yet'}; {free}")
    runs = Path("runs").absolute()
    there = next(folder for folder in (runs, *runs.parents) if folder.is_dir())
    free = f"{shutil.disk_usage(there).free / GIB:.1f} GiB free"
    yield Part("runs", os.access(there, os.W_OK), f"{runs}; {free}", "go to a folder that can be written, or use --out")


def _methods() -> Iterator[Part]:
    from talkbench.methods.cards import find_weights, is_ablation
    from talkbench.methods.registration import registry

    def part(name: str) -> Part:
        try:
            weights = find_weights(name)
        except TalkbenchError as error:
            return Part(name, False, "no weights here", str(error))
        if weights.note:
            return Part(name, False, f"{weights.method} runs in its place", weights.note)
        return Part(name, True, weights.origin)

    parts = registry.each(part)
    yield from (found for name, found in parts.items() if not is_ablation(name))


def _metrics() -> Iterator[Part]:
    from talkbench import metrics

    def part(name: str) -> Part:
        problem = metrics.create(name).problem()
        return Part(name, not problem, "cannot be computed" if problem else "can be computed", problem or "")

    yield from metrics.registry.each(part).values()


def _datasets() -> Iterator[Part]:
    from talkbench import datasets

    def part(name: str) -> Part:
        root = datasets.create(name).root
        there = root.is_dir() and any(root.iterdir())
        return Part(name, there, f"{root}{'' if there else ', not there yet'}", f"bench show dataset {name}")

    parts = datasets.registry.each(part)
    yield from (found for name, found in parts.items() if name != "folder")  # that is what --root names


SECTIONS: dict[str, Callable[[], Iterator[Part]]] = {
    "program": _program,
    "libraries": _libraries,
    "devices": _devices,
    "folders": _folders,
    "methods": _methods,
    "metrics": _metrics,
    "data sets": _datasets,
}
"""What makes the parts of each section, in the order in which they are printed."""
