"""The cards of data sets: where they come from, what their clips show, and the lists of their pairs."""

from __future__ import annotations

from pydantic import Field, field_validator

from talkbench.core.cards import Card, Line


class ListCard(Card):
    """A file that is published with a data set or drawn from its clips: a pair list, or the metadata by which clips are
    cut.

    Attributes:
        task: the task of its pairs; ``metadata`` for a file that lists no pairs.
        repository: on GitHub, ``owner/name``; "" for a list that is drawn here.
        commit, path: its place in the repository.
        file: its name in the data root's folder ``lists``, or beside the card; "": the name in `path`.
        drawn_by: what ``bench data draw`` takes to draw it here; "": the name of the data set.
        sha256: hash of the published file, or of one that is drawn from a published file; "" for a list that is drawn
            from clips.
        rows: number of its data rows.
        held_out: whether its clips belong to the data set's test part.
        older: of a list that was a task's before the present one, what its numbers are marked with.
        note: what a user of the list should know.
    """

    task: str
    repository: str = ""
    commit: str = ""
    path: str = ""
    file: str = ""
    drawn_by: str = ""
    sha256: str = ""
    rows: int | None = None
    held_out: bool = False
    older: Line = ""
    note: Line = ""


class TaskCard(Card):
    """Where the pairs of a task come from.

    Attributes:
        list: a pair list: its file beside the card, or its name among the card's `lists`.
        clips_of: another list, all frames of whose clips are reconstructed.
        drawn: how pairs are drawn, in words.
    """

    list: str = ""
    sha256: str = ""
    clips_of: str = ""
    drawn: str = ""


class ClipCard(Card):
    """A clip; a plain text in the card is its `about`.

    Attributes:
        about: what it shows.
        face: height in pixels of the face before it is cut out and brought to the size of the clip; None: unknown.
        licence: "" where the data set's stands for it.
        shown: whether pictures of it may be published: thumbnails of entries, figures of the manual.
        rate: frames per second of the video that it was made from; None: unknown, or its frames carry their times.
    """

    about: Line
    face: int | None = None
    rate: float | None = Field(None, gt=0, le=1000)
    licence: Line = ""
    shown: bool = True


class DatasetCard(Card):
    """A data set.

    Attributes:
        name: may be left out if the data set's class has it.
        short: one line on what it is.
        resplit_of: another data set whose clips these are, parted anew between training and tests, so that the same
            people are in both and the clips are not; "": it has clips of its own.
        obtain: where the clips come from and what to do with them.
        layout: where the clips lie below the root, in words.
        identities, pairs: how people are told apart, and how pairs are drawn, in words.
        clips: by name, those that are worth a word.
        evaluation_only: methods may be evaluated on it, and no more: nothing is trained on it, and no picture of it is
            published.
        lists: its files by name, see `ListCard`.
        quirks: what a reader of its numbers should know.
    """

    name: str = ""
    title: Line = ""
    short: Line = ""
    source: Line = ""
    licence: Line = ""
    evaluation_only: bool = False
    resplit_of: str = ""
    obtain: Line = ""
    layout: Line = ""
    resolution: Line = ""
    identities: Line = ""
    pairs: Line = ""
    clips: dict[str, ClipCard] = Field(default_factory=dict)
    lists: dict[str, ListCard] = Field(default_factory=dict)
    tasks: dict[str, TaskCard] = Field(default_factory=dict)
    quirks: tuple[Line, ...] = ()

    @field_validator("clips", mode="before")
    @classmethod
    def _texts(cls, clips: object) -> object:
        if not isinstance(clips, dict):
            return clips
        return {name: {"about": card} if isinstance(card, str) else card for name, card in clips.items()}

    def may_show(self, *clips: str) -> bool:
        """Whether pictures of all these clips may be published."""
        return not self.evaluation_only and all(self.clips[name].shown for name in clips if name in self.clips)

    def older(self, sha256: str) -> str:
        """What numbers of the list file with this hash are marked with, where a task has another list now; else ""."""
        return next((entry.older for entry in self.lists.values() if sha256 and entry.sha256 == sha256), "")

    @property
    def held_out(self) -> frozenset[str]:
        """The sha256 of the list files whose clips belong to the test part, on which nobody should train."""
        published = {entry.sha256 for entry in self.lists.values() if entry.held_out}
        own = {task.sha256 for task in self.tasks.values()}
        return frozenset({*published, *own} - {""})


def set_names(text: str) -> list[str]:
    """The names of data sets between commas, as recipes and cards have them; none of ""."""
    return [name.strip() for name in text.split(",") if name.strip()]


def may_have_seen(trained: DatasetCard, tested: DatasetCard, held_out: bool) -> bool | None:
    """Whether weights that were trained on the data set `trained` may have seen a test of `tested`: its clips and,
    unless people are meant to be seen (`DatasetCard.resplit_of`), its people. None: the two have no clips in common.

    Args:
        held_out: whether the list of the test is known to be of the test part of `tested`.
    """
    if tested.resplit_of and tested.resplit_of == trained.name:
        return True  # they were trained on those very clips
    return not held_out if tested.name in (trained.name, trained.resplit_of) else None
