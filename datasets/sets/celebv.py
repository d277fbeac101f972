"""CelebV: images of five people, for cross-identity tests."""

from __future__ import annotations

from pathlib import Path

from talkbench.core.errors import TalkbenchError
from talkbench.datasets import registry
from talkbench.datasets.dataset import Split
from talkbench.datasets.external import Published


@registry.register("celebv")
class CelebV(Published):
    """One clip, ``<Person>/Image``, to a person; its frames are single images in no order of time."""

    name = "celebv"

    def split(self, task: str, pairs: Path | str | None = None, motion: str = "absolute") -> Split:
        if motion == "relative-first":
            raise TalkbenchError("the images of celebv have no first frame; use --motion absolute or relative-best")
        return super().split(task, pairs, motion)
