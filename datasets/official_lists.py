"""The files that authors have published for a data set: their descriptions, and a reader for their pair lists."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import field_validator

from talkbench.core.cards import Card, Texts
from talkbench.core.dataset_cards import ListCard
from talkbench.core.errors import TalkbenchError
from talkbench.core.model_files import RemoteFile, digest, fetch
from talkbench.datasets.clips import file_number
from talkbench.datasets.pairs import Frame, Pair, read_text
from talkbench.datasets.registration import cards

RAW = "https://raw.githubusercontent.com"
HEADER = (("source", "source_frame"), ("driving", "driving_video"), ("best_frame", "frame", "anchor"))


def raw_url(repository: str, commit: str, path: str) -> str:
    """The address of a file in a repository on GitHub at one commit."""
    return f"{RAW}/{repository}/{commit}/{quote(path)}"


class OfficialList(ListCard):
    """A list as its card describes it, and the data set that it belongs to.

    Attributes:
        slug: its name in the card.
        dataset: the data set it belongs to.
        others: see `ListCard`; `file` is never empty.
    """

    slug: str
    dataset: str

    @classmethod
    def of(cls, slug: str, dataset: str, card: ListCard) -> OfficialList:
        """The list called `slug` in the card of `dataset`."""
        return cls(**{**dict(card), "slug": slug, "dataset": dataset, "file": card.file or Path(card.path).name})

    @property
    def url(self) -> str:
        """Where it is published; "" for a list that is drawn here."""
        return raw_url(self.repository, self.commit, self.path) if self.repository else ""

    def location(self, root: Path) -> Path:
        """The file that it is kept in, below the data root."""
        return root / "lists" / self.file

    def matches(self, path: Path) -> bool:
        """Whether the file at `path` is this list: by its sha256, or by its path for a list that is drawn here."""
        return not self.sha256 or digest(path) == self.sha256

    def status(self, root: Path) -> str:
        """``there``, ``missing`` or ``other content``."""
        path = self.location(root)
        return "missing" if not path.is_file() else "there" if self.matches(path) else "other content"

    def fetch(self, root: Path, progress: Any = None) -> Path:
        """Download it, unless it is there already, and return its path.

        Args:
            progress: as `talkbench.core.model_files.fetch`.

        Raises:
            TalkbenchError: as `talkbench.core.model_files.fetch`; the message says which file to put where.
        """
        path = self.location(root)
        if self.status(root) != "there":
            file = RemoteFile(self.file, self.file, self.url, self.repository, "", self.sha256)
            fetch(file, path, progress, remedy=f"download it elsewhere and put it into {path.parent}")
        return path

    def find(self, root: Path) -> Path:
        """The path of the file, whose content is the published one.

        Raises:
            TalkbenchError: it is missing or has other content; the message says how to get it.
        """
        status, path = self.status(root), self.location(root)
        if status == "there":
            return path
        how = f"fetch-lists {self.dataset}" if self.repository else f"draw {self.drawn_by or self.dataset}"
        command = f"bench data {how} --root {shlex.quote(str(root))}"
        if status == "missing":
            raise TalkbenchError(f"the list {self.slug} of {self.dataset} is not in {path.parent}; {command}")
        option = "--metadata" if self.task == "metadata" else "--pairs"
        raise TalkbenchError(f"{path} is not the list {self.slug} as published; {command}, or give it with {option}")


def recognise(path: Path) -> OfficialList | None:
    """The official list, of whatever data set, that a file is by its sha256; None for any other file.

    Raises:
        TalkbenchError: the file cannot be read.
    """
    entries = (OfficialList.of(slug, name, card) for name, data in cards().items() for slug, card in data.lists.items())
    try:
        return next((entry for entry in entries if entry.sha256 and entry.matches(path)), None)
    except OSError as error:
        raise TalkbenchError(f"cannot read the pair list {path}: {error}; give a CSV file in UTF-8") from error


class Naming(Card):
    """How a data set names its clips and frames: a part of its card.

    Attributes:
        clip: regular expression of a clip's name, ``id10282#Zbz058o9j6s#004557#004656.mp4``; groups are ignored.
        frame: regular expression of a frame's file name, ``0000013.png``; groups are ignored.
        folders: the folders below the root that may hold clips, see `talkbench.datasets.clip_store.Store`.
        identity: regular expression of the start of a clip's name; its last group is the person.
        continuous: whether clips are video, so that a missing end means that the other frames are wrong too (see
            `Split.lengths`); else they are single images in no order of time.
    """

    clip: str
    frame: str
    folders: Texts = (".",)
    identity: str = "(.*)"
    continuous: bool = True

    @field_validator("clip", "frame", "identity")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern, re.ASCII)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return pattern

    def is_clip(self, name: str) -> bool:
        """Whether `name` is the name of a clip."""
        return bool(re.fullmatch(self.clip, name, re.ASCII))

    def parse(self, path: str) -> tuple[str, int | None] | None:
        """The clip and the frame number that a path in the authors' lists stands for; None if it fits neither pattern.

        Folders at the start of the path are dropped: what counts is the longest end of the path that is named like a
        clip or like a frame in a clip. After a clip that ends in ``.mp4`` the separator before the frame may be
        missing. A clip alone has the number None.
        """
        for start in (0, *(match.end() for match in re.finditer("/", path))):
            name = self._whole.fullmatch(path, start)
            if name:
                return name["clip"], file_number(name["frame"]) if name["frame"] else None
        return None

    def person(self, clip: str) -> str:
        """The person in the clip of that name; the whole name where the pattern does not fit."""
        named = re.match(self.identity, clip, re.ASCII)
        return named[named.lastindex or 0] if named else clip

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        return re.compile(rf"(?P<clip>{self.clip})(?:(?:/|(?<=\.mp4))(?P<frame>{self.frame}))?", re.ASCII)


def is_official_form(text: str) -> bool:
    """Whether the first line names the columns as the authors do."""
    try:
        header = next(csv.reader(text.splitlines()[:1]), [])
    except csv.Error:  # a field without end; whoever reads the list says so
        return False
    return 2 <= len(header) <= 3 and all(name in names for name, names in zip(header, HEADER, strict=False))


def read_official(path: Path, naming: Naming, numbers: Callable[[str], Sequence[int]]) -> list[Pair]:
    """Read a whole list in the authors' form (docs/specs/evaluation.md 6.1), duplicates included.

    The first row, not the header, decides how many fields a row has. A third field is the reference: a frame, or a
    frame number in the driving clip. A clip in place of a source frame stands for its frame 0; a clip in place of a
    driving frame stands for all its frames, each a pair.

    Args:
        numbers: the frames of a clip, for driving clips.

    Raises:
        TalkbenchError: names the file, the line and what is wrong with it.
    """
    text = read_text(path)
    if not is_official_form(text):
        raise TalkbenchError(f"{path}, line 1: the columns are not source, driving and perhaps best_frame; correct it")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    pairs: list[Pair] = []
    fields = 0
    try:
        next(reader)
        for row in reader:
            if not row:
                continue
            where = f"{path}, line {reader.line_num}"
            values = row[:-1] if len(row) == 3 and not row[2] else row
            fields = fields or len(values)
            if len(values) != fields or fields not in (2, 3):
                expected = fields if fields in (2, 3) else "2 or 3"
                raise TalkbenchError(f"{where}: {len(values)} fields instead of {expected}; correct the line")
            pairs += _pairs(values, naming, numbers, where)
    except csv.Error as error:
        raise TalkbenchError(f"{path}, line {reader.line_num}: not CSV ({error}); correct the line") from error
    if not pairs:
        raise TalkbenchError(f"{path}: the pair list has no rows; add at least one pair")
    return pairs


def _pairs(row: Sequence[str], naming: Naming, numbers: Callable[[str], Sequence[int]], where: str) -> Iterable[Pair]:
    (source, first), (driving, number) = (_parsed(field, naming, where) for field in row[:2])
    reference = None
    if len(row) == 3:
        alone = re.fullmatch(r"(\d{1,9})(?:\.0)?", row[2], re.ASCII)
        clip, index = (driving, int(alone[1])) if alone else _parsed(row[2], naming, where)
        if index is None:
            raise TalkbenchError(f"{where}: {row[2]!r} names a clip, but no frame as reference; correct the line")
        reference = Frame(clip, index)
    drivers = numbers(driving) if number is None else (number,)
    return [Pair(Frame(source, first or 0), Frame(driving, index), reference) for index in drivers]


def _parsed(field: str, naming: Naming, where: str) -> tuple[str, int | None]:
    clip_and_number = naming.parse(field)
    if clip_and_number is None:
        raise TalkbenchError(f"{where}: {field!r} is not named as the clips and frames of this data set; see its card")
    return clip_and_number
