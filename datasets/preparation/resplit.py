"""Splitting a data set anew, so that the people of the tests are trained on and the clips of the tests are not.

What a split like that of the MCNet supplement's Table 5 needs, which was not released: it is drawn by a seed from the
list of clips alone, so that it is the same wherever it is drawn, whichever clips are on the disk.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.external import ExternalDataset, external_datasets
from talkbench.datasets.pairs import Pair
from talkbench.datasets.preparation.metadata import Cut, read_cuts
from talkbench.datasets.registration import create
from talkbench.datasets.sampling import seen_identities

SLOWEST = 23
"""Frames per second that clips are taken to have at least, since hardly a video has fewer than 23.976 of them: the
list of clips says how long a clip is, not how many frames it has."""


@dataclass(frozen=True)
class Resplit:
    """Pairs of a new split; `note`: one line on who is tested and what is left to train on."""

    pairs: list[Pair]
    note: str


def resplit_of(data: ExternalDataset) -> ExternalDataset:
    """The data set with the clips of `data` and with people that are seen in training; `data` itself if it is one.

    Raises:
        TalkbenchError: there is none.
    """
    if data.card.resplit_of:
        return data
    sets = external_datasets()
    name = next((other.name for other in sets if other.card.resplit_of == data.name), None)
    if name is None:
        able = ", ".join(other.card.resplit_of for other in sets if other.card.resplit_of)
        raise TalkbenchError(f"{data.name} has no split of seen identities; {able} has one")
    split = create(name, data.root)
    assert isinstance(split, ExternalDataset)
    return split


def draw_seen(split: ExternalDataset, seed: int, count: int) -> Resplit:
    """Draw `count` pairs of the new `split`, from the training part that the list of clips has.

    Raises:
        TalkbenchError: the list of clips is missing, is not the published one, or has too few clips.
    """
    source = create(split.card.resplit_of, split.root)
    assert isinstance(source, ExternalDataset)
    metadata = next(entry for entry in source.files.values() if entry.task == "metadata")
    if metadata.status(split.root) != "there":
        raise TalkbenchError(
            f"the split is drawn from {metadata.slug}, and {metadata.location(split.root)} is not there as it was "
            f"published; bench data fetch-lists {source.name} --root {shlex.quote(str(split.root))}"
        )
    cuts = [cut for cut in read_cuts(source.card, metadata.location(split.root)).cuts if cut.clip.startswith("train/")]
    videos = {PurePosixPath(cut.clip).name: cut.video for cut in cuts}
    frames = {PurePosixPath(cut.clip).name: range(_frames(cut)) for cut in cuts}
    pairs = seen_identities(frames, split.identity, seed, count)
    tested = {pair.source.clip for pair in pairs}
    return Resplit(pairs, _note(videos, tested, split))


def _frames(cut: Cut) -> int:
    assert cut.rate is not None
    return int((cut.end - cut.start) * SLOWEST / cut.rate)


def _note(videos: dict[str, str], tested: set[str], split: ExternalDataset) -> str:
    """`videos`: the recording that each clip is cut from."""
    trained = [clip for clip in videos if clip not in tested]
    clips_of = Counter(map(split.identity, videos))
    single = sum(count == 1 for count in clips_of.values())
    recorded = {videos[clip] for clip in trained}
    beside = sum(videos[clip] in recorded for clip in tested)
    people = len(set(map(split.identity, tested)))
    left = len(set(map(split.identity, trained)))
    return (
        f"{len(tested)} clips of {people} people are tested; {len(trained)} of {left} people are left to train on, "
        f"everyone who is tested among them; {beside} of the tested clips are of a recording of which other clips are "
        f"trained on; people with one clip, which is not tested: {single}"
    )
