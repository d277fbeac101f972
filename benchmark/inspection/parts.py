"""What there is to see inside of methods, by name."""

from __future__ import annotations

from collections.abc import Sequence

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest

ALL = "all"
OF_MEMORY = ("memory", "conditioned-memory", "attention")
OF_MOTION = {"keypoints": "driving_points", "flow": "deformation", "occlusion": "occlusion"}
"""Name of a picture of motion → the field of `Inside` that it draws."""

WHAT = (*OF_MEMORY, *OF_MOTION)


def chosen_parts(names: Sequence[str]) -> list[str]:
    """Those of `WHAT` that are named, or all of them.

    Raises:
        TalkbenchError: there is no such thing.
    """
    for name in names:
        if name not in (*WHAT, ALL):
            raise TalkbenchError(f"there is no {name!r} to look at: {nearest(name, (*WHAT, ALL))}")
    return [what for what in WHAT if what in names or ALL in names]
