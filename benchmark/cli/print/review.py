"""An entry on one screen."""

from __future__ import annotations

from rich.text import Text

from talkbench.benchmark.cli.print.console import console, facts_table, print_entries
from talkbench.benchmark.sharing.clusters import clusters_of, ranges_of
from talkbench.benchmark.sharing.expectations import expected_of
from talkbench.core.text import visible
from talkbench.reports.numbers import format_interval
from talkbench.reports.statistics.intervals import interval
from talkbench.reports.statistics.two_way import UNLIMITED
from talkbench.reports.tables.summary_lines import summary_lines
from talkbench.results.entries import CLIPS, THUMBNAILS, Entry
from talkbench.results.remarks import remarks


def print_review(entry: Entry) -> None:
    """Who and what, then the numbers with their intervals, then what to look at, then where the pictures are."""
    facts = facts_table()
    for label, text in {**_who(entry), **_what(entry)}.items():
        if text:
            facts.add_row(label, Text(visible(text)))
    output = console()
    output.print(Text(visible(str(entry.folder)), style="bold"), soft_wrap=True)
    output.print(facts)
    output.print()
    headings, lines = _numbers(entry)
    print_entries(headings, lines, right=headings[1:-1])
    output.print()
    notes = facts_table()
    for number, text in enumerate(remarks(entry, expected_of(entry.record)) or ["nothing"]):
        notes.add_row("" if number else "look at", Text(visible(text)))
    notes.add_row("pictures", Text(visible(_pictures(entry))))
    notes.add_row("clips", Text(visible(_clips(entry))))
    output.print(notes)


def _who(entry: Entry) -> dict[str, str]:
    info, method = entry.info, entry.record.method
    leakage = {True: "; may have seen these pairs", False: "; has not seen these pairs", None: ""}[info.leakage]
    weights = f"{method.checkpoint or ''} {(method.checkpoint_sha256 or '')[:12]}".strip()
    return {
        "who": f"{info.label} (method {method.name}{f', {info.year}' if info.year else ''})",
        "note": info.note,
        "links": "  ".join(filter(None, (info.links.paper, info.links.code))),
        "licence": info.licence,
        "weights": f"{weights or 'none'}{f'; {method.origin}' if method.origin else ''}",
        "trained on": f"{info.training_data or 'not stated'}{leakage}" if weights else "",
        "settings": ", ".join(f"{key}={value}" for key, value in method.settings.items()),
    }


def _what(entry: Entry) -> dict[str, str]:
    record, data, info = entry.record, entry.record.dataset, entry.info
    commit = f", commit {record.git.commit[:12]}{' with changes' if record.git.dirty else ''}" if record.git else ""
    clips = entry.rows()["driving_clip"].nunique()
    protocol = f"{record.protocol.name} {record.protocol.sha256[:12]}" if record.protocol else "none"
    speed = f"{info.frames_per_second:.3g} frames/s on {info.device}" if info.frames_per_second else ""
    cost = ", ".join(filter(None, (f"{info.parameters:,} parameters" if info.parameters else "", speed)))
    return {
        "what": f"{data.name}, {data.task}, {data.motion}: {data.pairs} pairs of {clips} driving clips, "
        f"{data.image_size}x{data.image_size} (list {data.pairs_file}, {data.pairs_sha256[:12]}; "
        f"data id {data.data_id or 'none'})",
        "protocol": f"{protocol}; missing faces: {record.missing_faces}",
        "made": f"{record.created:%Y-%m-%d} with talkbench {record.talkbench}{commit}, on {record.device_name}",
        "cost": cost,
    }


def _numbers(entry: Entry) -> tuple[list[str], list[list[str]]]:
    """The table of a run, with the 95 % interval behind the mean."""
    record, rows = entry.record, entry.rows()
    cluster, ranges = clusters_of(record.dataset.name), ranges_of(spec.name for spec in record.metrics)
    headings, lines = summary_lines(record, entry.summary)
    for line in lines:
        spec = record.metric(line[0])
        bounds = interval(rows, spec, record.missing_faces, cluster, ranges.get(spec.name, UNLIMITED))
        line.insert(2, format_interval(bounds.low, bounds.high, spec) if bounds else "none")
    headings.insert(2, "95 % interval")
    return headings, lines


def _pictures(entry: Entry) -> str:
    pairs = ", ".join(str(item.pair) for item in entry.info.thumbnails)
    return f"{entry.folder / THUMBNAILS}: source, driving and generated frame of pairs {pairs}" if pairs else "none"


def _clips(entry: Entry) -> str:
    clips = ", ".join(f"{len(clip.pairs)} from pair {clip.pairs[0]}" for clip in entry.info.clips)
    return f"{entry.folder / CLIPS}: source, driving and generated frames, {clips}" if clips else "none"
