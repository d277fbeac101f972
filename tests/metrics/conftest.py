"""Real faces, the goldens, and pairs measured as a run measures them."""

import json
import socket
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import model_files
import numpy as np
import pytest
import torch
from torch import Tensor
from unchanged import unchanged

from talkbench import datasets, metrics
from talkbench.core.images import resize, to_tensor
from talkbench.core.model_files import RemoteFile
from talkbench.datasets import Frame
from talkbench.metrics import weights


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The inputs are small: threads would wait for one another where the machine is shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    return json.loads((Path(__file__).parents[1] / "golden" / "metrics" / "golden.json").read_text())


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A weight file of `model_files`, made once; libraries that are imported for it must change nothing."""
    home = tmp_path_factory.mktemp("filled")

    @cache
    def make(name: str) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TALKBENCH_HOME", str(home))
            with unchanged():
                return model_files.fill(name)

    return make


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, filled: Callable[[str], Path]) -> Iterator[Callable[..., Path]]:
    """Writes a weight file into a store of the module's own, where any content is taken for sound: what is given, as
    `model_files.write` takes it, else made-up weights. And there is no network."""

    def refuse(*_: object) -> None:
        raise AssertionError("something wants the network")

    def write(name: str, content: Any = None, **options: Any) -> Path:
        if content is not None:
            return model_files.write(name, content, **options)
        path = weights.store() / weights.files()[name].path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.hardlink_to(filled(name))
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TALKBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        patch.setattr(RemoteFile, "fault", lambda self, path: None)
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield write


@pytest.fixture(scope="module")
def loaded() -> dict[str, metrics.Extractor]:
    """Extractors whose networks `load` has loaded."""
    return {}


@pytest.fixture(scope="module")
def load(
    place: Callable[..., Path], loaded: dict[str, metrics.Extractor], faces: Tensor
) -> Callable[..., metrics.Extractor]:
    """The extractor of that name, with its files in place. Its networks are loaded once, for the features of `images`,
    which must change nothing."""

    def extractor(name: str, images: Tensor = faces[:1]) -> metrics.Extractor:
        new = metrics.create_extractor(name)
        for file in new.files():
            place(file)
        if name not in loaded:
            with unchanged():
                new.extract(images)
            loaded[name] = new
        return loaded[name]

    return extractor


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """One face, uint8 (562, 562, 3)."""
    return model_files.still("single_face.jpg")


@pytest.fixture(scope="session")
def crowd() -> np.ndarray:
    """Four faces, uint8 (667, 667, 3)."""
    return model_files.still("multi_face.jpg")


@pytest.fixture(scope="session")
def faces(portrait: np.ndarray, crowd: np.ndarray) -> Tensor:
    """Frames with a face in each, (3, 3, 256, 256)."""
    zoomed = portrait[80:480, 80:480]
    return to_tensor(np.stack([resize(image, 256) for image in (portrait, zoomed[:, ::-1], crowd)]))


@pytest.fixture(scope="session")
def people(demo: datasets.Dataset) -> Tensor:
    """Three frames of the demo: a woman whose eyes are half closed, the same with her head tilted, a man who smiles;
    (3, 3, 256, 256)."""
    frames = Frame("wolfgang-langer", 0), Frame("wolfgang-langer", 406), Frame("single-face", 26)
    return to_tensor(np.stack([demo.read(frame) for frame in frames]))


@pytest.fixture(scope="session")
def mtcnn() -> metrics.Extractor:
    return metrics.create_extractor("mtcnn5")


@pytest.fixture(scope="session")
def found(mtcnn: metrics.Extractor, faces: Tensor) -> list[np.ndarray | None]:
    """What MTCNN finds in `faces`."""
    return mtcnn.extract(faces)


@pytest.fixture(scope="session")
def measure(mtcnn: metrics.Extractor) -> Callable[[metrics.Metric, Tensor, Tensor], np.ndarray]:
    """Values of pairs of frames under the missing-face rule; NaN for pairs that are left out or fail."""

    def features(metric: metrics.Metric, images: Tensor) -> list[np.ndarray | None]:
        assert metric.extractor == mtcnn.name
        return mtcnn.extract(images)

    def measured(metric: metrics.Metric, generated: Tensor, target: Tensor) -> np.ndarray:
        if metric.extractor is None:
            return metric.compare(generated, target)
        values = []
        for mine, truth in zip(features(metric, generated), features(metric, target), strict=True):
            if truth is None or (mine is None and metric.missing_generated is None):
                values.append(np.nan)
            elif mine is None:
                values.append(metric.missing_generated)
            else:
                values.append(metric.compare(mine[None], truth[None])[0])
        return np.array(values)

    return measured
