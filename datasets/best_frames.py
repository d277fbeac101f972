"""The best reference frames for a pair list that names none, kept in a file beside the data's lists."""

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
"""The extractors whose landmarks decide which frame is best: the authors' (docs/specs/evaluation.md 7), and one that
needs no download."""


def best_path(root: Path, name: str, extractor: str) -> Path:
    """The file of the best references of the list `name` by the landmarks of `extractor`."""
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
    """Give the best reference to each pair that has none; returns the pairs and the file that the references are from.

    If there is no such file, or every pair has a reference, the pairs come back unchanged and the file is "".

    Raises:
        TalkbenchError: the file is damaged, or was made for other pairs.
    """
    paths = [best_path(root, name, extractor) for extractor in LANDMARKS]
    path = next((path for path in paths if path.is_file()), None)
    if path is None or all(pair.reference for pair in pairs):
        return list(pairs), ""
    best_pairs = read_pairs(path, lambda clip: sys.maxsize)
    if [(pair.source, pair.driving) for pair in best_pairs] != [(pair.source, pair.driving) for pair in pairs]:
        raise TalkbenchError(f"{path} was made for other pairs; make it anew with bench data best-frames")
    both = zip(pairs, best_pairs, strict=True)
    return [replace(pair, reference=pair.reference or best.reference) for pair, best in both], str(path)
