"""Entries of the leaderboard: finished runs as small folders that travel.

An entry is a folder with these files and no others:

- ``entry.json``: `EntryInfo`, what the run itself does not know, and the sha256 of every other file;
- ``run.json`` and ``summary.json``, as in a run;
- ``rows.parquet``: all rows of the run;
- ``thumbnails/``: a few small pictures (WebP);
- ``clips/``: a few short videos (H.264 in MP4), where the pairs are frames that follow one another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_folder, check_regular, sha256_file, write_atomic
from talkbench.results.record import RunRecord
from talkbench.results.rows import Summary
from talkbench.results.run_store import read_rows, write_rows
from talkbench.results.strict import SCHEMA_VERSION, M, StrictModel, parse_json

if TYPE_CHECKING:
    import pandas as pd

ENTRY: Final = "entry.json"
RECORD: Final = "run.json"
SUMMARY: Final = "summary.json"
ROWS: Final = "rows.parquet"
THUMBNAILS: Final = "thumbnails"
CLIPS: Final = "clips"

SHIPPED: Final = Path(__file__).with_name("entries")
"""The entries that this version of talkbench comes with."""

MAX_THUMBNAILS = 12
MAX_SIDE = 256
"""Pixels of a thumbnail, and of each of the three images in a frame of a clip."""

MAX_CLIPS = 2
MAX_CLIP_BYTES = 250_000
"""Size of all clips together."""

MAX_CLIP_FRAMES = 200

MAX_JSON = 2_000_000
"""Bytes of a JSON file that are read at all."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("should be one line without control characters")
    return text


OneLine = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True), AfterValidator(_printable)]
"""One line of text; it may hold any printable characters, so whoever prints it has to escape it."""

Link = Annotated[str, StringConstraints(max_length=500, pattern=r"^(https?://[^\s<>\"'`\\]+)?$")]
"""An address on the web, or ""; never another scheme, such as ``javascript:``."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Slug = Annotated[str, StringConstraints(max_length=120, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
PicturePath = Annotated[str, StringConstraints(pattern=rf"^{THUMBNAILS}/[0-9]{{6,}}-(source|driving|generated)\.webp$")]
VideoPath = Annotated[str, StringConstraints(pattern=rf"^{CLIPS}/[0-9]{{6,}}\.mp4$")]
FileName = Annotated[
    str, StringConstraints(max_length=120, pattern=rf"^(({THUMBNAILS}|{CLIPS})/)?[a-z0-9][a-z0-9.-]*$")
]
PairNumber = Annotated[int, Field(ge=0)]


class Links(StrictModel):
    """Where a method is described and where its code is; "" if nowhere."""

    paper: Link = ""
    code: Link = ""


class Thumbnail(StrictModel):
    """Pictures of one pair, at most 256 pixels wide and high; their paths are relative to the entry's folder."""

    pair: int = Field(ge=0)
    source: PicturePath
    driving: PicturePath
    generated: PicturePath


class EntryClip(StrictModel):
    """A video of pairs of one source whose driving frames follow one another. Each of its frames shows source, driving
    and generated image side by side, squares of at most 256 pixels.

    Attributes:
        pairs: of the first frame, the second, and so on.
        rate: frames per second, on average.
        video: its path relative to the entry's folder: ``clips/<first pair>.mp4``.
    """

    pairs: Annotated[tuple[PairNumber, ...], Field(min_length=2, max_length=MAX_CLIP_FRAMES)]
    rate: float = Field(gt=0, le=1000)
    video: VideoPath

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.video != (path := clip_path(self.pairs)):
            raise ValueError(f"video should be {path}")
        return self


def clip_path(pairs: Sequence[int]) -> str:
    """The path of the clip of some pairs in an entry's folder."""
    return f"{CLIPS}/{pairs[0]:06d}.mp4"


