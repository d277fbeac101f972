"""Which engine: what the user writes, and the engine that it means here."""

from __future__ import annotations

import re

from talkbench.benchmark.engines.interface import Engine
from talkbench.benchmark.engines.local import LocalEngine
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest

NAMES = ("local", "processes", "ray")
DEFAULT = "local"


def check_engine(text: str) -> str:
    """The `text` itself, which is ``local``, ``processes``, ``processes:N``, ``ray`` or ``ray:ADDRESS``.

    Raises:
        TalkbenchError: it is something else; or Ray is not installed.
    """
    name, colon, rest = text.partition(":")
    if name not in NAMES:
        raise TalkbenchError(f"unknown engine {name!r}: {nearest(name, NAMES)}")
    if colon and (name == "local" or not rest):
        raise TalkbenchError(f"engine {text!r}: write local, processes, processes:4, ray or ray:ADDRESS")
    if colon and name == "processes" and not re.fullmatch(r"[1-9][0-9]{0,3}", rest):
        raise TalkbenchError(f"engine {text!r}: write how many processes, processes:4")
    if name == "ray":
        from talkbench.benchmark.engines.ray import check_installed

        check_installed()
    return text


def create_engine(text: str, device: str, progress: Progress) -> Engine:
    """The engine that `text` names, see `check_engine`.

    Args:
        device: the kind of device that the work needs, ``cpu``, ``cuda`` …, or one device, ``cuda:1``.
        progress: told what the user should know of the workers.

    Raises:
        TalkbenchError: as `check_engine`; or the engine cannot work here.
    """
    name, _, rest = check_engine(text).partition(":")
    if name == "local":
        import torch

        return LocalEngine(torch.get_num_threads())
    if name == "processes":
        from talkbench.benchmark.engines.processes import ProcessesEngine

        return ProcessesEngine(int(rest) if rest else None, device, progress)
    from talkbench.benchmark.engines.ray import RayEngine

    return RayEngine(rest, device, progress)
