"""Features of real frames kept on disk, so that the second method on a dataset pays only for its own frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from talkbench.core.files import atomic_path, sha256_bytes
from talkbench.core.images import to_tensor
from talkbench.core.paths import home
from talkbench.metrics.interface import Extractor


class FeatureCache:
    """A folder of features by extractor id and frame content; several processes may share it.

    One npz per frame, which carries a checksum: a damaged file is computed again. That a frame shows no face is
    remembered too, as a file without an array.

    Args:
        folder: where; default ``features`` in the cache folder (`core.paths.home`).
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home() / "features"

    def get_or_extract(self, extractor: Extractor, frames: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        """Features of uint8 RGB frames (H, W, 3) of one size; what is new is extracted in one batch and stored.

        Raises:
            TalkbenchError: the folder cannot be written.
        """
        folder = self.folder / re.sub(r"[^\w.@=+-]+", "_", extractor.id)
        paths = [_path(folder, frame) for frame in frames]
        known: dict[Path, np.ndarray | None] = {}
        missing: dict[Path, np.ndarray] = {}
        for path, frame in zip(paths, frames, strict=True):
            if path in known or path in missing:
                continue
            try:
                known[path] = _read(path)
            except Exception:  # not there, or damaged, which NumPy reports in seven different ways
                missing[path] = frame
        if missing:
            fresh = extractor.extract(to_tensor(np.stack(list(missing.values()))))
            for path, feature in zip(missing, fresh, strict=True):
                _write(path, feature)
                known[path] = feature
        return [known[path] for path in paths]


def _path(folder: Path, frame: np.ndarray) -> Path:
    content = sha256_bytes(str(frame.shape).encode() + np.ascontiguousarray(frame).tobytes())
    return folder / content[:2] / f"{content}.npz"


def _read(path: Path) -> np.ndarray | None:
    with np.load(path, allow_pickle=False) as archive:
        return archive["feature"] if archive.files else None


def _write(path: Path, feature: np.ndarray | None) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        if feature is None:
            np.savez(file)
        else:
            np.savez(file, feature=feature)
