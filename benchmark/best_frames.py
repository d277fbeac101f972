"""The frame of a driving clip whose face is posed most like the source's: the reference of relative motion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from talkbench import datasets
from talkbench.benchmark.environment import choose_device, memory_advice
from talkbench.benchmark.poses import choose_landmarks, closest
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import resize
from talkbench.datasets import Dataset, Frame, Pair
from talkbench.datasets.best_frames import best_path, write_best
from talkbench.metrics import Extractor, FeatureCache

SIZE = 256
"""Side in pixels at which faces are looked for (docs/specs/evaluation.md 7)."""


@dataclass(frozen=True)
class BestOptions:
    """What the user asks for; see ``bench data best-frames --help`` for each."""

    dataset: str
    task: str = "cross-identity"
    pairs: str | None = None
    root: Path | None = None
    out: Path | None = None
    batch_size: int = 16
    device: str = "auto"


@dataclass(frozen=True)
class BestFrameList:
    """A list that was written.

    Attributes:
        path: the file.
        pairs: how many pairs it has.
        matched: for how many of them the search had a result; the others have the first frame of their clip.
    """

    path: Path
    pairs: int
    matched: int


def find_best_frames(options: BestOptions, progress: Progress) -> BestFrameList:
    """Search the best reference frame for every pair that has none, and write the list with these references.

    The candidates are all frames of the driving clip, at `SIZE` (docs/specs/evaluation.md 7). A pair without a result
    gets the first frame of its clip, and the user a warning.

    Raises:
        TalkbenchError: a name is unknown, the data is missing, all pairs have a reference already, or no frame shows a
            face.
    """
    device = choose_device(options.device)
    data = datasets.create(options.dataset, root=options.root)
    if options.task not in data.tasks:
        data.split(options.task)  # which says what is wrong
    data.prepare_list(options.task, options.pairs)
    listing = data.listing(options.task, options.pairs)
    pairs = listing.pairs
    if all(pair.reference for pair in pairs):
        raise TalkbenchError(
            f"{listing.source} names a reference frame for every pair; use it with --motion relative-best"
        )
    extractor, remark = choose_landmarks(str(device))
    if remark:
        progress.warn(remark)
    with memory_advice(options.batch_size):
        best = _search(data, pairs, _Faces(data, extractor, options.batch_size), progress)
    if not best:
        raise TalkbenchError(f"no pair of {listing.source} has a best frame: clips are missing or show no face")
    path = options.out or best_path(data.root, data.list_name(options.task, options.pairs), extractor.name)
    chosen = [replace(pair, reference=pair.reference or best.get(pair) or _first(data, pair)) for pair in pairs]
    write_best(path, chosen, extractor.full_id)
    wanting = sum(pair.reference is None and pair not in best for pair in pairs)
    if wanting:
        progress.warn(
            f"{wanting} of {len(pairs)} pairs have no best frame, since clips are missing or show no face; their "
            "reference is the first frame of the driving clip"
        )
    return BestFrameList(path, len(pairs), len(pairs) - wanting)


def _first(data: Dataset, pair: Pair) -> Frame:
    return Frame(pair.driving.clip, next(iter(_numbers(data, pair.driving.clip)), 0))


class _Faces:
    """Landmarks of frames at `SIZE`, through the cache, in batches."""

    def __init__(self, data: Dataset, extractor: Extractor, batch_size: int) -> None:
        self.data, self.extractor, self.batch_size, self.cache = data, extractor, batch_size, FeatureCache()

    def find(self, frames: Iterable[Frame]) -> dict[Frame, np.ndarray]:
        """The landmarks of those of the `frames` that can be read and show a face."""
        landmarks: dict[Frame, np.ndarray] = {}
        batch: dict[Frame, np.ndarray] = {}
        for frame in frames:
            try:
                batch[frame] = resize(self.data.read(frame), SIZE)
            except PairError:
                continue
            if len(batch) == self.batch_size:
                landmarks |= self._extract(batch)
                batch = {}
        return landmarks | self._extract(batch)

    def _extract(self, batch: Mapping[Frame, np.ndarray]) -> dict[Frame, np.ndarray]:
        features = self.cache.get_or_extract(self.extractor, list(batch.values()))
        return {frame: points for frame, points in zip(batch, features, strict=True) if points is not None}


def _search(data: Dataset, pairs: Sequence[Pair], faces: _Faces, progress: Progress) -> dict[Pair, Frame]:
    """The best frames of the pairs that have one. It goes clip by clip, so that each frame is read once."""
    by_clip: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.reference is None:
            by_clip[pair.driving.clip].append(pair)
    best: dict[Pair, Frame] = {}
    progress.start(0, len(by_clip))
    for clip, clip_pairs in by_clip.items():
        sources = faces.find(dict.fromkeys(pair.source for pair in clip_pairs))
        drivings = faces.find(Frame(clip, number) for number in _numbers(data, clip)) if sources else {}
        candidates = {frame.index: points for frame, points in drivings.items()}
        for pair in clip_pairs:
            if candidates and pair.source in sources:
                best[pair] = Frame(clip, closest(faces.extractor, sources[pair.source], candidates))
        progress.advance(1)
    return best


def _numbers(data: Dataset, clip: str) -> Sequence[int]:
    try:
        return data.store.open(clip).numbers
    except PairError:
        return ()
