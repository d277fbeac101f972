"""Where the clips of a data set lie, and the few that are open at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.paths import inside
from talkbench.datasets.clips import is_image, open_clip
from talkbench.datasets.gaps import Gap, gap_of
from talkbench.datasets.interface import Clip
from talkbench.datasets.packs import PACK, is_pack
from talkbench.datasets.videos import is_video

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")
"""Files that are taken for videos unseen, so that a broken one is named."""


@dataclass(frozen=True)
class Survey:
    """What lies below a data root.

    Attributes:
        clips: names of all possible clips.
        passed_over: names of the other files, lists (CSV) and hidden files left out.
    """

    clips: list[str]
    passed_over: list[str]

    def only(self, is_clip: Callable[[str], bool]) -> Survey:
        """Without the clips that are none of the data set's."""
        clips = [name for name in self.clips if is_clip(name)]
        return Survey(clips, [*self.passed_over, *(name for name in self.clips if not is_clip(name))])


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
        """Where the clip `name` is, a folder, a video or a pack; or would be.

        Raises:
            TalkbenchError: `name` leads out of the root, or there are two such clips.
        """
        names = (name, f"{name}{PACK}") if name != "." else (name,)
        paths = [path if folder == "." else f"{folder}/{path}" for folder in self.folders for path in names]
        places = [inside(self.root, path) for path in paths]
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
            path = self.path(name)
            if not self.continuous or (path.is_file() and not is_pack(path)):
                return None
            return gap_of(self.open(name), self.numbered)
        except (TalkbenchError, OSError, ValueError):
            return None

    def names(self) -> Iterator[str]:
        """The names of all possible clips, see `survey`."""
        yield from self.survey().clips

    def survey(self) -> Survey:
        """All that may be a clip, sorted within each folder, and all that is none.

        Clips are folders with images, links to folders, videos, and packs. Images beside videos are thumbnails and the
        like and no clip, and so are those at the top of the root beside any other clip.
        """
        clips: list[str] = []
        passed_over: list[str] = []
        for folder in self.folders:
            top = self.root / folder
            at_top: list[str] = []
            for place, below, files in os.walk(top):
                below[:] = sorted(name for name in below if name[0] != ".")
                here = Path(place).relative_to(top)
                packs = [name.removesuffix(PACK) for name in files if is_pack(name) and name[0] != "."]
                images, videos, rest = files_by_kind(Path(place), [name for name in files if not is_pack(name)])
                if here == Path() and not videos:
                    at_top = images
                elif images and not videos:
                    clips.append(here.as_posix())
                links = [name for name in below if (top / here / name).is_symlink()]
                clips += [(here / name).as_posix() for name in sorted([*links, *videos, *packs])]
                passed_over += [(here / name).as_posix() for name in (rest + images if videos else rest)]
            if at_top and clips:
                passed_over += at_top
            elif at_top:
                clips.append(".")
        return Survey(clips, passed_over)


def files_by_kind(folder: Path, files: list[str]) -> tuple[list[str], list[str], list[str]]:
    """The images, the videos and the other files among the `files` of a folder, lists (CSV) and hidden ones left out,
    each sorted. What ends as `VIDEO_SUFFIXES` is taken for a video unseen; what has another ending is looked into."""
    seen = sorted(name for name in files if name[0] != "." and not name.lower().endswith(".csv"))
    images = [name for name in seen if is_image(name)]
    others = [name for name in seen if not is_image(name)]
    videos = [name for name in others if name.lower().endswith(VIDEO_SUFFIXES) or is_video(folder / name)]
    return images, videos, sorted({*others}.difference(videos))


@lru_cache(maxsize=8)  # open videos hold decoded frames
def _open(store: Store, name: str) -> Clip:
    return open_clip(store.path(name), store.numbered)


def forget() -> None:
    """Close the open clips. A forked process calls this, since it must not read through its parent's open files."""
    _open.cache_clear()
