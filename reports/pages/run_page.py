"""The HTML page of one run: what was run, the numbers, the pictures and the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.figure import ERROR_RANGE
from talkbench.core.files import write_atomic
from talkbench.reports.numbers import ARROWS, counts, format_mean, format_value, pairs_of, share, unit_sign
from talkbench.reports.pages.clip_videos import describe
from talkbench.reports.pages.seen import legend, read_seen
from talkbench.reports.statistics.agreement import READING, agreements
from talkbench.reports.tables.table import Table
from talkbench.results import MetricSpec, MetricSummary, RunRecord, RunStore, by_reason, summary_of
from talkbench.results.rows import IN_SET
from talkbench.results.videos import read_videos

if TYPE_CHECKING:
    import pandas as pd

BARS = 24
"""Bars of the small histogram beside a mean."""

ROUNDING = 1e-12
"""Relative difference of values that are equal but for the rounding of float64."""


@dataclass(frozen=True)
class Strip:
    """A picture made by `talkbench.reports.pages.strips.strip`.

    Attributes:
        picture: its path relative to the run's folder (``pictures/pair-00012.png``).
        pair: the pair it shows.
        error: whether it has the error map.
        seen: the path of the picture of what the extractors saw (`talkbench.reports.pages.seen`), which runs without
            landmarks and older ones do not have.
        place: ``best`` or ``worst`` of all pairs, by the run's first metric that ranks; "" for the others.
    """

    picture: str
    pair: int
    error: bool = True
    seen: str = ""
    place: str = ""


def write_page(store: RunStore, strips: Sequence[Strip] = (), tables: Sequence[Table] = ()) -> Path:
    """Write ``index.html`` into the run's folder: one file beside its pictures and videos that works from the disk,
    without scripts but for the player of the videos; the same files give the same bytes.

    Args:
        strips: pictures to show, each with its pair's numbers.
        tables: shown below the run's own numbers.

    Returns:
        The page.

    Raises:
        TalkbenchError: a picture is missing, the run's files are damaged, or the folder cannot be written.
    """
    from talkbench.reports.pages.templates import render

    record, rows = store.read_record(), store.rows()
    summary = summary_of(store, rows)
    shown = [_strip(store, record, strip, rows) for strip in strips]
    clips = read_videos(store.folder)
    page = render(
        "run.html",
        player=clips is not None,
        clips=describe(clips, record) if clips else None,
        record=record,
        summary=summary,
        story=_story(record),
        videos="videos" in record.aggregation,
        results=[_result(spec, summary.metric(spec.name), rows) for spec in record.metrics],
        failures=_failures(rows),
        unavailable=by_reason(record.unavailable),
        agreements=agreements(record.metrics, rows),
        reading=READING,
        strips=shown,
        marks=legend(strip["seen"] for strip in shown),
        error_range=ERROR_RANGE,
        tables=tables,
        details=_details(record),
    )
    path = store.folder / "index.html"
    write_atomic(path, page)
    return path


_TASKS = {
    "same-identity": "Source and driving frame come from the same clip, so the driving frame is the true image that "
    "the generated one is compared with.",
    "cross-identity": "The driving frame shows another person, so there is no true image: pose and expression are "
    "compared with the driving frame, identity with the source.",
    "reconstruction": "The first frame of a stretch of video is the source and all its frames drive, so each driving "
    "frame is the true image that the generated one is compared with.",
}

_MOTIONS = {
    "absolute": "Motion is absolute: the face takes the position and shape of the driving one.",
    "relative-best": "Motion is relative to the driving frame that is most like the source.",
    "relative-first": "Motion is relative to the first driving frame.",
    "avd": "Motion is absolute, with the driver's shape taken out by the method's AVD network.",
}


_STORED = {"round": "rounded to", "floor": "cut to"}


def _story(record: RunRecord) -> str:
    """What was run, in plain words."""
    method, data = record.method, record.dataset
    weights = f"with the weights {method.checkpoint}" if method.checkpoint else "without trained weights"
    origin = f" ({method.origin})" if method.origin else ""
    subject = f"{method.name}, {weights}{origin}, was run"
    if method.frames:
        subject = f"The frames of {method.name}, which another program made ({method.origin}), were scored"
        if method.frames.program:
            subject = f"{method.name}, {method.origin}, was run by its card, and its frames were scored"
    sentences = [
        f"{subject} on {pairs_of(data.pairs)} of the {data.name} set; a pair is a source image and a driving frame "
        "whose motion the source is to take over.",
        _TASKS.get(data.task, f"The task is {data.task}."),
        _MOTIONS.get(data.motion, f"Motion is {data.motion}."),
        f"Images were compared at {data.image_size}×{data.image_size} pixels, {_STORED[record.quantisation]} 8 bits"
        + (f"; stored frames of {', '.join(data.resized)} were resized to that first." if data.resized else "."),
    ]
    if record.seen:
        sentences.append(f"Seen in training: {record.seen}.")
    if method.numerics:
        sentences.append(f"The method was not computed in plain float32: {method.numerics}.")
    if record.jpeg_quality:
        sentences.append(
            f"All of them went through JPEG files of quality {record.jpeg_quality} before they were scored."
        )
    return " ".join(sentences)


def _result(spec: MetricSpec, result: MetricSummary | None, rows: pd.DataFrame) -> dict[str, Any]:
    """One line of the table of numbers, with the histogram of its pairs."""
    if result is None:  # summarise gives one for every spec
        raise TalkbenchError(f"no summary of {spec.name}; run again")
    values = rows.loc[rows["metric"] == spec.name, "value"].dropna().to_numpy()
    line = {
        "name": spec.name,
        "mean": format_mean(result, spec),
        "unit": unit_sign(spec.unit),
        "arrow": ARROWS[spec.direction],
        "better": spec.direction,
        "pairs": result.pairs,
        "videos": format_value(result.video_mean, spec) if result.video_mean is not None else "",
        "coverage": share(result.coverage) if spec.extractor else "",
        "missing": share(result.missing_generated) if spec.extractor else "",
        "others": counts({**result.failures, "infinite": result.infinite, **result.remarks}),
        "bars": [],
    }
    if len(values):
        heights = _heights(values)
        line["bars"] = [(number, f"{height:.3f}") for number, height in enumerate(heights) if height]
        line["low"], line["high"] = format_value(values.min(), spec), format_value(values.max(), spec)
    return line


def _heights(values: np.ndarray) -> np.ndarray:
    """The bars of the histogram, the highest being 1. Values that differ by rounding alone make one bar."""
    low, high = values.min(), values.max()
    counted = np.histogram(values if high - low > ROUNDING * max(abs(low), abs(high)) else low, bins=BARS)[0]
    return counted / counted.max()


def _failures(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Pairs without a value by reason and metric, each with its first example."""
    failed = rows[rows["value"].isna() & (rows["reason"] != IN_SET)]
    return [
        {
            "reason": reason,
            "metric": metric,
            "count": len(group),
            "pair": group["pair"].iloc[0],
            "message": group["message"].iloc[0],
        }
        for (reason, metric), group in failed.groupby(["reason", "metric"])
    ]


