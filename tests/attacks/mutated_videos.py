"""Spoils videos that are sound, and reads each in a process of its own: it is read or refused in a `TalkbenchError`,
never another exception, a crash of the decoder's library, or without end; and what is read once is read again.

    PYTHONPATH=tests python tests/attacks/mutated_videos.py --videos 300

The same seed spoils the same. It prints how many were tried, how many were clean, and how many were bad, with the
first of these, and ends with the exit code 1 if one was.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from made_videos import B_FRAMES, write_video

from talkbench.benchmark.videos.mp4 import write_video as write_film
from talkbench.benchmark.videos.sound import sound_of
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.images import resize
from talkbench.datasets.clips import open_clip
from talkbench.datasets.videos import VideoClip, is_video

SECONDS = 30
"""After which reading a video counts as endless."""

GIGABYTES = 4
"""That a process may ask for."""

FRAMES = 200
"""More are not read: damaged headers may promise millions."""

KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "mp4": ("libx264", {"options": B_FRAMES, "sound": 0.96}),
    "mkv": ("libx264", {"options": B_FRAMES, "sound": 0.96}),
    "webm": ("libvpx", {"sound": 0.96}),
    "avi": ("libx264", {"options": B_FRAMES}),
    "mov": ("mpeg4", {"sound": 0.96, "layout": {"movflags": "faststart"}}),
    "m4v": ("libx264", {"options": B_FRAMES, "form": "mp4", "layout": {"movflags": "faststart"}}),
    "wmv": ("wmv2", {}),
    "ts": ("libx264", {"options": B_FRAMES, "sound": 0.96}),
    "gif": ("gif", {"pixels": "gray"}),
}


@dataclass
class Tally:
    """How many videos were tried, what the clean ones gave, and what the others did."""

    tried: int = 0
    clean: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        clean = ", ".join(f"{count} {what}" for what, count in sorted(self.clean.items()))
        return f"videos: {self.tried} tried, {self.clean.total()} clean ({clean}), {len(self.bad)} bad"


def sound_videos(folder: Path) -> dict[str, bytes]:
    """A sound video of each of `KINDS`."""
    videos = {}
    for ending, (codec, options) in KINDS.items():
        videos[ending] = write_video(folder / f"sound.{ending}", codec, **options).read_bytes()  # type: ignore[arg-type]
    return videos


def spoiled(videos: dict[str, bytes], rng: random.Random) -> tuple[str, bytes]:
    """One of the videos with one to three faults: its ending and its bytes."""
    ending = rng.choice(sorted(videos))
    data = bytearray(videos[ending])
    for _ in range(rng.randint(1, 3)):
        _spoil(data, videos, rng)
    return ending, bytes(data)


def _spoil(data: bytearray, videos: dict[str, bytes], rng: random.Random) -> None:
    """Give `data` a fault; half of them in the first or the last kilobytes, where headers and indices stand."""
    length = len(data)
    low, high = rng.choice([(0, length), (0, length), (0, min(length, 1500)), (max(0, length - 3000), length)])
    place = rng.randint(low, max(low, high - 1))
    kind = rng.choice(["flip", "flip", "number", "zeros", "cut", "behead", "remove", "repeat", "splice"])
    size = rng.choice([1, 16, 300, 4000])
    if kind == "flip":
        for _ in range(rng.choice([1, 4, 32])):
            if data:
                data[rng.randint(low, max(low, high - 1)) % length] ^= 1 << rng.randrange(8)
    elif kind == "number":
        value = rng.choice([0, 1, 0x7F, 0xFF, rng.randrange(256)])
        data[place : place + 4] = bytes([value] * 4)
    elif kind == "zeros":
        data[place : place + size] = bytes(len(data[place : place + size]))
    elif kind == "cut":
        del data[place:]
    elif kind == "behead":
        del data[: min(place, size)]
    elif kind == "remove":
        del data[place : place + size]
    elif kind == "repeat":
        data[place:place] = data[place : place + size]
    else:
        other = videos[rng.choice(sorted(videos))]
        start = rng.randint(0, len(other) - 1)
        data[place:] = other[start:]


def examine(path: Path) -> str:
    """Read a video in every way; what it gave.

    Raises:
        AssertionError: two ways give unlike frames.
    """
    video = is_video(path)
    try:
        clip = open_clip(path)
    except TalkbenchError:
        return "refused"
    assert isinstance(clip, VideoClip)
    assert video, "it opens as a video and is not told as one"
    numbers = range(min(len(clip), FRAMES))
    images = {}
    for number in numbers:
        try:
            images[number] = clip.read(number)
        except PairError:
            continue
    readable = [number for number in clip.sound_numbers() if number in numbers]
    assert readable == list(images), f"{readable} can be read, and {list(images)} were"
    again = VideoClip(path)
    for number in sorted(images, reverse=True)[::7]:
        assert np.array_equal(again.read(number), images[number]), f"frame {number} is another one the second time"
    clip.frames_between(Fraction(0), Fraction(2))
    _write(path, clip, images)
    return "damaged, said" if clip.damage else "whole" if len(images) == len(clip) else "with frames missing"


def _write(path: Path, clip: VideoClip, images: dict[int, np.ndarray]) -> None:
    """Write the frames with their time stamps and the video's sound."""
    if len(images) < len(clip):
        return
    frames = [resize(image, 32) for image in images.values()]
    with suppress(TalkbenchError):
        write_film(path.with_suffix(".out.mp4"), frames, clip.timeline, sound_of(path, clip.timeline))


def attack(path: Path) -> tuple[str, str]:
    """`examine` in a process of its own: whether it was clean, and what happened."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(path, sender))
    process.start()
    sender.close()
    if not receiver.poll(SECONDS):
        process.kill()
        process.join()
        return "bad", f"no end after {SECONDS} s"
    try:
        verdict, what = receiver.recv()
    except EOFError:
        process.join()
        return "bad", f"the process died, exit code {process.exitcode}"
    process.join()
    return verdict, what


def _work(path: Path, sender: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES << 30, GIGABYTES << 30))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the decoders' libraries write there
    try:
        sender.send(("clean", examine(path)))
    except BaseException as error:
        sender.send(("bad", f"{type(error).__name__}: {str(error)[:300]}"))


def attack_videos(count: int, seed: int, folder: Path, keep: Path | None = None) -> Tally:
    """Spoil and read `count` videos; bad ones are kept in the folder `keep`."""
    tally = Tally()
    videos = sound_videos(folder)
    for number in range(count):
        ending, data = spoiled(videos, random.Random(f"videos {seed} {number}"))  # noqa: S311
        path = folder / f"spoilt.{ending}"
        path.write_bytes(data)
        verdict, what = attack(path)
        tally.tried += 1
        if verdict == "clean":
            tally.clean[what] += 1
            continue
        tally.bad.append(f"{number}, {ending}: {what}")
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{number}.{ending}").write_bytes(data)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the bad ones")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        tally = attack_videos(options.videos, options.seed, Path(place), options.keep)
    print(tally)
    for line in tally.bad[:20]:
        print(f"  {line}")
    return bool(tally.bad)


if __name__ == "__main__":
    sys.exit(main())
