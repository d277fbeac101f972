"""Anyone's own videos and folders of frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from talkbench.core.errors import TalkbenchError
from talkbench.core.text import printable
from talkbench.datasets.dataset import Dataset, Listing
from talkbench.datasets.registration import registry
from talkbench.datasets.sampling import possible_or_drawn

SEED = 0
NAMED = 3  # files that the note names


@registry.register("folder")
class Folder(Dataset):
    """All clips below `root`, named by their paths; the card says how pairs are drawn.

    The split's note names what is left out: clips that cannot be read, and files that are no part of a clip, as
    thumbnails beside videos are. A video that was cut off is used as far as it goes, and named.
    """

    name = "folder"
    whole: ClassVar[bool] = False
    videos_named: ClassVar[bool] = False

    def __init__(self, root: Path | str | None = None) -> None:
        super().__init__(root)
        self._has_root = root is not None

    def prepare(self) -> None:
        """Check that the folder exists.

        Raises:
            TalkbenchError: no folder is named, or it does not exist.
        """
        if not self._has_root:
            raise TalkbenchError("data set folder is a folder of your own; name it with --root")
        if not self.root.is_dir():
            raise TalkbenchError(f"there is no folder {self.root}; give the one that holds your clips")

    def training_clips(self) -> list[str]:
        self.prepare()
        names = list(self.store.names())
        part = [name for name in names if name.startswith("train/")]
        clips = sorted(part or (name for name in names if not name.startswith("test/")))
        if not clips:
            raise TalkbenchError(f"{self.root} holds no videos and no frames for training; add some")
        return clips

    def identity(self, clip: str) -> str:
        return re.sub("^(train|test)/", "", clip).split("/")[0]

    def listing(self, task: str, pairs: Path | str | None) -> Listing:
        if pairs:
            return super().listing(task, pairs)
        clips, faults = self.clips
        if not clips:
            raise TalkbenchError(faults[0] if faults else f"{self.root} holds no videos and no frames; add some")
        drawn = possible_or_drawn(task, clips, self.identity, SEED)
        return Listing(drawn, str(self.root), self._content.note)

    @property
    def clips(self) -> tuple[dict[str, Sequence[int]], list[str]]:
        """The frame numbers of every clip, and what is wrong with the others."""
        return self._content.numbers, self._content.faults

    @cached_property
    def _content(self) -> _Content:
        survey = self.store.survey()
        content = _Content([printable(name) for name in survey.passed_over])
        for name in survey.clips:
            try:
                name.encode()
                clip = self.store.open(name)
                content.numbers[name] = clip.numbers
                content.damaged += filter(None, [clip.damage])
            except UnicodeEncodeError:
                content.faults.append(f"{name!a} is not named in UTF-8; rename it")
            except TalkbenchError as error:
                content.faults.append(str(error))
        return content


@dataclass
class _Content:
    """What is in the folder.

    Attributes:
        passed_over: files that are neither videos nor frames of a clip.
        numbers: the frame numbers of every clip that can be read.
        faults: what is wrong with the others.
        damaged: what is missing in the videos that can be read in part.
    """

    passed_over: list[str]
    numbers: dict[str, Sequence[int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def note(self) -> str:
        """All but the clips in one line; "" if there is nothing else."""
        left_out, damaged = (f"{len(names)}, {names[0]}" if names else "" for names in (self.faults, self.damaged))
        others = ", ".join(self.passed_over[:NAMED]) + (", …" if len(self.passed_over) > NAMED else "")
        several = {
            "clips left out": left_out,
            "clips used as far as they go": damaged,
            "files passed over, no frames of a clip": others and f"{len(self.passed_over)}, {others}",
        }
        return "; ".join(f"{what}: {names}" for what, names in several.items() if names)
