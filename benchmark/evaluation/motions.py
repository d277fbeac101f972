"""The ways of driving a face, by their names on the command line, and which of them a method has."""

from __future__ import annotations

import inspect

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods.interface import Method

MOTIONS = {
    "absolute": "absolute",
    "relative-first": "relative",
    "relative-best": "relative",
    "avd": "avd",
}
"""Name on the command line → what a method must be able to do, of `Method.motions`."""


def check_motion(name: str, motion: str) -> None:
    """See to it that the method `name` has the `motion`.

    Raises:
        TalkbenchError: an unknown motion, or one that the method lacks; names those it has.
    """
    if motion not in MOTIONS:
        raise TalkbenchError(f"unknown motion {motion!r}: {nearest(motion, MOTIONS)}")
    has = motions(name)
    if motion not in has:
        raise TalkbenchError(f"{name} has no motion {motion}; it has {', '.join(has)}")


def motions(name: str) -> list[str]:
    """The motions of `MOTIONS` that the method `name` has."""
    abilities = getattr(methods.class_of(name), "motions", Method.motions)
    return [motion for motion, ability in MOTIONS.items() if ability in abilities]


def implied_settings(name: str, motion: str, same_clip: bool) -> dict[str, object]:
    """What a motion and a task say about a method's settings.

    ``avd`` is a setting of the methods that have that motion. A background predictor is used where the driver is
    the source's own video, as the authors' reconstruction does, and nowhere else
    (docs/specs/mraa.md 6, docs/specs/tpsm.md 6).
    """
    implied: dict[str, object] = {"avd": True} if motion == "avd" else {}
    if "background" in inspect.signature(methods.registry.get(name)).parameters:
        implied["background"] = same_clip and motion == "absolute"
    return implied
