"""Spoils lists, YAML files, records and entries that are sound, and reads them: each is read or refused in a
`TalkbenchError`, never another exception, and never without end.

    PYTHONPATH=tests python tests/attacks/mutated_texts.py --texts 4000 --entries 300

The same seed spoils the same. It prints how many were tried, how many were clean, and how many were bad, with the
first of these, and ends with the exit code 1 if one was.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click
from attacks.mutations import VALUES, spoiled, spoiled_json

from talkbench import datasets
from talkbench.benchmark.cli.options import settings
from talkbench.benchmark.cli.print.review import print_review
from talkbench.benchmark.evaluation import protocol
from talkbench.benchmark.sharing.expectations import expected_of
from talkbench.core.cards import FamilyCard, read_card
from talkbench.core.dataset_cards import DatasetCard
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.datasets.official_lists import Naming, read_official
from talkbench.datasets.pairs import format_pairs, read_pairs
from talkbench.datasets.preparation.hdtf import read_hdtf
from talkbench.datasets.preparation.metadata import read_cuts
from talkbench.reports.tables.layout import LAYOUTS, read_layout
from talkbench.results import RunRecord, Summary
from talkbench.results.entries import SHIPPED, Entry, EntryInfo, parse_file
from talkbench.results.privacy import public
from talkbench.results.run_store import read_rows, write_rows
from talkbench.results.validation import faults
from talkbench.training.config import load_config
from talkbench.training.recipe_files import RECIPES

ROOT = Path(__file__).parents[2]
SECONDS = 20
"""After which reading a file counts as endless."""

ENTRY = SHIPPED / "mcnet.demo--demo--reconstruction--absolute"
OFFICIAL = "source,driving,best_frame\n" + "".join(
    f"id1000{number}#abc#000001#000099.mp4/000000{number}.png,id1000{number}#abc#000001#000099.mp4,{number}\n"
    for number in range(6)
)
NAMING = Naming(clip=r"id\d{5}#[\w-]+#\d{6}#\d{6}\.mp4", frame=r"\d{7}\.png")
CUTS = {
    "voxceleb1": "video_id,start,end,bbox,fps,width,height,partition\n"
    + "".join(f"id1000{n}#abcdefghij{n},{n},{n + 90},12-34-212-234,25,1280,720,train\n" for n in range(6)),
    "ted-talks": "video_id,bbox,width,height\n"
    + "".join(f"abcdefghij{n}#{n}#{n + 90},12-34-212-234,1280,720\n" for n in range(6)),
}
HDTF = {
    "video_url": "".join(f"Some{n} https://www.youtube.com/watch?v=AAAAAAAAAA{n}\n" for n in range(6)),
    "resolution": "".join(f"Some{n}.mp4 720\n" for n in range(6)),
    "annotion_time": "".join(f"Some{n}.mp4 00:0{n}-00:4{n} 01:0{n}-01:4{n} \n" for n in range(6)),
    "crop_wh": "".join(f"Some{n}_{part}.mp4 397 513 0 513\n" for n in range(6) for part in (0, 1)),
}

Read = Callable[[Path], object]


class Endless(BaseException):
    """Reading took more than `SECONDS`; no reader may catch it."""


@dataclass
class Tally:
    """How many files of a kind were tried and were clean, and what the others did."""

    tried: int = 0
    read: int = 0
    bad: list[str] = field(default_factory=list)

    def attempt(self, act: Callable[[], object], what: str) -> None:
        self.tried += 1
        try:
            with _limit():
                act()
            self.read += 1
        except (TalkbenchError, click.UsageError) as error:
            if not str(error).strip():
                self.bad.append(f"{what}: refused without a word")
        except (Exception, Endless) as error:
            self.bad.append(f"{what}: {type(error).__name__}: {str(error)[:200]}")


@contextmanager
def _limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Endless(f"no end after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _yaml_setting(path: Path) -> object:
    text = path.read_bytes().decode("utf-8", "replace")
    return settings(None, None, tuple(f"a={line}" for line in text.split("\n")))  # type: ignore[arg-type]


def _hdtf(spoilt: str, path: Path) -> object:
    """Read HDTF's files, one of which is the spoilt one at `path`."""
    folder = path.parent / "hdtf"
    folder.mkdir(exist_ok=True)
    for kind, text in HDTF.items():
        (folder / f"RD_{kind}.txt").write_bytes(path.read_bytes() if kind == spoilt else text.encode())
    return read_hdtf(folder)


def _record(path: Path) -> object:
    record = parse_file(RunRecord, path)
    return record.to_json(), record.fingerprint(), public(record)


