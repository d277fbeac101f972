"""Checks that the frames of a pair list are on the disk and sound; and manifests, the checksums of all files."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import sha256_file, write_atomic
from talkbench.datasets.clip_store import files_by_kind
from talkbench.datasets.dataset import Split
from talkbench.datasets.gaps import Gap
from talkbench.datasets.packs import is_pack
from talkbench.datasets.pairs import Frame, Pair

Size = tuple[int, int]
Manifest = dict[str, str]


@dataclass(frozen=True)
class SplitVerdict:
    """The result of checking a split's frames.

    Attributes:
        frames: number of different frames in the split.
        size: height and width of most frames; None if none can be read.
        faults: the error of each faulty frame, in the order of frames. Reasons are those of `Split.read` and
            ``other-size`` (than `size`), ``other-content`` (than in the manifest) and ``not-in-manifest``.
        pairs, usable: number of all pairs, and of pairs without a faulty frame.
        gaps: see `Split.gaps`.
    """

    frames: int
    size: Size | None
    faults: dict[Frame, PairError]
    pairs: int
    usable: int
    gaps: dict[str, Gap]


def listed_frames(split: Split) -> list[Frame]:
    """All frames that the pairs of `split` need, each once, sorted."""
    return sorted({frame for pair in split for frame in _frames(pair)})


def verify(split: Split, manifest: Manifest | None, workers: int, done: Callable[[int], None]) -> SplitVerdict:
    """Read every frame of `split`, in threads: PNG and JPEG are decoded without Python's lock.

    Args:
        manifest: checksums to compare with, see `read_manifest`.
        workers: clips at once.
        done: called with the number of frames of every clip that is finished.
    """
    frames = listed_frames(split)
    indices: dict[str, list[int]] = defaultdict(list)
    for frame in frames:
        indices[frame.clip].append(frame.index)
    sizes: dict[Frame, Size] = {}
    faults: dict[Frame, PairError] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            for job in as_completed([pool.submit(_check, split, *item, manifest) for item in indices.items()]):
                good, bad = job.result()
                sizes |= good
                faults |= bad
                done(len(good) + len(bad))
        finally:
            pool.shutdown(cancel_futures=True)
    size = Counter(sizes.values()).most_common(1)[0][0] if sizes else None
    for frame, (height, width) in sizes.items():
        if (height, width) != size:
            message = f"frame {frame.index} of {frame.clip} has {width} x {height} pixels, unlike most"
            faults[frame] = PairError("other-size", message)
    usable = sum(not any(frame in faults for frame in _frames(pair)) for pair in split)
    return SplitVerdict(len(frames), size, dict(sorted(faults.items())), len(split), usable, split.gaps())


def _frames(pair: Pair) -> Iterator[Frame]:
    yield from (frame for frame in (pair.source, pair.driving, pair.reference) if frame)


def _check(
    split: Split, clip: str, indices: list[int], manifest: Manifest | None
) -> tuple[dict[Frame, Size], dict[Frame, PairError]]:
    """The sizes of a clip's sound frames, and the errors of the others."""
    sizes: dict[Frame, Size] = {}
    faults: dict[Frame, PairError] = {}
    compared: dict[Path, PairError | None] = {}  # a video has many frames
    for frame in (Frame(clip, index) for index in indices):
        try:
            height, width = split.read(frame).shape[:2]
        except PairError as error:
            faults[frame] = error
            continue
        sizes[frame] = (height, width)
        if manifest is not None:
            file = split.clip(clip).file(frame.index)
            if file not in compared:
                compared[file] = _difference(file, split.root, manifest)
            if fault := compared[file]:
                faults[frame] = fault
                del sizes[frame]
    return sizes, faults


def _difference(file: Path, root: Path, manifest: Manifest) -> PairError | None:
    name = (file.parent.resolve() / file.name).relative_to(root.resolve()).as_posix()  # the frame may be a link
    if name not in manifest:
        return PairError("not-in-manifest", f"the manifest does not list {name}")
    if sha256_file(file) != manifest[name]:
        return PairError("other-content", f"{name} has another sha256 than in the manifest")
    return None


def list_files(root: Path) -> list[str]:
    """The names below `root` of all images, videos (`files_by_kind`) and packs there, in the order of their bytes; no
    links, no hidden files.

    Raises:
        TalkbenchError: there are no such files, or a name contains a line end.
    """
    names = []
    for folder, below, files in os.walk(root):
        below[:] = [subfolder for subfolder in below if subfolder[0] != "."]
        images, videos, _ = files_by_kind(Path(folder), files)
        packs = [file for file in files if is_pack(file) and file[0] != "."]
        for path in (Path(folder) / file for file in (*images, *videos, *packs)):
            if not path.is_symlink():
                names.append(path.relative_to(root).as_posix())
    broken = next((name for name in names if "\n" in name or "\r" in name), None)
    if broken is not None:
        raise TalkbenchError(f"the name of {broken!r} has a line end; rename the file")
    if not names:
        raise TalkbenchError(f"{root} holds no image or video; name the folder of the clips with --root")
    return sorted(names, key=os.fsencode)


def write_manifest(root: Path, names: Sequence[str], out: Path, workers: int, done: Callable[[int], None]) -> None:
    """Write the SHA-256 of the files `names` below `root`, in their order, in the form of ``sha256sum``.

    Args:
        workers: files at once.
        done: called with the number of files finished since the last call.
    """
    lines = []
    with ThreadPoolExecutor(workers) as pool:
        for name, digest in zip(names, pool.map(lambda name: sha256_file(root / name), names), strict=True):
            lines.append(f"{digest}  ".encode() + os.fsencode(name) + b"\n")
            done(1)
    write_atomic(out, b"".join(lines))


def read_manifest(path: Path) -> Manifest:
    """The SHA-256 of each file in a manifest, by name below the data root.

    Raises:
        TalkbenchError: the manifest cannot be read, or a line is faulty, which the message names.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise TalkbenchError(f"cannot read the manifest {path}: {error.strerror}; see bench data manifest") from error
    manifest: Manifest = {}
    for number, line in enumerate(lines, 1):
        match = re.fullmatch(rb"([0-9a-f]{64}) [ *](.+)", line)
        if not match:
            raise TalkbenchError(f"{path}, line {number}: not a SHA-256, two blanks and a name; correct the line")
        name = os.fsdecode(match[2])
        if name in manifest:
            raise TalkbenchError(f"{path}, line {number}: {name} is in an earlier line too; remove one of the lines")
        manifest[name] = match[1].decode()
    return manifest
