"""The comparison view: two entries side by side, pair by pair, with error maps that the browser draws."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from talkbench.core.figure import ERROR_RANGE
from talkbench.core.paths import inside
from talkbench.reports.data_ids import NONE
from talkbench.reports.leaderboard.board import Board
from talkbench.reports.leaderboard.site import Site, comparison_path
from talkbench.reports.numbers import format_mean, unit_sign
from talkbench.results import MetricSpec
from talkbench.results.entries import Entry, Thumbnail
from talkbench.results.rows import IN_SET

PAIR = ["source_clip", "source_index", "driving_clip", "driving_index"]

MAGMA = ("#000004", "#51127c", "#b73779", "#fc8961", "#fcfdbf")
"""The colours of error maps, evenly spaced between no error and `ERROR_RANGE`; the legend's bar has the same."""


def add_comparisons(site: Site, boards: Sequence[Board]) -> None:
    """Add the comparison page of every board that has two entries with pictures, and their pictures."""
    for board in boards:
        entries = _pictured_entries(board)
        if len(entries) > 1:
            data = comparison_data(site, entries)
            places = [place for entry in data["entries"] for place in entry["clips"]]
            motion = len(set(places)) < len(places)  # two entries have a clip in common
            site.add(
                comparison_path(board.dataset, board.task),
                "compare.html",
                scripts=("pictures.js", *(["motion.js"] if motion else []), "compare.js"),
                videos=motion,
                board=board,
                data=data,
                motion=motion,
                truth=board.task != "cross-identity",
                error_range=ERROR_RANGE,
                magma=magma_tables(),
                gain=1 / (3 * ERROR_RANGE),
            )


def _pictured_entries(board: Board) -> list[Entry]:
    """The entries with pictures in the order of the board: the page begins with the first two. Yardsticks are last."""
    order = [line.key for group in board.of("measured") for line in group.lines]
    entries = [entry for entry in board.entries if entry.info.thumbnails]
    return sorted(entries, key=lambda entry: (not entry.record.method.ranked, order.index(entry.info.name)))


def magma_tables() -> dict[str, str]:
    """`MAGMA` as an SVG filter takes it: per channel the values in [0, 1]."""
    channels = {"R": 1, "G": 3, "B": 5}
    return {
        name: " ".join(f"{int(colour[start : start + 2], 16) / 255:.3f}" for colour in MAGMA)
        for name, start in channels.items()
    }


def comparison_data(site: Site, entries: Sequence[Entry]) -> dict[str, Any]:
    """The data of the page's script: metrics, pairs, clips and, by entry, means, pictures, values of pairs and clips.

    A pair is known by its number, its frames and, where entries saw unlike data, the data id, so that entries of
    different lists share the pairs that are the same. So is a clip, by all its pairs.
    """
    specs = {spec.name: spec for entry in entries for spec in entry.record.metrics}
    pairs: dict[tuple[int, str], int] = {}
    unlike = len({entry.record.dataset.data_id for entry in entries}) > 1
    clips: dict[ShownClip, int] = {}
    content = [_entry(site, entry, list(specs), pairs, clips, unlike) for entry in entries]
    return {
        "metrics": [_metric(spec) for spec in specs.values()],
        "pairs": [{"number": number, "frames": frames} for number, frames in pairs],
        "clips": [
            {
                "title": clip.title,
                "frames": clip.frames,
                "first": clip.pairs[0],
                "count": len(clip.pairs),
                "rate": clip.rate,
                "speed": 0.25 if clip.is_short else 1,
            }
            for clip in clips
        ],
        "entries": content,
    }


def _metric(spec: MetricSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "unit": unit_sign(spec.unit),
        "sign": 1 if spec.direction == "higher" else -1,
        "decimals": spec.decimals,
        "ranks": spec.ranks,
        "pairwise": spec.aggregation != "set",
    }


