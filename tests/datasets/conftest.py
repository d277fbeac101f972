"""Videos made to measure."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from talkbench import datasets
from talkbench.core.registry import Registry


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames, H.264 with B-frames and a key frame at least every 20, index first in the file; the
    right half of frame i is grey of level 4 i, the left half noise that gives every frame bytes."""
    path = tmp_path_factory.mktemp("video") / "numbered.mp4"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        options = {"x264-params": "bframes=3:b-adapt=0:scenecut=0:keyint=20", "crf": "10"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(60):
            image = np.full((48, 64, 3), 4 * index, np.uint8)
            image[:, :32] = rng.integers(0, 256, (48, 32, 3))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    return path


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry[datasets.Dataset]:
    """The registry of data sets, which forgets after the test what the test registers."""
    datasets.registry.names()
    monkeypatch.setattr(datasets.registry, "_factories", dict(datasets.registry._factories))
    return datasets.registry


@pytest.fixture(scope="session")
def number() -> Callable[[np.ndarray], int]:
    """Reads the index off a frame of `video`."""
    return lambda image: round(float(image[:, 40:].mean()) / 4)