def _strip(store: RunStore, record: RunRecord, strip: Strip, rows: pd.DataFrame) -> dict[str, Any]:
    """A strip with the side of its images, its panels' labels, its pair's frames and numbers."""
    from PIL import Image

    path = store.folder / strip.picture
    try:
        with Image.open(path, formats=["PNG"]) as image:
            size = image.size
    except OSError as error:
        raise TalkbenchError(f"cannot show {path}: {error}; run again with --resume to draw it") from error
    pair_rows = rows[rows["pair"] == strip.pair]
    frames = ""
    if len(pair_rows):
        first = pair_rows.iloc[0]
        frames = f"{first['source_clip']}, frame {first['source_index']} → "
        frames += f"{first['driving_clip']}, frame {first['driving_index']}"
    return {
        "url": quote(strip.picture),
        "side": size[1],
        "pair": strip.pair,
        "frames": frames,
        "error": strip.error,
        "place": f"{strip.place} pair by {record.ranking.name}" if strip.place and record.ranking else "",
        "seen": read_seen(store.folder, strip.seen) if strip.seen else None,
        "panels": ["source", "driving", "generated", "error"][: 4 if strip.error else 3],
        "numbers": [
            _number(row, spec)
            for spec in record.metrics
            for _, row in pair_rows[(pair_rows["metric"] == spec.name) & (pair_rows["reason"] != IN_SET)].iterrows()
        ],
    }


