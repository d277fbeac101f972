"""HDTF's annotation as published (MRzzm/HDTF, ``HDTF_dataset/``; docs/specs/evaluation.md 6.5).

Text files, four of them for each of three groups, with a line per video or clip whose fields are parted by blanks:

* ``<group>_video_url.txt``: the video's name, its address on YouTube.
* ``<group>_resolution.txt``: the video's name and ``.mp4``, the height that its windows are placed in.
* ``<group>_annotion_time.txt``: the video's name and ``.mp4``, ``mm:ss-mm:ss`` for each of its clips, which are counted
  from 0.
* ``<group>_crop_wh.txt``: the video's name, ``_``, the clip's number and ``.mp4``, then left, width, top, height of the
  window.

The fifth kind, ``<group>_crop_ratio.txt``, says by how much the authors enlarged the face's box. The windows have that
in them already: enlarged once more, 22 of them would be higher than their videos. So it is not read.

Clips are named as the pair lists name them, after universome/HDTF: ``<group>_<video's name>_<three digits>.mp4``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.preparation.metadata import LONGEST_SHOWN, Cut, CutList, Unusable, read_text

GROUPS = ("RD", "WDA", "WRA")
URL, RESOLUTION, TIMES, WINDOWS = "video_url", "resolution", "annotion_time", "crop_wh"

# By kind of file: what a field must be, and that in words.
FIELDS = {
    URL: (r"https?://\S*(?:[?&]v=|youtu\.be/)([\w-]{11})(?:[?&#]\S*)?", "the address of a YouTube video"),
    RESOLUTION: (r"(\d{1,5})", "a height in pixels"),
    TIMES: (r"(\d{1,3}):([0-5]\d)-(\d{1,3}):([0-5]\d)", "a stretch of time, mm:ss-mm:ss"),
    WINDOWS: (r"(\d{1,5})", "a number of pixels"),
}
COUNTS = {URL: 1, RESOLUTION: 1, TIMES: None, WINDOWS: 4}  # of fields behind the name; None: one or more

Values = list[tuple[str, ...]]  # of each field, the parts that its pattern has in brackets


@dataclass(frozen=True)
class _Group:
    """The files of one group by video or clip."""

    name: str
    urls: dict[str, Values]
    resolutions: dict[str, Values]
    times: dict[str, Values]
    windows: dict[str, Values]


def read_hdtf(folder: Path) -> CutList:
    """The clips that the files in `folder` describe; groups of which there is no file are left out.

    Raises:
        TalkbenchError: `folder` is none, a group's file is missing, or a line is faulty; the message names it.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise TalkbenchError(f"{folder} {what}; HDTF's clips are listed in a folder of text files, give that folder")
    groups = [_read_group(folder, name) for name in GROUPS if any(folder.glob(f"{name}_*.txt"))]
    if not groups:
        raise TalkbenchError(
            f"{folder} has none of HDTF's files, such as {GROUPS[0]}_{URL}.txt; get them with bench data fetch-lists "
            "hdtf, or name their folder with --metadata"
        )
    clips = [clip for group in groups for clip in _clips(group)]
    cuts = [clip for clip in clips if isinstance(clip, Cut)]
    unusable = [clip for clip in clips if isinstance(clip, Unusable)]
    idle = [f"{group.name}_{video}" for group in groups for video in group.urls if video not in group.times]
    left = [name for name in GROUPS if name not in [group.name for group in groups]]
    note = f"{len(clips)} clips of {len({clip.video for clip in clips})} videos, {len(unusable)} of them not usable"
    if idle:
        note += f"; videos without clips: {', '.join(idle[:3])}{', …' if len(idle) > 3 else ''}"
    if left:
        note += f"; there are no files of {' and '.join(left)}"
    return CutList(cuts, unusable, note)


def _read_group(folder: Path, name: str) -> _Group:
    return _Group(name, *(_read_file(folder / f"{name}_{kind}.txt", kind) for kind in FIELDS))


def _read_file(path: Path, kind: str) -> dict[str, Values]:
    """The fields of each line by the name before them, without ``.mp4``."""
    if not path.is_file():
        raise TalkbenchError(f"there is no {path}; bench data fetch-lists hdtf downloads it")
    pattern, expected = FIELDS[kind]
    content: dict[str, Values] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        name, *fields = line.split() or [""]
        if not name:
            continue
        name, where = name.removesuffix(".mp4"), f"{path}, line {number}"
        if not re.fullmatch(r"[\w-]{1,100}", name, re.ASCII):
            raise TalkbenchError(f"{where}: {_shown(name)} is no video's name; correct the line")
        if not fields or len(fields) != (COUNTS[kind] or len(fields)):
            raise TalkbenchError(f"{where}: {len(fields)} fields behind {name}, not {COUNTS[kind] or 'one or more'}")
        matches = [re.fullmatch(pattern, field, re.ASCII) for field in fields]
        values = [match.groups() for match in matches if match]
        if len(values) < len(fields):
            raise TalkbenchError(f"{where}: {_shown(fields[matches.index(None)])} is not {expected}; correct the line")
        if content.setdefault(name, values) != values:
            raise TalkbenchError(f"{where}: {name} is in an earlier line with other values; remove one of them")
    return content


def _shown(field: str) -> str:
    return repr(field) if len(field) <= LONGEST_SHOWN else f"{field[:LONGEST_SHOWN]!r}…"


def _clips(group: _Group) -> Iterator[Cut | Unusable]:
    """The clips of a group, in the order of the file of times."""
    for video, stretches in group.times.items():
        whole = f"{group.name}_{video}"
        tube = group.urls[video][0][0] if video in group.urls else whole
        height = int(group.resolutions[video][0][0]) if video in group.resolutions else 0
        for number, stretch in enumerate(stretches):
            clip = f"{whole}_{number:03d}.mp4"
            window = group.windows.get(f"{video}_{number}")
            start, end = (60 * int(minutes) + int(seconds) for minutes, seconds in (stretch[:2], stretch[2:]))
            fault = _fault(group.name, f"{video}_{number}", window, height, end - start)
            if fault:
                yield Unusable(clip, tube, *fault)
                continue
            assert window is not None  # or else there were a fault
            left, width, top, tall = (int(value) for (value,) in window)
            box = (left, top, left + width, top + tall)
            yield Cut(clip, tube, start, end, Fraction(1), box, None, height, (whole, video))


def _fault(group: str, clip: str, window: Values | None, height: int, seconds: int) -> tuple[str, str] | None:
    """Why a clip cannot be cut, as a slug and in words; None if it can."""
    if window is None:
        return "no-window", f"{group}_{WINDOWS}.txt has no window for {clip}"
    if height == 0:
        return "no-resolution", f"{group}_{RESOLUTION}.txt gives no height, or 0, for the video of {clip}"
    _, width, top, tall = (int(value) for (value,) in window)
    if not width or not tall or top + tall > height:
        files = f"{group}_{WINDOWS}.txt and {group}_{RESOLUTION}.txt"
        return "window-outside", f"the window of {clip} ends at line {top + tall} of {height} by {files}"
    if seconds <= 0:
        return "no-time", f"{clip} ends before it begins; see {group}_{TIMES}.txt"
    return None
