"""Anyone's own videos and folders of frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.dataset import Dataset, Listing
from talkbench.datasets.pairs import Frame, Pair
from talkbench.datasets.registration import registry
from talkbench.datasets.sampling import COUNT, cross_identity, reconstruction, same_identity

SEED = 0


@registry.register("folder")
class Folder(Dataset):
    """All clips below `root`, named by their paths; the card says how pairs are drawn.

    What cannot be read as a clip is left out and named in the split's note.
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
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        note = f"left out: {faults[0]}{more}" if faults else ""
        return Listing(_draw(clips, self.identity)[task](), str(self.root), note)

    @cached_property
    def clips(self) -> tuple[dict[str, Sequence[int]], list[str]]:
        """The frame numbers of every clip, and what is wrong with the others."""
        clips: dict[str, Sequence[int]] = {}
        faults = []
        for name in self.store.names():
            try:
                name.encode()
                clips[name] = self.store.open(name).numbers
            except UnicodeEncodeError:
                faults.append(f"{name!a} is not named in UTF-8; rename it")
            except TalkbenchError as error:
                faults.append(str(error))
        return clips, faults


def _draw(clips: dict[str, Sequence[int]], identity: Callable[[str], str]) -> dict[str, Callable[[], list[Pair]]]:
    """Functions that make the pairs of each task: all possible pairs, or `COUNT` drawn from them."""
    frames = {name: [Frame(name, number) for number in numbers] for name, numbers in clips.items()}

    def same() -> list[Pair]:
        if 0 < sum(len(numbers) * (len(numbers) - 1) for numbers in clips.values()) <= COUNT:
            return [
                Pair(source, driving)
                for name in sorted(clips)
                for source in frames[name]
                for driving in frames[name]
                if driving != source
            ]
        return same_identity(clips, SEED, videos=None)

    def cross() -> list[Pair]:
        everything = [frame for name in sorted(clips) for frame in frames[name]]
        if len(everything) ** 2 <= COUNT:
            people = [identity(frame.clip) for frame in everything]
            pairs = [
                Pair(source, driving)
                for source, person in zip(everything, people, strict=True)
                for driving, other in zip(everything, people, strict=True)
                if person != other
            ]
            if pairs:
                return pairs
        return cross_identity(clips, identity, SEED)

    return {"same-identity": same, "cross-identity": cross, "reconstruction": lambda: reconstruction(clips)}
