"""Drawing pair lists by a seed, as the authors drew theirs without one (docs/specs/evaluation.md 6.1).

* Same-identity: `videos` of the clips are drawn, then `count` times one of them and two of its frames, source first.
* Cross-identity: `count` times two identities are drawn, and for each of them a clip and a frame of that clip.
* Seen identities: `videos` clips are drawn of people who have another clip, then pairs within each of them in turn.
* Reconstruction: nothing is drawn; every clip's first frame is the source of all its frames, itself included.

All draws are uniform; a pair may come twice. The order of clips before drawing is that of their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.pairs import Frame, Pair

COUNT = 2083  # of pairs, as in the official lists
VIDEOS = 100  # that same-identity pairs are drawn from

SEEN_VIDEOS = 500  # that are held out of people who are trained on

Clips = Mapping[str, Sequence[int]]  # by name, the numbers of the frames


def same_identity(clips: Clips, seed: int, count: int = COUNT, videos: int | None = VIDEOS) -> list[Pair]:
    """`count` pairs within a clip, from at most `videos` clips (None: from all); clips of one frame are left out.

    Raises:
        TalkbenchError: no clip has two frames.
    """
    rng = np.random.default_rng(seed)
    names = sorted(name for name, numbers in clips.items() if len(numbers) > 1)
    if not names:
        raise TalkbenchError("no clip has two frames, which same-identity pairs need; add longer clips")
    if videos is not None and len(names) > videos:
        names = [names[place] for place in rng.permutation(len(names))[:videos]]
    pairs = []
    for _ in range(count):
        name = names[rng.integers(len(names))]
        first, second = rng.choice(len(clips[name]), size=2, replace=False).tolist()
        pairs.append(Pair(Frame(name, clips[name][first]), Frame(name, clips[name][second])))
    return pairs


def seen_identities(
    clips: Clips, identity: Callable[[str], str], seed: int, count: int = COUNT, videos: int = SEEN_VIDEOS
) -> list[Pair]:
    """`count` pairs within `videos` clips, as many of each as of the others or one less, source first.

    Everyone in them has a clip that is not among them.

    Raises:
        TalkbenchError: too few clips can be held out so.
    """
    rng = np.random.default_rng(seed)
    names = sorted(clips)
    left = Counter(map(identity, names))
    chosen: list[str] = []
    for place in rng.permutation(len(names)):
        person = identity(names[place])
        if len(chosen) < videos and left[person] > 1 and len(clips[names[place]]) > 1:
            left[person] -= 1
            chosen.append(names[place])
    if len(chosen) < videos:
        raise TalkbenchError(
            f"{videos} clips have to be held out, and only {len(chosen)} of the {len(names)} can be: everyone who is "
            "tested needs another clip to be trained on; give the whole list of clips"
        )
    pairs = []
    for name in (chosen[number % videos] for number in range(count)):
        first, second = rng.choice(len(clips[name]), size=2, replace=False).tolist()
        pairs.append(Pair(Frame(name, clips[name][first]), Frame(name, clips[name][second])))
    return pairs


def cross_identity(clips: Clips, identity: Callable[[str], str], seed: int, count: int = COUNT) -> list[Pair]:
    """`count` pairs across identities.

    Raises:
        TalkbenchError: all clips show one identity.
    """
    rng = np.random.default_rng(seed)
    people: dict[str, list[str]] = {}
    for name in sorted(clips):
        people.setdefault(identity(name), []).append(name)
    if len(people) < 2:
        raise TalkbenchError("cross-identity pairs need clips of two identities; add one of another person")
    identities = sorted(people)

    def frame(person: int) -> Frame:
        names = people[identities[person]]
        name = names[rng.integers(len(names))]
        return Frame(name, clips[name][int(rng.integers(len(clips[name])))])

    pairs = []
    for _ in range(count):
        source, driving = rng.choice(len(identities), size=2, replace=False).tolist()
        pairs.append(Pair(frame(source), frame(driving)))
    return pairs


def reconstruction(clips: Clips) -> list[Pair]:
    """The first frame of each clip as the source of all its frames."""
    return [Pair(Frame(name, clips[name][0]), Frame(name, number)) for name in sorted(clips) for number in clips[name]]


def possible_or_drawn(task: str, clips: Clips, identity: Callable[[str], str], seed: int) -> list[Pair]:
    """All possible pairs of a task in a few clips, or `COUNT` that are drawn from those of more.

    Raises:
        TalkbenchError: there are none.
    """
    if task == "reconstruction":
        return reconstruction(clips)
    frames = {name: [Frame(name, number) for number in clips[name]] for name in sorted(clips)}
    if task == "same-identity":
        if 0 < sum(len(own) * (len(own) - 1) for own in frames.values()) <= COUNT:
            return [Pair(a, b) for own in frames.values() for a in own for b in own if a != b]
        return same_identity(clips, seed, videos=None)
    everything = [(identity(name), frame) for name, own in frames.items() for frame in own]
    few = len(everything) ** 2 <= COUNT
    if few and (pairs := [Pair(a, b) for one, a in everything for other, b in everything if one != other]):
        return pairs
    return cross_identity(clips, identity, seed)
