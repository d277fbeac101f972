"""Packing a data set: the frames of each clip into one file, in parallel, resumable, each clip all or nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import write_atomic
from talkbench.core.paths import inside
from talkbench.core.text import printable
from talkbench.datasets.clip_store import Store
from talkbench.datasets.clips import PackedClip
from talkbench.datasets.dataset import Dataset
from talkbench.datasets.fingerprints import fingerprint
from talkbench.datasets.interface import Clip
from talkbench.datasets.packs import ANEW, PACK, Pack, write_pack
from talkbench.datasets.preparation.cut import CutOutcome, run_jobs, sweep

WEBP_SIDE = 16383
"""Pixels; a longer side does not fit into a WebP."""
LISTS = "lists"
"""The folder of the data set's lists, which goes along."""


def check_folders(root: Path, out: Path) -> None:
    """Refuse to pack a data set into itself.

    Raises:
        TalkbenchError: one folder is the other one or lies in it.
    """
    source, target = root.resolve(), out.resolve()
    if target.is_relative_to(source) or source.is_relative_to(target):
        raise TalkbenchError(f"{out} and the data set in {root} lie in one another; name another folder with --out")


def clips_to_pack(data: Dataset) -> tuple[list[str], list[str]]:
    """The clips of a data set by their paths below its root, and the names of other files there.

    Raises:
        TalkbenchError: there are none, or the frames lie in the root itself.
    """
    data.prepare()
    survey = data.survey()
    if survey.clips == ["."]:
        raise TalkbenchError(
            f"the frames lie in {data.root} itself, which gives the clip no name; move them to a folder in it"
        )
    if not survey.clips:
        raise TalkbenchError(f"{data.root} holds no clip of {data.name}; name the folder of its clips with --root")
    return list(dict.fromkeys(survey.clips)), survey.passed_over


def pack_clips(data: Dataset, clips: Sequence[str], out: Path, workers: int) -> Iterator[list[CutOutcome]]:
    """Pack `clips` into files below `out`, of the same names and `PACK`; then copy the lists.

    Image files go in as they are. The frames of videos are stored without loss; of a frame that does not decode, that.

    Args:
        workers: processes at once; 1 works in this one.

    Yields:
        The outcomes of some clips at a time, as they are done.

    Raises:
        TalkbenchError: `out` cannot be written, or a worker has died.
    """
    sweep({out, *(inside(out, clip).parent for clip in clips)})
    store = replace(data.store, root=data.root, folders=(".",))
    yield from run_jobs([partial(_pack_clip, store, clip, out) for clip in clips], workers)
    for file in sorted((data.root / LISTS).glob("*")):
        if file.is_file():
            write_atomic(out / LISTS / file.name, file.read_bytes())


def _pack_clip(store: Store, name: str, out: Path) -> list[CutOutcome]:
    try:
        target = inside(out, f"{name}{PACK}")
        clip = store.open(name)
        _check_names(name, clip)
        if isinstance(clip, PackedClip):
            raise PairError("packed-already", f"{clip.path} is a pack already; copy it")
        source = fingerprint(clip.path)
        if target.is_file():
            _check_earlier(target, source)
            return [CutOutcome(name, name, "there")]
        faults: list[str] = []
        damage = clip.damage.removeprefix(f"{clip.path}: ")
        write_pack(target, _frames(clip, store.root, faults), not clip.name(clip.numbers[0]), damage, source)
    except PairError as error:
        return [CutOutcome(printable(name), printable(name), error.reason, error.message)]
    lost = f"{len(faults)} of {len(clip)} frames cannot be decoded: {faults[0]}" if faults else ""
    return [CutOutcome(name, name, "made", "; ".join(filter(None, (damage, lost))))]


def _check_names(name: str, clip: Clip) -> None:
    """Check that the names of the clip and its image files can be in a zip."""
    for each in (name, *map(clip.name, clip.numbers)):
        try:
            each.encode()
        except UnicodeEncodeError as error:
            raise PairError("not-utf-8", f"{each!a} is not named in UTF-8; rename it") from error


def _check_earlier(path: Path, source: str) -> None:
    """Check that the pack at `path` is whole and of the clip with the fingerprint `source`."""
    try:
        earlier = Pack(path).facts.source
    except TalkbenchError as error:
        raise PairError("damaged-pack", str(error)) from error
    if earlier != source:
        raise PairError("other-clip", f"{path} was made of another clip of that name; {ANEW}, or choose another --out")


def _frames(clip: Clip, root: Path, faults: list[str]) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of a clip's frames.

    Args:
        root: image files that are links lead to files below it.
        faults: of frames of a video that do not decode; these have no bytes.
    """
    for number in clip.numbers:
        if name := clip.name(number):
            file = clip.file(number)
            if file.is_symlink() and not file.resolve().is_relative_to(root.resolve()):
                raise PairError("outside-root", f"{file} is a link that leaves the data root {root}; copy the file")
            yield name, _bytes(file)
            continue
        try:
            yield f"{number:07d}.webp", _encoded(clip.read(number))
        except PairError as error:
            faults.append(error.message)
            yield f"{number:07d}.webp", b""


def _encoded(image: np.ndarray) -> bytes:
    """A uint8 RGB (H, W, 3) image as the bytes of a file that holds it without loss."""
    from PIL import Image

    file = io.BytesIO()
    if max(image.shape) > WEBP_SIDE:
        Image.fromarray(image).save(file, "PNG", compress_level=3)
    else:
        Image.fromarray(image).save(file, "WEBP", lossless=True, method=0, quality=0)
    return file.getvalue()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PairError("unreadable-file", f"cannot read {path}: {error.strerror}") from error
