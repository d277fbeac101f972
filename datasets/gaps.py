"""Frame numbers that are missing within a clip: frames that were deleted or never arrived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, islice, pairwise

from talkbench.datasets.clips import file_number
from talkbench.datasets.interface import Clip

NAMED = 3  # missing numbers, and clips, that a message names


@dataclass(frozen=True)
class Gap:
    """What a clip lacks.

    Attributes:
        count: how many numbers are missing.
        first: the first of them.
    """

    count: int
    first: tuple[int, ...]

    def __str__(self) -> str:
        """In words: ``2 frames are missing (5, 9)``."""
        numbers = ", ".join(map(str, self.first)) + (", …" if self.count > len(self.first) else "")
        return f"1 frame is missing ({numbers})" if self.count == 1 else f"{self.count} frames are missing ({numbers})"


def gap_of(clip: Clip, from_zero: bool) -> Gap | None:
    """The numbers that are missing between the first and the last file of a folder of frames; None: none is, or the
    names do not tell. A video has no gaps.

    Args:
        from_zero: the first frame is known to have the number 0. Else numbers may begin anywhere, and those that mostly
            do not go up by one are taken for something other than a count.
    """
    names = [clip.name(index) for index in clip.numbers]
    if not all(names):
        return None
    named = [file_number(name) for name in names]
    numbers = sorted({number for number in named if number is not None})
    if not numbers or None in named:
        return None
    steps = Counter(last - first for first, last in pairwise(numbers))
    if not from_zero and (not steps or steps.most_common(1)[0][0] != 1):
        return None
    if from_zero:
        numbers = [-1, *numbers]
    runs = [range(before + 1, after) for before, after in pairwise(numbers) if after - before > 1]
    # len() of a range fails beyond 2**63, which a number in a name may be
    count = sum(run.stop - run.start for run in runs)
    return Gap(count, tuple(islice(chain.from_iterable(runs), NAMED))) if runs else None


def describe_gaps(gaps: Mapping[str, Gap]) -> str:
    """One line that names the first clips with gaps; "" if there are none."""
    if not gaps:
        return ""
    named = "; ".join(f"{clip}: {gap}" for clip, gap in islice(gaps.items(), NAMED))
    more = f"; and {len(gaps) - NAMED} more clips" if len(gaps) > NAMED else ""
    return f"frames are missing within clips: {named}{more}"