class EntryDetails(StrictModel):
    """What the record of a run does not say of its method.

    Attributes:
        name: also the name of the entry's folder.
        label: how tables print the method.
        licence: of the code and weights, one line; "" if unknown.
        year: when the method was published.
        training_data: what the weights were trained on, one line; "" if unknown.
        leakage: whether the test pairs may show clips or people that the weights were trained on; None: unknown.
        parameters: how many all networks have together.
        frames_per_second: driving frames generated in a second, one at a time, after the source has been encoded.
        device: where `frames_per_second` was measured.
        note: what readers should know, one line.
        provenance: ``measured``: the numbers were measured with talkbench.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: Slug
    label: Annotated[OneLine, StringConstraints(min_length=1, max_length=80)]
    links: Links = Links()
    licence: OneLine = ""
    year: int | None = Field(default=None, ge=1900, le=9999)
    training_data: OneLine = ""
    leakage: bool | None = None
    parameters: int | None = Field(default=None, ge=0, le=10**15)
    frames_per_second: float | None = Field(default=None, gt=0, le=1e6)
    device: Annotated[OneLine, StringConstraints(min_length=1)] | None = None
    note: OneLine = ""
    provenance: Literal["measured"] = "measured"

    @model_validator(mode="after")
    def _speed(self) -> Self:
        if (self.frames_per_second is None) != (self.device is None):
            raise ValueError("frames_per_second and device go together")
        return self


class EntryInfo(EntryDetails):
    """``entry.json``.

    Attributes:
        thumbnails: by rising number of the pair; none if the frames of the run were not kept.
        clips: the same in all entries of a list; none if the frames of the run were not kept, or do not follow one
            another.
        files: sha256 of all other files of the folder, by their paths in it.
    """

    thumbnails: Annotated[tuple[Thumbnail, ...], Field(max_length=MAX_THUMBNAILS)] = ()
    clips: Annotated[tuple[EntryClip, ...], Field(max_length=MAX_CLIPS)] = ()
    files: dict[FileName, Sha256]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        pictures = {name for item in self.thumbnails for name in (item.source, item.driving, item.generated)}
        pictures |= (videos := {clip.video for clip in self.clips})
        if len(videos) < len(self.clips):
            raise ValueError("two clips are one file")
        absent = sorted(({RECORD, SUMMARY, ROWS} | pictures) - set(self.files))
        if absent:
            raise ValueError(f"files does not list {absent[0]}")
        stray = sorted(set(self.files) - pictures - {RECORD, SUMMARY, ROWS})
        if stray:
            raise ValueError(f"files lists {stray[0]}, which is no part of an entry")
        return self


def default_name(record: RunRecord) -> str:
    """What the entry of a run is called if nobody says otherwise: ``mcnet.demo--demo--same-identity--absolute``."""
    data = record.dataset
    method = f"{record.method.name.replace('@', '.')} {record.method.numerics}"
    parts = [method, data.name, data.task, data.motion]
    return "--".join(re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-.") for part in parts)


@dataclass(frozen=True)
class Entry:
    """An entry that has been read; `folder` holds it."""

    folder: Path
    info: EntryInfo
    record: RunRecord
    summary: Summary

    @classmethod
    def load(cls, folder: Path | str) -> Entry:
        """Read an entry. Its schema, its name and the presence and hashes of all files are checked, its rows are not.

        Raises:
            TalkbenchError: one line naming the file at fault and the remedy.
        """
        folder = Path(folder)
        info = read_info(folder)
        for fault in file_faults(folder, info):
            raise TalkbenchError(fault)
        return cls(folder, info, parse_file(RunRecord, folder / RECORD), parse_file(Summary, folder / SUMMARY))

    def rows(self) -> pd.DataFrame:
        """All rows sorted by pair and metric, as `RunStore.rows` gives them; they are read once.

        Raises:
            TalkbenchError: the file is damaged.
        """
        return self._rows.copy(deep=False)

    @cached_property
    def _rows(self) -> pd.DataFrame:
        frame = read_rows(self.folder / ROWS, "fetch the entry anew").to_pandas()
        return frame.sort_values(["pair", "metric"], kind="stable", ignore_index=True)


def load_entries(root: Path | str) -> list[Entry]:
    """The entries in the folders below `root`, by name.

    Raises:
        TalkbenchError: there is no such folder, an entry is damaged, or two are of the same run.
    """
    entries = [Entry.load(folder) for folder in entry_folders(Path(root))]
    check_distinct(entries)
    return entries


def entry_folders(root: Path) -> list[Path]:
    """The folders in `root`, without hidden ones. Links to folders are among them; `read_info` refuses these.

    Raises:
        TalkbenchError: `root` is no folder.
    """
    if not root.is_dir():
        what = "not a folder but a file" if root.exists() else "not a folder"
        raise TalkbenchError(f"{root} is {what}; give the one that holds the entries")
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def check_distinct(entries: Iterable[Entry]) -> None:
    """Check that no two entries have the same name, or the same method, pairs and protocols.

    Raises:
        TalkbenchError: two entries have; names their folders.
    """
    seen: dict[object, Entry] = {}
    for entry in entries:
        for key in (entry.info.name, _system(entry.record)):
            if key in seen:
                what = f"the name {key}" if key == entry.info.name else "method, pairs and protocol"
                raise TalkbenchError(
                    f"{seen[key].folder} and {entry.folder} are entries of the same thing ({what}); remove one of them"
                )
            seen[key] = entry


def _system(record: RunRecord) -> tuple[str, ...]:
    """What no two entries may share: the method with its weights and settings, the task, the data and the protocol
    ids."""
    method, data = record.method, record.dataset
    frames = method.frames.sha256 if method.frames else ""
    return (
        *(method.name, method.checkpoint_sha256 or "", str(sorted(method.settings.items())), frames),
        *(data.name, data.task, data.motion, data.data_id, *sorted(record.protocol_ids.values())),
    )


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run, of which an entry can be made."""
    return (folder / RECORD).is_file() and not (folder / ENTRY).exists() and not (folder / ROWS).exists()


