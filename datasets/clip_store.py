"""Where the clips of a data set lie, and the few that are open at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.paths import inside
from talkbench.datasets.clips import Clip, is_image, open_clip
from talkbench.datasets.gaps import Gap, gap_of

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")


@dataclass(frozen=True)
class Store:
    """The clips below a data root.

    Attributes:
        root: the data root.
        folders: the folders below the root (``.``: the root itself) that may hold clips; a clip's name does not say
            which of them it is in.
        numbered: whether frames in folders go by the numbers in their names (`NumberedClip`).
        continuous: whether clips are video, so that no number should be missing; else they are images in no order.
    """

    root: Path
    folders: tuple[str, ...] = (".",)
    numbered: bool = False
    continuous: bool = True

    def path(self, name: str) -> Path:
        """Where the clip `name` is, or would be.

        Raises:
            TalkbenchError: `name` leads out of the root, or there are two such clips.
        """
        places = [inside(self.root, f"{folder}/{name}" if folder != "." else name) for folder in self.folders]
        existing = [place for place in dict.fromkeys(places) if place.exists()]
        if len(existing) > 1:
            raise TalkbenchError(f"there are two clips {name}: {existing[0]} and {existing[1]}; remove one of them")
        return existing[0] if existing else places[0]

    def open(self, name: str) -> Clip:
        """The clip `name`, kept open among the last few used.

        Raises:
            PairError: ``missing-clip``; or ``unreadable-clip``: the clip is damaged, lies outside the root, exists
                twice, or has a name that no file system accepts.
        """
        try:
            return _open(self, name)
        except PairError:
            raise
        except (TalkbenchError, OSError, ValueError) as error:
            raise PairError(
                "unreadable-clip", str(error) if isinstance(error, TalkbenchError) else f"clip {name!r}: {error}"
            ) from error

    def gap(self, name: str) -> Gap | None:
        """The frames that are missing within the clip `name`; None also if it cannot be read, or is a video."""
        try:
            return gap_of(self.open(name), self.numbered) if self.continuous and self.path(name).is_dir() else None
        except (TalkbenchError, OSError, ValueError):
            return None

    def names(self) -> Iterator[str]:
        """The names of all possible clips, sorted within each folder: folders with images, links to folders, videos."""
        for folder in self.folders:
            top = self.root / folder
            for place, below, files in os.walk(top):
                below[:] = sorted(name for name in below if name[0] != ".")
                here = Path(place)
                if any(map(is_image, files)):
                    yield here.relative_to(top).as_posix()
                clips = [name for name in below if (here / name).is_symlink()]
                clips += [name for name in files if name.lower().endswith(VIDEO_SUFFIXES) and name[0] != "."]
                for name in sorted(clips):
                    yield (here / name).relative_to(top).as_posix()


@lru_cache(maxsize=8)  # open videos hold decoded frames
def _open(store: Store, name: str) -> Clip:
    return open_clip(store.path(name), store.numbered)


def forget() -> None:
    """Close the open clips. A forked process calls this, since it must not read through its parent's open files."""
    _open.cache_clear()