def _entry(
    site: Site,
    entry: Entry,
    names: Sequence[str],
    pairs: dict[tuple[int, str], int],
    clips: dict[ShownClip, int],
    unlike: bool,
) -> dict[str, Any]:
    """An entry for the script. Adds its pairs to `pairs`, which gives each (number, frames) a place, and its clips to
    `clips`.

    Args:
        unlike: whether the entries saw unlike data.
    """
    pictures = []
    data = f" (data id {entry.record.dataset.data_id or NONE})" if unlike else ""
    for item, frames, values in shown_pairs(entry):
        for kind in ("source", "driving", "generated"):  # under the names that the script expects
            content = inside(entry.folder, getattr(item, kind)).read_bytes()
            site.asset(f"entries/{entry.info.name}/thumbnails/{item.pair:06d}-{kind}.webp", content)
        pictures.append(
            {
                "pair": pairs.setdefault((item.pair, frames + data), len(pairs)),
                "values": [values.get(name) for name in names],
            }
        )
    return {
        "name": entry.info.name,
        "label": entry.info.label,
        "ranked": entry.record.method.ranked,
        "means": [_mean(entry, name, data) for name in names],
        "pictures": pictures,
        "clips": [
            clips.setdefault(replace(clip, data=data), len(clips))
            for clip in shown_clips(entry)
            if site.file(entry, clip.video)
        ],
    }


@dataclass(frozen=True)
class ShownClip:
    """A clip of an entry.

    Attributes:
        video: the path of its file in the entry's folder.
        pairs: as in `EntryClip`.
        rate: frames per second.
        title: who drives whom, in words.
        frames: which frames it shows, in words.
        data: the data id in words, where entries saw unlike data.
    """

    video: str
    pairs: tuple[int, ...]
    rate: float
    title: str
    frames: str
    data: str = ""

    @property
    def is_short(self) -> bool:
        """Whether it is over within a second, so that it is better played slowly."""
        return len(self.pairs) < self.rate


def shown_clips(entry: Entry) -> list[ShownClip]:
    """The clips of an entry."""
    if not entry.info.clips:
        return []
    rows = entry.rows().drop_duplicates("pair")
    places = dict(zip(rows["pair"].tolist(), rows[PAIR].itertuples(index=False, name=None), strict=True))
    clips = []
    for clip in entry.info.clips:
        if not set(clip.pairs) <= set(places):
            continue
        source, source_frame, driving, first = places[clip.pairs[0]]
        *_, last = places[clip.pairs[-1]]
        title = driving if source == driving else f"{source} → {driving}"
        frames = f"{source}, frame {source_frame} → {driving}, frames {first} to {last}"
        rate = f"{len(clip.pairs)} frames at {clip.rate:.5g} per second"
        clips.append(ShownClip(clip.video, clip.pairs, clip.rate, title, f"{frames}: {rate}"))
    return clips


def shown_pairs(entry: Entry) -> Iterator[tuple[Thumbnail, str, dict[str, float | str]]]:
    """The pairs that an entry has pictures of: pictures, frames in words, and by metric the value on the printed scale,
    or why there is none."""
    if not entry.info.thumbnails:
        return
    rows, specs = entry.rows(), {spec.name: spec for spec in entry.record.metrics}
    rows = rows[rows["pair"].isin([item.pair for item in entry.info.thumbnails])]
    columns = (rows[name].tolist() for name in ("pair", *PAIR, "metric", "value", "reason"))
    by_pair: dict[int, tuple[str, dict[str, float | str]]] = {}
    for pair, source, source_frame, driving, driving_frame, name, value, reason in zip(*columns, strict=True):
        frames = f"{source}, frame {source_frame} → {driving}, frame {driving_frame}"
        _, values = by_pair.setdefault(pair, (frames, {}))
        if reason != IN_SET:
            values[name] = _value(specs[name], value, reason)
    for item in entry.info.thumbnails:
        if item.pair in by_pair:
            yield item, *by_pair[item.pair]


def _value(spec: MetricSpec, value: float, reason: str) -> float | str:
    return reason if math.isnan(value) else round(value * spec.scale, spec.decimals + 2)


def _mean(entry: Entry, name: str, data: str) -> dict[str, str] | None:
    """The printed mean, and the protocol id and `data` that it was made with."""
    spec = next((spec for spec in entry.record.metrics if spec.name == name), None)
    result = entry.summary.metric(name)
    if spec is None or result is None:
        return None
    return {"text": format_mean(result, spec), "protocol": entry.record.protocol_id(name) + data}
