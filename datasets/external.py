"""Data sets of other people: the user brings the clips, often not all of them; the pair lists are official files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import ClassVar, Self

from pydantic import model_validator

from talkbench.core.cards import Card, Texts, read_card
from talkbench.core.dataset_cards import DatasetCard, TaskCard
from talkbench.core.errors import TalkbenchError
from talkbench.core.paths import home
from talkbench.core.registry import nearest
from talkbench.datasets.clip_store import Store, Survey
from talkbench.datasets.dataset import Dataset, Listing, Split
from talkbench.datasets.official_lists import Naming, OfficialList, is_official_form, read_official, recognise
from talkbench.datasets.packs import PACK
from talkbench.datasets.pairs import Pair, highest_frames, read_text
from talkbench.datasets.registration import cards, create
from talkbench.datasets.sampling import cross_identity, reconstruction, same_identity

LONGEST = 1_000_000  # frames; no clip of a published set is as long, so a greater number is no frame's


class TrainingCard(Card):
    """Which clips training may use.

    Attributes:
        folders: the first of them that exists holds the clips; empty: there is no training part.
        test_identities, test_lists: people who are kept out of training, wherever their clips lie: by name, and
            everyone in the lists.
        test_clips: lists whose clips are kept out of training, and not the people in them.
    """

    folders: Texts = ()
    test_identities: Texts = ()
    test_lists: Texts = ()
    test_clips: Texts = ()


class ExternalCard(DatasetCard):
    """The card of a data set whose clips the user has to get; its `lists` hold every list that it refers to."""

    name: str
    obtain: str
    naming: Naming
    training: TrainingCard = TrainingCard()
    tasks: dict[str, TaskCard]

    @model_validator(mode="after")
    def _lists_are_there(self) -> Self:
        pair_lists = [slug for slug, entry in self.lists.items() if entry.task != "metadata"]
        needed = (*self.training.test_lists, *self.training.test_clips)
        for slug in (*needed, *(task.list or task.clips_of for task in self.tasks.values())):
            if slug not in pair_lists:
                raise ValueError(f"there is no list {slug!r} in it: {nearest(slug, pair_lists)}")
        return self


class ExternalDataset(Dataset):
    """A data set whose clips the user has to get, in the layout and with the lists that its card names.

    If a clip or frame is missing, only the pairs that it is in fail.

    Args:
        root: as in `Dataset`; None is the folder of the other set for one that is another split anew
            (`DatasetCard.resplit_of`).
        card: file of its card, which also gives its name; so a data set needs no class of its own, only a card that is
            registered: ``partial(ExternalDataset, card=PATH)``. None: the card beside the file of a subclass.
    """

    whole: ClassVar[bool] = False

    def __init__(self, root: Path | str | None = None, card: Path | None = None) -> None:
        if card:
            self.card_path = card
            self.name = self.card.name
            if root is None and self.card.resplit_of:
                root = home() / "datasets" / self.card.resplit_of
        super().__init__(root)

    @cached_property
    def card(self) -> ExternalCard:
        return read_card(ExternalCard, self.card_path)

    @cached_property
    def store(self) -> Store:
        return Store(self.root, self.card.naming.folders, True, self.card.naming.continuous)

    @cached_property
    def files(self) -> dict[str, OfficialList]:
        """All published files by name: the pair lists, and the metadata that clips are cut by."""
        return {slug: OfficialList.of(slug, self.name, entry) for slug, entry in self.card.lists.items()}

    @cached_property
    def lists(self) -> dict[str, OfficialList]:
        """The pair lists by name."""
        return {slug: entry for slug, entry in self.files.items() if entry.task != "metadata"}

    def split(self, task: str, pairs: Path | str | None = None, motion: str = "absolute") -> Split:
        if motion == "relative-first" and not self.card.naming.continuous:
            raise TalkbenchError(
                f"the images of {self.name} have no first frame; use --motion absolute or relative-best"
            )
        return super().split(task, pairs, motion)

    def own_list(self, task: str) -> Path:
        """Where to write the list of `task` if it is drawn here.

        Raises:
            TalkbenchError: the list of `task` is a published one.
        """
        own = [entry for entry in self.lists.values() if entry.task == task and not entry.url]
        if not own:
            raise TalkbenchError(f"{self.name} draws no list for {task}; name a file for yours with --out")
        return own[0].location(self.root)

    def draw(self, task: str, seed: int, count: int) -> list[Pair]:
        """`count` pairs from the clips on the disk, see `talkbench.datasets.sampling`.

        Raises:
            TalkbenchError: there are no clips, or too few.
        """
        self.prepare()
        clips = {name: self.store.open(name).numbers for name in self.store.names() if self.card.naming.is_clip(name)}
        if not clips:
            raise self._absent(f"there is no clip in {self.root}")
        if task == "same-identity":
            return same_identity(clips, seed, count)
        return cross_identity(clips, self.identity, seed, count)

    def training_clips(self) -> list[str]:
        """See `Dataset.training_clips`; the names are paths below the root, which the store accepts."""
        folders = self.card.training.folders
        if not folders:
            return super().training_clips()
        self.prepare()
        folder = next((name for name in folders if (self.root / name).is_dir()), None)
        if folder is None:
            raise self._absent(f"there is no folder {self.root / folders[0]} with clips for training")
        tested, held_out = self.test_identities, self.test_clips
        below = (name for name in self._below(folder) if self._clip_name(name) not in held_out)
        clips = sorted(name for name in below if self.identity(name) not in tested)
        if not clips:
            raise self._absent(f"there is no clip for training in {self.root / folder}")
        return clips

    @property
    def test_identities(self) -> set[str]:
        """The people of the test part, on whom nobody may train, wherever their clips lie.

        Raises:
            TalkbenchError: a list that names them is missing; the message says how to get it.
        """
        people = set(self.card.training.test_identities)
        for slug in self.card.training.test_lists:
            for pair in self.read_pairs(self.lists[slug].find(self.root)):
                people |= {self.identity(pair.source.clip), self.identity(pair.driving.clip)}
        return people

    @property
    def test_clips(self) -> set[str]:
        """The clips that nobody may train on although the people in them are trained on.

        Raises:
            TalkbenchError: as `test_identities`.
        """
        pairs = [
            pair for slug in self.card.training.test_clips for pair in self.read_pairs(self.lists[slug].find(self.root))
        ]
        return {frame.clip for pair in pairs for frame in (pair.source, pair.driving)}

    def _below(self, folder: str) -> Iterator[str]:
        """The clips below `folder`, by their names alone, without those of the test part."""
        with os.scandir(self.root / folder) as entries:
            for entry in entries:
                name = (entry.name if folder == "." else f"{folder}/{entry.name}").removesuffix(PACK)
                if self.card.naming.parse(name):
                    yield name
                elif entry.is_dir(follow_symlinks=False) and name != "test":
                    yield from self._below(name)

    def survey(self) -> Survey:
        return super().survey().only(lambda path: self.card.naming.parse(path) is not None)

    def identity(self, clip: str) -> str:
        return self.card.naming.person(self._clip_name(clip))

    def _clip_name(self, path: str) -> str:
        """The clip's own name in its path below the root."""
        parsed = self.card.naming.parse(path)
        return parsed[0] if parsed else path

    def prepare(self) -> None:
        """Check that the data root exists.

        Raises:
            TalkbenchError: it is missing; the message says where its contents come from.
        """
        if not self.root.is_dir():
            raise self._absent(f"there is no folder {self.root}")

    def listing(self, task: str, pairs: Path | str | None) -> Listing:
        if pairs:
            listing = self._chosen_list(task, str(pairs))
        else:
            entry = self.card.tasks[task]
            official = self.lists[entry.list or entry.clips_of]
            path = official.find(self.root)
            listing = Listing(self.read_pairs(path), str(path), held_out=official.held_out)
            if entry.clips_of:
                clips = dict.fromkeys(pair.driving.clip for pair in listing.pairs)
                whole = reconstruction({clip: self._numbers(clip) for clip in clips})
                lengths = self.lengths(listing.pairs)
                listing = replace(listing, pairs=whole, source=f"the clips in {path}", lengths=lengths)
        names = {frame.clip for pair in listing.pairs for frame in (pair.source, pair.driving)}
        if not any(self._is_there(name) for name in names):
            raise self._absent(f"none of the {len(names)} clips of {listing.source} is in {self.root}")
        return listing

    def lengths(self, pairs: Sequence[Pair]) -> dict[str, int]:
        return highest_frames(pairs) if self.card.naming.continuous else {}

    def read_pairs(self, path: Path) -> list[Pair]:
        """A list in the authors' form, or the user's own."""
        if is_official_form(read_text(path)):
            return read_official(path, self.card.naming, cache(self._numbers))
        return super().read_pairs(path)

    def _chosen_list(self, task: str, pairs: str) -> Listing:
        """The list that the user chose: a file, or an official list by its name."""
        path = Path(pairs)
        official: OfficialList | None
        if path.exists():
            official = recognise(path)
        elif pairs in self.lists:
            official, path = self.lists[pairs], self.lists[pairs].find(self.root)
        else:
            raise TalkbenchError(
                f"there is neither a file {pairs} nor a list of {self.name} of that name: {nearest(pairs, self.lists)}"
            )
        if official and official.dataset != self.name:
            raise TalkbenchError(
                f"{path} is the official list {official.slug} of {official.dataset}, not of {self.name}; "
                f"use --dataset {official.dataset}"
            )
        if official and official.task != task:
            raise TalkbenchError(f"{path} is a list for {official.task}, not for {task}; use --task {official.task}")
        what = f"the official list {official.slug} of {self.name}" if official else "not an official list"
        held_out = official is not None and official.held_out
        return Listing(self.read_pairs(path), str(path), f"{path} is {what}", held_out)

    def _numbers(self, clip: str) -> Sequence[int]:
        """The frames of a clip, those included that are missing within it, for the rows that record the failure; of a
        clip that cannot be read frame 0.

        Raises:
            TalkbenchError: a file has a number that no frame of the data set can have.
        """
        try:
            numbers = self.store.open(clip).numbers
        except TalkbenchError:
            return (0,)
        if not self.card.naming.continuous:
            return numbers
        if numbers[-1] >= LONGEST:
            raise TalkbenchError(f"{self.store.path(clip)} has a frame numbered {numbers[-1]}; remove what is no frame")
        return range(numbers[-1] + 1)

    def _is_there(self, clip: str) -> bool:
        try:
            return self.store.path(clip).exists()
        except (TalkbenchError, OSError, ValueError):  # something is there; its pairs fail with the reason
            return True

    def _absent(self, problem: str) -> TalkbenchError:
        return TalkbenchError(f"{self.name}: {problem}; {self.card.obtain}, then name its folder with --root")


def external_datasets() -> list[ExternalDataset]:
    """All external data sets that are registered and not broken, with their default roots."""
    return [data for name in cards() if isinstance(data := create(name), ExternalDataset)]