def read_info(folder: Path) -> EntryInfo:
    """Read ``entry.json`` of the entry in `folder`.

    Raises:
        TalkbenchError: it is missing, damaged, newer, or names another entry than the folder does, or the folder is a
            link.
    """
    path = folder / ENTRY
    if folder.is_symlink():
        raise TalkbenchError(f"{folder} is a link; put the entry's own folder there")
    if not path.is_file():
        if is_run(folder):
            raise TalkbenchError(f"{folder} is a run's folder; export it with bench results export")
        raise TalkbenchError(f"{folder} is no entry: {ENTRY} is missing; make one with bench results export")
    info = parse_file(EntryInfo, path)
    name = folder.resolve().name
    if info.name != name:
        raise TalkbenchError(f"{path} is named {info.name!r} and its folder {name!r}; give both the same name")
    return info


def parse_file(model: type[M], path: Path) -> M:
    """A JSON file of an entry; raises `TalkbenchError` as `read_json` and `parse_json` do."""
    return parse_json(model, read_json(path), str(path))


def read_json(path: Path) -> str:
    """The text of a JSON file of an entry, not parsed yet.

    Raises:
        TalkbenchError: it is a link, too large, unreadable or not UTF-8.
    """
    check_regular(path)
    try:
        if path.is_symlink():
            raise TalkbenchError(f"{path} is a link; put the file itself there")
        if path.stat().st_size > MAX_JSON:
            raise TalkbenchError(f"{path} is larger than {MAX_JSON // 1_000_000} MB; export the run again")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TalkbenchError(f"cannot read {path}: {error}; fetch the entry anew") from error


def file_faults(folder: Path, info: EntryInfo) -> Iterator[str]:
    """What is wrong with the files of an entry, a line each: links, files that are not listed, missing or changed."""
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    for name, path in paths.items():
        if path.is_symlink():
            yield f"{path} is a link; put the file itself there"
        elif not path.is_dir() and name not in (*info.files, ENTRY):
            yield f"{path} is not listed in {ENTRY}; remove it or export the run again"
        elif path.is_dir() and name not in (THUMBNAILS, CLIPS):
            yield f"{path} is a folder that no entry has; remove it"
    for name, expected in sorted(info.files.items()):
        path = folder / name
        if not path.is_file():
            yield f"{path} is missing; fetch the entry anew or export the run again"
        elif not path.is_symlink() and sha256_file(path) != expected:
            yield f"{path} is not the file that {ENTRY} lists (sha256 differs); fetch it anew or export the run again"


def write_entry(
    root: Path,
    details: EntryDetails,
    record: RunRecord,
    summary: Summary,
    rows: pd.DataFrame,
    pictures: Mapping[int, tuple[bytes, bytes, bytes]],
    clips: Sequence[tuple[EntryClip, bytes]] = (),
) -> Entry:
    """Write an entry into the folder `root` / its name, which must be new or empty; all of it or nothing.

    Args:
        pictures: WebP files of source, driving and generated frame, by the number of the pair.
        clips: each with its file.

    Raises:
        TalkbenchError: the folder is taken or cannot be written.
    """
    with atomic_folder(root / details.name) as folder:
        thumbnails = tuple(_write_thumbnail(folder, pair, pictures[pair]) for pair in sorted(pictures))
        for clip, video in clips:
            write_atomic(folder / clip.video, video)
        write_atomic(folder / RECORD, record.to_json())
        write_atomic(folder / SUMMARY, summary.to_json())
        write_rows(folder / ROWS, rows)
        files = {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob("*.*")}
        videos = tuple(clip for clip, _ in clips)
        info = EntryInfo(**dict(details), thumbnails=thumbnails, clips=videos, files=dict(sorted(files.items())))
        write_atomic(folder / ENTRY, info.to_json())
    return Entry.load(root / details.name)


def _write_thumbnail(folder: Path, pair: int, pictures: tuple[bytes, bytes, bytes]) -> Thumbnail:
    kinds = ("source", "driving", "generated")
    names = {kind: f"{THUMBNAILS}/{pair:06d}-{kind}.webp" for kind in kinds}
    for kind, data in zip(kinds, pictures, strict=True):
        write_atomic(folder / names[kind], data)
    return Thumbnail(pair=pair, **names)