def _number(row: pd.Series, spec: MetricSpec) -> dict[str, str]:
    if np.isnan(row["value"]):
        return {"name": spec.name, "text": row["reason"], "unit": ""}
    return {"name": spec.name, "text": format_value(row["value"], spec), "unit": unit_sign(spec.unit)}


def _details(record: RunRecord) -> dict[str, list[tuple[str, str]]]:
    """The record as lists of terms and values under headings."""
    method, data = record.method, record.dataset
    return {
        "Method": [
            ("name", method.name),
            ("version", " of ".join(filter(None, [str(method.version), method.distribution]))),
            ("weights", method.checkpoint or "none"),
            ("sha256 of the weights", method.checkpoint_sha256 or "none"),
            ("origin", method.origin or "not stated"),
            *([("seen in training", record.seen)] if record.seen else []),
            ("resolution", f"{method.resolution} px" if method.resolution else "any"),
            *((name, str(value)) for name, value in method.settings.items()),
            *_frames(record),
        ],
        "Data": [
            ("data set", data.name),
            ("task", data.task),
            ("motion", data.motion),
            ("pairs", f"{data.pairs}, " + (f"{data.part} of the training" if data.part else f"list {data.pairs_file}")),
            ("sha256 of the pair list", data.pairs_sha256),
            ("data id", data.data_id or "none: the run has not ended, or is older than data ids"),
            ("image size", f"{data.image_size} px"),
            ("stored sizes", counts(data.stored_sizes) or data.stored_size or "not recorded"),
            ("resizing", data.resizing or "all frames or none, as the first frame asked for"),
            ("rounding to 8 bits", record.quantisation),
            ("JPEG", f"quality {record.jpeg_quality}" if record.jpeg_quality else "none"),
            ("aggregation", record.aggregation),
            ("missing faces", record.missing_faces),
        ],
        "Machine": _machine(record),
        "Protocols": [
            ("followed", f"{record.protocol.name}, {record.protocol.sha256}" if record.protocol else "none"),
            *((spec.name, _protocol(record, spec)) for spec in record.metrics),
        ],
        "Run": [
            ("id", record.run_id),
            ("created", record.created.isoformat()),
            ("command", record.command),
            ("fingerprint", record.fingerprint()),
        ],
    }


def _frames(record: RunRecord) -> list[tuple[str, str]]:
    frames = record.method.frames
    if frames is None:
        return []
    return [
        *([("program", frames.program)] if frames.program else []),
        (
            "frames of the program" if frames.program else "given frames",
            f"for {frames.pairs} of {record.dataset.pairs} pairs",
        ),
        ("stored as", counts(frames.kinds)),
        ("sizes", counts(frames.sizes)),
        ("sha256 of the frames", frames.sha256),
    ]


def _machine(record: RunRecord) -> list[tuple[str, str]]:
    commit = (
        f"{record.git.commit}{' with uncommitted changes' if record.git.dirty else ''}" if record.git else "unknown"
    )
    return [
        ("device", f"{record.device}, {record.device_name}"),
        ("precision", record.precision),
        ("batch size", str(record.batch_size)),
        ("threads", str(record.threads or "not recorded")),
        ("engine", record.engine + (f", {record.engine_workers} workers" if record.engine_workers > 1 else "")),
        ("seed", str(record.seed)),
        ("platform", record.platform),
        ("talkbench", record.talkbench),
        ("commit", commit),
        *record.libraries.items(),
    ]


def _protocol(record: RunRecord, spec: MetricSpec) -> str:
    extractor = f", features {spec.extractor}" if spec.extractor else ""
    how = f"version {spec.version}, {spec.backend}{extractor}, against the {spec.target} frame"
    return f"{record.protocol_id(spec.name)}: {how}"
