"""Data sets that anyone may download: the card names each video by address and hash, and the lists follow from it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from talkbench.core.cards import Card, read_card
from talkbench.core.dataset_cards import DatasetCard
from talkbench.core.errors import TalkbenchError
from talkbench.core.model_files import Bar, RemoteFile, copy, digest, fetch
from talkbench.core.paths import home
from talkbench.datasets.clip_store import Store, Survey
from talkbench.datasets.dataset import Dataset, Listing
from talkbench.datasets.official_lists import raw_url
from talkbench.datasets.pairs import Pair, highest_frames
from talkbench.datasets.sampling import Clips, cross_identity, reconstruction, same_identity

SEED, COUNT = 0, 1000  # of the drawn lists
MARGIN = Fraction(1, 2)  # seconds at the end of a video that no list names: a decoder may give fewer frames
RECONSTRUCTED = 100  # frames of a clip at most, so that long clips do not outweigh the others


class VideoCard(Card):
    """A video of one person.

    Attributes:
        path: its place in the repository.
        sha256, size: of the file; `size` in bytes.
        frames, rate: how many frames it has, and how many a second.
        person: who is in it; "": nobody who is in another video.
    """

    path: str
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    size: int
    frames: int
    rate: int
    person: str = ""

    @property
    def named_frames(self) -> range:
        """The frames that lists may name: all but those of the last `MARGIN` seconds."""
        return range(self.frames - math.ceil(MARGIN * self.rate))


class FetchedCard(DatasetCard):
    """The card of a data set that is downloaded.

    Attributes:
        repository: on GitHub, ``owner/name``.
        commit: that the files are taken from.
        videos: by the names of their clips.
    """

    name: str
    repository: str
    commit: str
    videos: dict[str, VideoCard]

    def drawn(self) -> dict[str, list[Pair]]:
        """The lists by task, drawn from the facts on the card (`talkbench.datasets.sampling`); no video is needed."""
        clips: Clips = {clip: video.named_frames for clip, video in self.videos.items()}
        people = {clip: video.person or clip for clip, video in self.videos.items()}
        return {
            "same-identity": same_identity(clips, SEED, COUNT, videos=None),
            "cross-identity": cross_identity(clips, people.__getitem__, SEED, COUNT),
            "reconstruction": reconstruction({clip: frames[:RECONSTRUCTED] for clip, frames in clips.items()}),
        }


class FetchedDataset(Dataset):
    """A data set that ``bench data fetch`` downloads to ``videos`` below its root and prepares: a folder of frames for
    each clip.

    If a clip or frame is missing, only the pairs that it is in fail.

    Args:
        root: as in `Dataset`.
        card: file of its card, which also gives its name. The lists lie beside it.
    """

    whole: ClassVar[bool] = False

    def __init__(self, root: Path | str | None = None, *, card: Path) -> None:
        self.card_path = card
        self.name = self.card.name
        super().__init__(root)

    @cached_property
    def card(self) -> FetchedCard:
        return read_card(FetchedCard, self.card_path)

    @cached_property
    def store(self) -> Store:
        return Store(self.root, numbered=True)

    @property
    def command(self) -> str:
        """What downloads and prepares the clips."""
        elsewhere = self.root != (home() / "datasets" / self.name).absolute()
        return f"bench data fetch {self.name}" + (f" --root {shlex.quote(str(self.root))}" if elsewhere else "")

    @property
    def videos(self) -> Path:
        """The folder of the downloaded videos."""
        return self.root / "videos"

    def file(self, clip: str) -> RemoteFile:
        """The video of `clip` as it is published."""
        card, video = self.card, self.card.videos[clip]
        name, url = Path(video.path).name, raw_url(self.card.repository, card.commit, video.path)
        return RemoteFile(name, name, url, card.repository, card.licence, video.sha256, size=video.size)

    def video(self, clip: str) -> Path:
        """Where the video of `clip` is, or would be."""
        return self.videos / self.file(clip).path

    def has_video(self, clip: str) -> bool:
        """Whether the video of `clip` is there, as published."""
        return self.video(clip).is_file() and self.file(clip).difference(self.video(clip)) is None

    def has_clip(self, clip: str) -> bool:
        """Whether `clip` is prepared."""
        path = self.store.path(clip)
        return path.is_file() or (path.is_dir() and any(path.iterdir()))

    def survey(self) -> Survey:
        return super().survey().only(self.card.videos.__contains__)

    def wanting(self) -> list[str]:
        """The clips that are neither prepared nor there as videos."""
        return [clip for clip in self.card.videos if not self.has_clip(clip) and not self.has_video(clip)]

    def fetch(self, clip: str, progress: Bar | None = None) -> None:
        """Download the video of `clip`; an interrupted download goes on where it stopped.

        Raises:
            TalkbenchError: see `talkbench.core.model_files.fetch`. The message names the address, the hash, and the
                folder to put the file into.
        """
        by_hand = (
            f"download it elsewhere (sha256 {self.card.videos[clip].sha256}) and put it into {self.videos}, or name a "
            f"copy of https://github.com/{self.card.repository} with --from"
        )
        fetch(self.file(clip), self.video(clip), progress, remedy=by_hand)

    def take(self, clips: Sequence[str], folder: Path) -> list[str]:
        """Copy the videos of `clips` that lie in `folder` or below, under whatever names, told by their hashes.

        Returns:
            What it lacks, in words: the names of the files, and how those that are there under these names differ.

        Raises:
            TalkbenchError: there is no such folder, or a file cannot be read or written.
        """
        if not folder.is_dir():
            raise TalkbenchError(f"{folder} is not a folder; name the one that holds the videos")
        wanted = {self.card.videos[clip].sha256: clip for clip in clips}
        sizes = {self.card.videos[clip].size for clip in clips}
        paths: dict[str, Path] = {}
        try:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                paths.setdefault(path.name, path)
                if path.stat().st_size in sizes and (clip := wanted.pop(digest(path), "")):
                    copy(path, self.video(clip))
        except OSError as error:
            raise TalkbenchError(f"cannot read {error.filename or folder}: {error.strerror or error}") from error
        return [self._lack(self.file(clip), paths) for clip in wanted.values()]

    @staticmethod
    def _lack(file: RemoteFile, paths: Mapping[str, Path]) -> str:
        """What is lacking of `file` among the files at these `paths`."""
        path = paths.get(file.name)
        return f"{path.name}, which {file.difference(path)}" if path else file.name

    def prepare(self) -> None:
        """Check that there are clips.

        Raises:
            TalkbenchError: there is none; the message names the command that fetches them.
        """
        if not any(map(self.has_clip, self.card.videos)):
            raise TalkbenchError(
                f"{self.name}: there is no clip in {self.root}; {self.command} downloads and prepares them"
            )

    def listing(self, task: str, pairs: Path | str | None) -> Listing:
        listing = super().listing(task, pairs)
        missing = {clip for clip in self.card.videos if not self.has_clip(clip)}
        lost = sum(bool({pair.source.clip, pair.driving.clip} & missing) for pair in listing.pairs)
        if not lost:
            return listing
        clips = f"{len(missing)} of {len(self.card.videos)} clips are missing ({', '.join(sorted(missing))})"
        return replace(listing, note=f"{clips}, so {lost} of {len(listing.pairs)} pairs fail; {self.command}")

    def lengths(self, pairs: Sequence[Pair]) -> dict[str, int]:
        return highest_frames(pairs)

    def identity(self, clip: str) -> str:
        video = self.card.videos.get(clip)
        return video.person if video and video.person else clip
