"""`bench results export`: from a run to an entry of the leaderboard, with what the cards say of its method."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from talkbench import datasets, methods
from talkbench.benchmark.programs.card import ProgramCard
from talkbench.benchmark.programs.program import card_of_run
from talkbench.benchmark.sharing.entry_clips import entry_clips
from talkbench.benchmark.sharing.shown_runs import ShownRun
from talkbench.core.dataset_cards import may_have_seen, set_names
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import resize
from talkbench.datasets import Frame
from talkbench.methods import cards
from talkbench.results import RunRecord, RunStore, summary_of
from talkbench.results.entries import (
    MAX_CLIPS,
    MAX_SIDE,
    MAX_THUMBNAILS,
    Entry,
    EntryDetails,
    default_name,
    write_entry,
)
from talkbench.results.privacy import public, without_folders

if TYPE_CHECKING:
    import pandas as pd

WEBP_QUALITY = 85
DETAILS = ("name", "label", "licence", "year", "training_data", "parameters", "note")


@dataclass(frozen=True)
class ExportOptions:
    """What the user says of a run; see ``bench results export --help`` for each. None: the method's card says it."""

    name: str | None = None
    label: str | None = None
    paper: str | None = None
    code: str | None = None
    licence: str | None = None
    year: int | None = None
    training_data: str | None = None
    parameters: int | None = None
    perf: Path | None = None
    speed: tuple[float, str] | None = None
    note: str | None = None
    thumbnails: int = MAX_THUMBNAILS
    clips: int = MAX_CLIPS
    root: Path | None = None


def export_entry(
    folder: Path, out: Path, options: ExportOptions, say: Callable[[str], None] = lambda line: None
) -> Entry:
    """Write the finished run in `folder` as an entry below `out`. Without thumbnails it has no clips either, since both
    show people.

    Args:
        say: called with a line for each clip that the entry has to do without.

    Raises:
        TalkbenchError: there is no finished run, the entry is there already, a detail is not allowed in an entry, or
            the real frames of the thumbnails and clips cannot be read.
    """
    store = RunStore(folder)
    record, rows = store.read_record(), store.rows()
    store.read_summary()  # refuses a run that has not ended
    if rows["pair"].nunique() < record.dataset.pairs:
        raise TalkbenchError(f"{folder} is not finished; finish it with bench run --resume")
    details = describe(record, options, card_of_run(folder))
    pictured = options.thumbnails > 0 and has_frames(folder)
    pictures = thumbnails(folder, rows, record, options) if pictured else {}
    data = datasets.create(record.dataset.name, root=options.root) if pictured and options.clips else None
    clips = entry_clips(ShownRun(folder), data, options.clips, say) if data else []
    clean = rows.assign(message=rows["message"].map(without_folders))
    return write_entry(out, details, public(record), summary_of(store, rows), clean, pictures, clips)


def has_frames(folder: Path) -> bool:
    """Whether the run has kept its generated frames."""
    return (folder / "frames").is_dir()


def describe(record: RunRecord, options: ExportOptions, program: ProgramCard | None = None) -> EntryDetails:
    """What an entry tells of the method of a run: what the user says, and the rest from the method's card.

    Args:
        program: the card of the program that was run; None for a method.

    Raises:
        TalkbenchError: a value is not allowed in an entry.
    """
    details = {**_from_card(record), **_from_program(program), **_cost(record, options)}
    stated = {field: value for field in DETAILS if (value := getattr(options, field)) is not None}
    links = {field: link for field in ("paper", "code") if (link := getattr(options, field)) is not None}
    details |= {**stated, "links": {**details["links"], **links}}
    details["leakage"] = _leakage(record, details.get("training_data", ""))
    try:
        return EntryDetails.model_validate(details)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][-1] if first["loc"] else "speed").replace("_", "-")
        raise TalkbenchError(f"--{option} {first.get('input', '')!r}: {first['msg'].lower()}") from error


def _from_program(card: ProgramCard | None) -> dict[str, Any]:
    """What the card of a program says of its method."""
    if card is None:
        return {}
    links = {"paper": card.paper, "code": card.code}
    links = {field: link for field, link in links.items() if link.startswith("http")}
    return {"links": links, "year": card.year, "licence": str(card.licence), "note": card.short}


def _from_card(record: RunRecord) -> dict[str, Any]:
    name = record.method.name
    details: dict[str, Any] = {"name": default_name(record), "label": _label(record), "links": {}}
    try:
        card = cards.card(name)
    except TalkbenchError:  # frames of another program, or a package that is not installed here
        return details
    links = {"paper": card.paper, "code": card.code}
    details["links"] = {field: link for field, link in links.items() if link.startswith("http")}
    details |= {"year": card.year, "licence": str(card.licence)}
    details["note"] = card.short
    if not record.method.frames:
        details["parameters"] = methods.count_parameters(name)
        if _published_weights(record):
            details["training_data"] = card.training_data
    return details


def _published_weights(record: RunRecord) -> bool:
    """Whether a run used the weights that the method's card names, and not a file of the user's own."""
    published = cards.card(record.method.name).weights
    if record.method.checkpoint is None or published is None:
        return False
    origin = record.method.origin  # of weights that ship it also says of which training they are
    return origin == published.source or origin.startswith(f"{published.source}, ")