def texts() -> dict[str, list[tuple[bytes, str, Read]]]:
    """By kind: sound texts, the endings of their files, and what reads them."""
    pairs = format_pairs(read_pairs(ROOT / "datasets/sets/demo/cross-identity.csv", lambda clip: 500)[:8])
    lists: list[tuple[bytes, str, Read]] = [
        (pairs.encode(), ".csv", lambda path: read_pairs(path, lambda clip: 500)),
        (OFFICIAL.encode(), ".csv", lambda path: read_official(path, NAMING, lambda clip: range(9))),
    ]
    for name, text in CUTS.items():
        card = datasets.create(name).card
        lists.append((text.encode(), ".csv", lambda path, card=card: read_cuts(card, path)))  # type: ignore[misc]
    lists += [(text.encode(), ".txt", partial(_hdtf, kind)) for kind, text in HDTF.items()]
    files: list[tuple[Path, Read]] = [
        *((path, lambda path: load_config(str(path))) for path in sorted(RECIPES.rglob("*.yaml"))),
        *((path, lambda path: protocol.load(str(path))) for path in sorted(protocol.FOLDER.glob("*.yaml"))),
        *((path, read_layout) for path in sorted(LAYOUTS.glob("*.yaml"))),
        *((path, lambda path: read_card(FamilyCard, path)) for path in sorted((ROOT / "methods").glob("*/card.yaml"))),
        *(
            (path, lambda path: read_card(DatasetCard, path))
            for path in sorted((ROOT / "datasets/sets").glob("*.yaml"))
        ),
        (protocol.FOLDER / "fomm-video.yaml", _yaml_setting),
    ]
    records: list[tuple[Path, Read]] = [
        (ENTRY / "run.json", _record),
        (ENTRY / "summary.json", lambda path: parse_file(Summary, path).to_json()),
        (ENTRY / "entry.json", lambda path: parse_file(EntryInfo, path).to_json()),
    ]
    return {
        "lists": lists,
        "YAML files": [(path.read_bytes(), ".yaml", read) for path, read in files],
        "records": [(path.read_bytes(), ".json", read) for path, read in records],
    }


def attack_texts(count: int, seed: int, folder: Path) -> dict[str, Tally]:
    """Spoil and read `count` texts, a third of each kind."""
    tallies = {}
    for kind, sound in texts().items():
        tally = tallies[kind] = Tally()
        for number in range(-(-count // 3)):
            rng = random.Random(f"{kind} {seed} {number}")  # noqa: S311
            data, ending, read = rng.choice(sound)
            if kind == "records" and rng.random() < 0.7:
                spoilt = spoiled_json(data.decode(), rng)
            else:
                spoilt = spoiled(data, rng)
            path = folder / f"spoilt{ending}"
            path.write_bytes(spoilt)
            tally.attempt(lambda read=read, path=path: read(path), f"{kind} {number}")  # type: ignore[misc]
    return tallies


def attack_entries(count: int, seed: int, folder: Path) -> Tally:
    """Spoil a file of an entry, check the entry, and show it if it is sound."""
    tally = Tally()
    for number in range(count):
        rng = random.Random(f"entries {seed} {number}")  # noqa: S311
        entry = folder / ENTRY.name
        shutil.rmtree(entry, ignore_errors=True)
        shutil.copytree(ENTRY, entry)
        name = rng.choice(
            ["run.json", "run.json", "summary.json", "entry.json", "rows.parquet", "rows.parquet", "picture"]
        )
        _spoil_entry(entry, name, rng)
        tally.attempt(lambda entry=entry: _review(entry), f"entry {number}, {name}")  # type: ignore[misc]
    return tally


def _spoil_entry(entry: Path, name: str, rng: random.Random) -> None:
    """Spoil a file; in most cases ``entry.json`` lists the hash of what it became."""
    path = entry / "thumbnails" / "000000-source.webp" if name == "picture" else entry / name
    if name == "rows.parquet" and rng.random() < 0.6:
        rows = read_rows(path, "").to_pandas()
        column, value = rng.choice(list(rows)), rng.choice(VALUES)
        places = rows.index if rng.random() < 0.3 else rng.sample(range(len(rows)), 3)
        try:
            rows.loc[places, column] = value
            write_rows(path, rows)
        except Exception:  # a value that no column of this kind takes
            path.write_bytes(spoiled(path.read_bytes(), rng))
    elif name.endswith(".json"):
        path.write_bytes(spoiled_json(path.read_text(), rng))
    else:
        path.write_bytes(spoiled(path.read_bytes(), rng))
    if name != "entry.json" and rng.random() < 0.9:
        info = json.loads((entry / "entry.json").read_text())
        info["files"] = {file: sha256_file(entry / file) for file in info["files"]}
        (entry / "entry.json").write_text(json.dumps(info))


def _review(entry: Path) -> None:
    lines = faults(entry, expected_of)
    if any(len(line.splitlines()) != 1 for line in lines):
        raise AssertionError(f"not one line each: {lines}")
    if lines:
        raise TalkbenchError(lines[0])
    with redirect_stdout(io.StringIO()):
        print_review(Entry.load(entry))


def attack(count: int, entries: int, seed: int = 0) -> dict[str, Tally]:
    """Try that many texts and entries."""
    logging.disable(logging.CRITICAL)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return {**attack_texts(count, seed, Path(folder)), "entries": attack_entries(entries, seed, Path(folder))}
    finally:
        logging.disable(logging.NOTSET)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--entries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tallies = attack(options.texts, options.entries, options.seed)
    for kind, tally in tallies.items():
        clean = tally.tried - len(tally.bad)
        print(f"{kind}: {tally.tried} tried, {clean} clean ({tally.read} read), {len(tally.bad)} bad")
        for line in tally.bad[:20]:
            print(f"  {line}")
    sys.exit(any(tally.bad for tally in tallies.values()))


if __name__ == "__main__":
    main()
