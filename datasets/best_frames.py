"""Reference frames that were searched for a list that names none, in a file beside the data's lists."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic
from talkbench.datasets.pairs import Pair, format_pairs, read_pairs

LANDMARKS = ("fan68-flip", "mtcnn5")
"""The extractors by which a best frame is found: the authors' (docs/specs/evaluation.md 7), and what needs no
download."""


def best_path(root: Path, name: str, extractor: str) -> Path:
    """Where the references of the list `name` are kept that were found by the landmarks of `extractor`."""
    return root / "lists" / f"{name}-best-{extractor}.csv"


def write_best(path: Path, pairs: Sequence[Pair], extractor: str) -> None:
    """Write `pairs` as a canonical list, with the `extractor`'s id in a further column, which readers ignore."""
    rows = csv.reader(io.StringIO(format_pairs(pairs)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [*row, "reference_by" if number == 0 else extractor] for number, row in enumerate(rows)
    )
    write_atomic(path, text.getvalue())


def with_best(pairs: Sequence[Pair], root: Path, name: str) -> tuple[list[Pair], str]:
    """The pairs, those that lack a reference with the one that was found for them, and the file that this comes from;
    the pairs as they are and "" if there is no such file or no need of one.

    Raises:
        TalkbenchError: the file is damaged, or was made for other pairs.
    """
    paths = [best_path(root, name, extractor) for extractor in LANDMARKS]
    path = next((path for path in paths if path.is_file()), None)
    if path is None or all(pair.reference for pair in pairs):
        return list(pairs), ""
    found = read_pairs(path, lambda clip: sys.maxsize)
    if [(pair.source, pair.driving) for pair in found] != [(pair.source, pair.driving) for pair in pairs]:
        raise TalkbenchError(f"{path} was made for other pairs; make it anew with bench data best-frames")
    both = zip(pairs, found, strict=True)
    return [replace(pair, reference=pair.reference or best.reference) for pair, best in both], str(path)