def _leakage(record: RunRecord, trained_on: str) -> bool | None:
    """Whether the weights may have been trained on people or videos of the pairs; see `EntryInfo`."""
    if record.seen:
        return True
    if record.method.checkpoint is None and record.method.frames is None:
        return False
    sets = set_names(trained_on)
    tested = datasets.card(record.dataset.name)
    official = {entry.sha256 for entry in tested.lists.values() if entry.held_out} - {""}
    held_out = record.dataset.list_sha256 in official
    seen = [may_have_seen(datasets.card(name), tested, held_out) for name in sets]
    if not sets or not set(sets) <= set(datasets.registry.names()):
        return True if any(one is not None for one in seen) else None
    return any(seen)


def _label(record: RunRecord) -> str:
    numerics = record.method.numerics
    return f"{record.method.name} ({numerics})" if numerics else record.method.name


def _cost(record: RunRecord, options: ExportOptions) -> dict[str, Any]:
    """Speed and parameters: from the options, or from a CSV of ``bench perf``."""
    if options.speed is not None:
        return {"frames_per_second": options.speed[0], "device": options.speed[1]}
    if options.perf is None:
        return {}
    try:
        rows = list(csv.DictReader(options.perf.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TalkbenchError(f"cannot read {options.perf}: {error}; give a CSV of bench perf") from error
    method, mode = record.method.name, record.method.numerics.replace(", ", "+") or "float32"
    setting = {"method": method, "mode": mode, "batch_size": "1"}
    measured = [row for row in rows if setting.items() <= row.items() and row.get("frames_per_second")]
    if not measured:
        raise TalkbenchError(f"{options.perf} has no row of {method}, {mode}, one frame at a time; run bench perf")
    row = measured[-1]
    if not int(row["parameters"]):  # a yardstick, which computes nothing
        return {}
    return {
        "frames_per_second": float(row["frames_per_second"]),
        "device": row["device"],
        "parameters": int(row["parameters"]),
    }


def thumbnails(
    folder: Path, rows: pd.DataFrame, record: RunRecord, options: ExportOptions
) -> dict[int, tuple[bytes, bytes, bytes]]:
    """WebP files of source, driving and generated frame of the pairs that `chosen_pairs` takes, by their numbers; of
    clips of which no picture may be published there are none.

    Raises:
        TalkbenchError: the real frames cannot be read.
    """
    run = ShownRun(folder)
    kept = [number for number in run.pairs.index if run.path(number).is_file()]
    data = datasets.create(record.dataset.name, root=options.root)
    rows = rows[~rows["pair"].isin(run.hidden(data))]
    chosen = chosen_pairs(rows, record, [number for number in kept if number in set(rows["pair"])], options.thumbnails)
    data.prepare_clips(run.clips(chosen))
    pictures = {}
    for number in chosen:
        place = run.pairs.loc[number]
        frames = Frame(*place.iloc[:2]), Frame(*place.iloc[2:])
        try:
            real = [resize(data.read(frame), record.dataset.image_size) for frame in frames]
        except PairError as error:
            raise TalkbenchError(
                f"no thumbnail of pair {number}: {error}; name the folder of the data with --root, or --thumbnails 0"
            ) from error
        source, driving, generated = (_webp(image) for image in (*real, run.frame(number)))
        pictures[number] = (source, driving, generated)
    return pictures


def chosen_pairs(rows: pd.DataFrame, record: RunRecord, kept: Sequence[int], count: int) -> list[int]:
    """The numbers of `count` pairs to show, chosen among those with `kept` frames; fewer if there are not so many.

    Two thirds are at even steps of the list, the same in all runs of that list, so that entries show the same pairs.
    The others are the best and the worst by the first metric that ranks.
    """
    listed = sorted(set(rows["pair"]))
    even = count - 2 * max(1, count // 6)
    places = np.linspace(0, len(listed) - 1, min(max(even, 0), len(listed))).round().astype(int)
    chosen = [number for number in (listed[place] for place in places) if number in set(kept)]
    ranked = _ranked(rows, record, [number for number in kept if number not in chosen])
    ends = chain.from_iterable(zip(ranked, reversed(ranked), strict=True))  # best, worst, second best ...
    return sorted([*chosen, *list(dict.fromkeys(ends))[: count - len(chosen)]])


def _ranked(rows: pd.DataFrame, record: RunRecord, numbers: Sequence[int]) -> list[int]:
    """The `numbers` of pairs from best to worst by the first metric of the run that ranks, those without a value left
    out; in their own order where no metric does."""
    spec = record.ranking
    if spec is None:
        return sorted(numbers)
    values = rows[(rows["metric"] == spec.name) & rows["value"].notna() & rows["pair"].isin(numbers)]
    ordered = values.sort_values(["value", "pair"], ascending=[spec.direction == "lower", True], kind="stable")
    return [int(number) for number in ordered["pair"]]


def _webp(image: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(resize(image, min(MAX_SIDE, image.shape[0]))).save(
        file, format="WEBP", quality=WEBP_QUALITY, method=6
    )
    return file.getvalue()
