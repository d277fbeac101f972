"""The ways in which a driver moves a face, by their names on the command line, and which of them a method has."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods.cards import family

if TYPE_CHECKING:
    from talkbench.methods.interface import Method

MOTIONS = {
    "absolute": "absolute",
    "relative-first": "relative",
    "relative-best": "relative",
    "avd": "avd",
}
"""Name on the command line → the entry of `Method.motions` that a method needs for it."""


def known_motion(motion: str) -> str:
    """The `motion` itself.

    Raises:
        TalkbenchError: it is unknown; the nearest is offered.
    """
    if motion not in MOTIONS:
        raise TalkbenchError(f"unknown motion {motion!r}: {nearest(motion, MOTIONS)}")
    return motion


def check_motion(method: str | Method, motion: str) -> None:
    """Check that a method, which is a name or an object, has the `motion`.

    Raises:
        TalkbenchError: the motion is unknown, or the method lacks it; the message names those it has.
    """
    known_motion(motion)
    choices = motions(method)
    if motion not in choices:
        name = method if isinstance(method, str) else method.name
        raise TalkbenchError(f"{name} has no motion {motion}; it has {', '.join(choices)}")


def motions(method: str | Method) -> list[str]:
    """The motions of `MOTIONS` that a method, which is a name or an object, has."""
    abilities = (family(method).motions if isinstance(method, str) else ()) or _of_class(method)
    return [motion for motion, ability in MOTIONS.items() if ability in abilities]


def _of_class(method: str | Method) -> tuple[str, ...]:
    from talkbench.methods.interface import Method

    described = methods.class_of(method) if isinstance(method, str) else method
    motions: tuple[str, ...] = getattr(described, "motions", Method.motions)
    return motions


def implied_settings(name: str, motion: str, same_clip: bool) -> dict[str, object]:
    """The settings of a method that follow from the motion and the task.

    The motion ``avd`` sets ``avd``, which every method with that motion has. A background predictor is used only where
    the driver is the source's own video, as in the authors' reconstruction
    (docs/specs/mraa.md 6, docs/specs/tpsm.md 6).

    Args:
        same_clip: whether the driver is the source's own video.
    """
    implied: dict[str, object] = {"avd": True} if motion == "avd" else {}
    if "background" in inspect.signature(methods.registry.get(name)).parameters:
        implied["background"] = same_clip and motion == "absolute"
    return implied
