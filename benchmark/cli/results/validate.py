"""`bench results validate`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from talkbench.benchmark.cli.options import ENTRIES, PATH
from talkbench.benchmark.cli.output import answer, json_option
from talkbench.benchmark.cli.results import size


@click.command()
@click.argument("folders", nargs=-1, type=PATH, metavar="[ENTRY]...")
@json_option("sound, of each entry and remarks; faults")
def command(folders: tuple[Path, ...], as_json: bool) -> None:
    """Check entries, or all entries in folders.  [default: results/entries]

    The command checks the form of the files and their hashes, that there are no other files, that protocol ids and
    summary follow from record and rows, and that metrics, values, weights and date can be true: metrics have to be
    defined as the ones registered here, and values have to be in their range. Each fault is a line that names the file
    and the remedy. The exit code is 2 if there is a fault.

    Below a sound entry stands what a reviewer should look at, such as few pairs or metrics, lost faces, or training
    data that is not stated. That is no fault.

    \b
    bench results validate results/entries
    bench results validate results/entries/mine
    """
    from talkbench.benchmark.sharing.expectations import expected_of
    from talkbench.core.text import visible
    from talkbench.results.remarks import remarks
    from talkbench.results.validation import validate

    faults: list[str] = []
    entries: list[dict[str, object]] = []
    for folder in folders or (ENTRIES,):
        sound, own = validate(folder, expected_of)
        faults += own
        for entry in sound:
            record, data = entry.record, entry.record.dataset
            look_at = remarks(entry, expected_of(record))
            entries.append({"entry": entry.folder, "remarks": look_at})
            if as_json:
                continue
            what = f"{record.method.name}, {data.name} {data.task}, {data.pairs} pairs, {len(record.metrics)} metrics"
            click.echo(visible(f"sound   {entry.folder}   ({what}, {size(entry.folder)})"))
            if look_at:
                click.echo(visible(f"  but: {'; '.join(look_at)}"))
    if as_json:
        answer(sound=entries, faults=faults, **({"error": "; ".join(faults)} if faults else {}))
    for fault in faults:
        click.echo(f"bench: {visible(fault)}", err=True)
    if faults:
        sys.exit(2)
