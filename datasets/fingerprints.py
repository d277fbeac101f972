"""Fingerprints of clips: what tells two clips apart without reading all of either."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.clips import image_names
from talkbench.datasets.packs import Pack, is_pack

PIECE = 1 << 14
"""Bytes that are read at a place."""

READERS = 8
"""Clips that are looked at at once, since most of the time goes by in waiting for the disk."""


def fingerprint(path: Path) -> str:
    """12 digits of a sha256: of a folder over the number of its frames, and of its first, middle and last frame by
    their names the size and the first `PIECE` bytes; of a video over the size of its file and as many bytes at its
    beginning, middle and end; of a pack that of the clip that it was made from. "" for what cannot be read.

    Frames elsewhere in a clip may change unnoticed. In return a clip costs three short reads, whatever its length.
    """
    digest = hashlib.sha256()
    try:
        if path.is_dir():
            names = sorted(image_names(path))
            digest.update(f"{len(names)} frames\n".encode())
            for place in sorted({0, len(names) // 2, len(names) - 1}) if names else ():
                _add(digest.update, path / names[place], (0.0,))
        elif is_pack(path):
            return Pack(path).facts.source
        else:
            _add(digest.update, path, (0.0, 0.5, 1.0))
    except (OSError, TalkbenchError):
        return ""
    return digest.hexdigest()[:12]


def fingerprints(clips: Iterable[str], of: Callable[[str], str]) -> dict[str, str]:
    """The fingerprints of clips by their names, by the function `of` a name; "" for a clip that has none."""

    def safe(clip: str) -> str:
        try:
            return of(clip)
        except (TalkbenchError, OSError, ValueError):  # outside the root, there twice, or no name for a file system
            return ""

    names = list(clips)
    with ThreadPoolExecutor(READERS) as pool:
        return dict(zip(names, pool.map(safe, names), strict=True))


def _add(update: Callable[[bytes], None], path: Path, places: tuple[float, ...]) -> None:
    """Add the size of a file and pieces of it at `places`, 0 being its beginning and 1 its end."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        update(f"{size} bytes\n".encode())
        for place in places:
            file.seek(int(place * max(0, size - PIECE)))
            update(file.read(PIECE))
