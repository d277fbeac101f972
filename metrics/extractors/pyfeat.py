"""Action units, head pose and gaze by py-feat 2 (docs/specs/evaluation.md 3.7, 5.1)."""

from __future__ import annotations

import os
import sys
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import weights
from talkbench.metrics.extractors import registry
from talkbench.metrics.extractors.faces import SIZE, at_size, choose
from talkbench.metrics.interface import Extractor
from talkbench.metrics.networks import isolated, refusal

if TYPE_CHECKING:
    from torch import Tensor

ACTION_UNITS = tuple(
    f"AU{unit:02}" for unit in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
)
ANGLES = ("Pitch", "Roll", "Yaw")
GAZE = ("gaze_pitch", "gaze_yaw")
"""py-feat's names of its columns; the angles are in radians there."""

SCORE = 0.5
"""Least score of a face (docs/specs/evaluation.md 3.8)."""

AT_ONCE = 8
"""Images that go through the networks together: img2pose looks at up to 1000 places of each, twice, with 50 MB."""

HOG_VALUES = 13 * 13 * 2 * 2 * 8
"""Of a face at 112 pixels: blocks of 2x2 cells of 8x8 pixels with 8 orientations, one cell apart."""

TRUSTED = {
    "feat.au_detectors.StatLearning.SL_test.XGBClassifier",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
}
"""All that a .skops file may hold besides what skops itself trusts (scikit-learn's estimators, arrays, plain data).

Types are listed one by one, not by package: skops calls whatever a file names, and numpy has functions that unpickle.
"""


class _PyFeat(Extractor):
    """Features of one face per image: the `columns` of py-feat's table that a subclass names.

    Images of another size are scaled to 256x256 first. Of several faces the one with the largest box among those with
    a score of at least 0.5 is taken, of equal boxes the one with the higher score (docs/specs/evaluation.md 3.8). None:
    no face, landmarks that lie on a line, or an image with values that are not finite.

    What importing py-feat changes is undone, but for two things that have no effect elsewhere: xgboost copies the
    buffer of a model that it restores, and counts threads as ``OMP_NUM_THREADS=1`` asks if it was not loaded before.
    """

    libraries = ("py-feat",)
    columns: tuple[str, ...] = ACTION_UNITS + ANGLES

    @property
    def id(self) -> str:
        return self.identity(f"size{SIZE}-score{SCORE}-largest")

    @abstractmethod
    def load(self) -> Any:
        """py-feat's detector; it finds its files in the store."""

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        features: list[np.ndarray | None] = [None] * len(images)
        with isolated():
            warnings.simplefilter("ignore")  # arrays without column names, a pose that has a model of its own
            sound = images.flatten(1).isfinite().all(dim=1).nonzero()[:, 0]
            for part in sound.split(AT_ONCE) if len(sound) else ():
                frames = at_size(images[part].to(self.device)).mul(255).round()
                for i, row in zip(part.tolist(), self._rows(frames), strict=True):
                    features[i] = row
        return features

    def _rows(self, frames: Tensor) -> list[np.ndarray | None]:
        """Features of frames (B, 3, 256, 256), 0..255."""
        with _replaced(*self._stand_ins):
            detections = self._detector.detect_faces(frames, face_detection_threshold=SCORE)
            faces = [largest(candidates) for candidates in detections]
            indices = [i for i, face in enumerate(faces) if face]
            measured = self._measure([face for face in faces if face], frames[indices]) if indices else []
        rows: list[np.ndarray | None] = [None] * len(frames)
        for i, row in zip(indices, measured, strict=True):
            rows[i] = row
        return rows

    def _measure(self, faces: list[dict[str, Tensor]], frames: Tensor) -> list[np.ndarray | None]:
        """Features of the faces, one of each frame; None where the landmarks lie on a line."""
        import torch
        from scipy.spatial import QhullError

        none = torch.zeros(len(frames))
        whole = {"Image": frames, "Scale": none + 1, "Padding": dict.fromkeys(("Left", "Top", "Right", "Bottom"), none)}
        try:
            table = self._detector.forward(faces, whole)
        except (QhullError, torch.linalg.LinAlgError):  # type: ignore[attr-defined]  # of one face, ends the whole batch
            if len(faces) == 1:
                return [None]
            return [row for i, face in enumerate(faces) for row in self._measure([face], frames[i : i + 1])]
        values = table[list(self.columns)].to_numpy(np.float64)  # (B, C)
        values[:, len(ACTION_UNITS) :] *= 180 / np.pi
        if np.isnan(values[:, len(ACTION_UNITS) :]).all():
            raise TalkbenchError(f"{self.name} gives no head pose; fetch its files anew: {', '.join(self.weights)}")
        return list(values.astype(np.float32))

    @property
    def _stand_ins(self) -> list[tuple[Any, str, Any]]:
        """Replacements for attributes of py-feat's modules while its networks run, see `_replaced`."""
        return []

    @cached_property
    def _detector(self) -> Any:
        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        _import()
        return self.load()


class _Separate(_PyFeat):
    """py-feat with a network for each step; a subclass names the one that finds faces."""

    face_model: str

    def load(self) -> Any:
        import torch
        from feat import Detectorv1

        with _from_store(self.weights):
            detector = Detectorv1(
                face_model=self.face_model,
                landmark_model="mobilefacenet",
                au_model="xgb",
                emotion_model=None,
                identity_model=None,
                gaze_model=None,
                device=torch.device(self.device),
            )
            # Trees and projections of another model are not noticed before they meet a face.
            detector.au_detector.detect_au(frame=np.zeros((1, HOG_VALUES)), landmarks=[np.zeros((1, 68, 2))])
        return detector.requires_grad_(False)


@registry.register("pyfeat-2")
class PyFeat(_Separate):
    """Probabilities of 20 action units, then pitch, roll and yaw of the head in degrees: float32 (23,).

    Units in the order of `ACTION_UNITS`, by gradient-boosted trees; faces and pose by img2pose. Positive angles: up,
    tilted and turned to the person's right. One face per image: the largest box with a score of at least 0.5.
    """

    name = "pyfeat-2"
    weights = ("img2pose", "img2pose-config", "mobilefacenet", "xgb-au")
    face_model = "img2pose"


@registry.register("pyfeat-2-mlp")
class PyFeatMlp(_Separate):
    """As `PyFeat`, with the faces of RetinaFace and the pose that a small network guesses from the landmarks.

    Raises:
        TalkbenchError: no face of a batch has a pose: py-feat leaves it out where it cannot load that network.
    """

    name = "pyfeat-2-mlp"
    weights = ("retinaface-r34", "mobilefacenet", "xgb-au", "pose-mlp", "pose-mlp-config")
    face_model = "retinaface"

    @cached_property
    def _pose(self) -> Any:
        import torch
        from feat.utils import face_pose_mlp

        # Not from py-feat's own memory of networks, nor from where FEAT_POSE_MLP_PATH says.
        memory: dict[str, Any] = {}
        nowhere = (face_pose_mlp, "_resolve_weights_path", lambda: None)
        with _from_store(self.weights), _replaced((face_pose_mlp, "_CACHE", memory), nowhere):
            return face_pose_mlp._load_pose_mlp(device=str(torch.device(self.device)))

    @property
    def _stand_ins(self) -> list[tuple[Any, str, Any]]:
        _ = self._detector  # py-feat is imported
        from feat.utils import face_pose_mlp

        pose = self._pose
        return [_nms(), (face_pose_mlp, "_load_pose_mlp", lambda device: pose)]


@registry.register("pyfeat-2-multitask")
class PyFeatMultitask(_PyFeat):
    """As `PyFeat`, and pitch and yaw of the gaze in degrees, all by one network: float32 (25,).

    Faces by RetinaFace. A gaze of (0, 0) goes straight ahead; positive is up, and to the person's right. Computed in
    float32 on every device, where py-feat would take bfloat16 on a GPU.
    """

    name = "pyfeat-2-multitask"
    weights = ("retinaface-r34", "face-multitask")
    columns = ACTION_UNITS + ANGLES + GAZE

    def load(self) -> Any:
        import torch
        from feat import Detectorv2

        os.environ.pop("FEAT_MULTITASK_WEIGHTS", None)  # it would take precedence over the store
        with _from_store(self.weights):
            detector = Detectorv2(device=torch.device(self.device), identity_model=None, amp=False)
        for network in (detector.face_detector.net, detector.multitask.model):
            network.requires_grad_(False)
        return detector

    @property
    def _stand_ins(self) -> list[tuple[Any, str, Any]]:
        _ = self._detector
        return [_nms()]


def largest(faces: dict[str, Any]) -> dict[str, Tensor] | None:
    """The face with the largest box among those that py-feat found in one image, of equal boxes the one with the higher
    score (docs/specs/evaluation.md 3.8); None if it found none.

    Args:
        faces: boxes (N, 4) as left, top, right, bottom, scores (N,), and whatever else there is of each face. For an
            image without any py-feat writes one whose box is NaN.
    """
    from torch import Tensor

    boxes = faces["boxes"].double().cpu().numpy()
    chosen = choose(boxes, faces["scores"].cpu().numpy())
    if not (boxes[chosen, 2:] > boxes[chosen, :2]).all():
        return None
    return {key: value[chosen : chosen + 1] for key, value in faces.items() if isinstance(value, Tensor)}


def nms_by_image(boxes: Tensor, scores: Tensor, image: Tensor, threshold: float) -> Tensor:
    """torchvision's ``batched_nms``, image by image: the indices of the boxes (N, 4) that are kept, in the order of
    their images (N,) and within each image from the highest score down.

    torchvision shifts the boxes of each image by an offset in float32, so that a close decision may depend on the other
    images of the batch.
    """
    import torch
    from torchvision.ops import nms

    members = [(image == number).nonzero()[:, 0] for number in image.unique()]
    return torch.cat([image[:0], *(these[nms(boxes[these], scores[these], threshold)] for these in members)])


def _nms() -> tuple[Any, str, Any]:
    from feat.face_detectors.Retinaface import Retinaface_test

    return Retinaface_test, "batched_nms", nms_by_image


def _import() -> None:
    """Import py-feat, and remove the classes that it adds to the main program for older files than those used here."""
    main = vars(sys.modules["__main__"])
    before = dict(main)
    import feat  # noqa: F401

    for name in main.keys() - before.keys():
        del main[name]
    main.update(before)


@contextmanager
def _replaced(*attributes: tuple[Any, str, Any]) -> Iterator[None]:
    """Set attributes, each (module, name, value), and restore them after the block."""
    before = [(module, name, getattr(module, name)) for module, name, _ in attributes]
    try:
        for attribute in attributes:
            setattr(*attribute)
        yield
    finally:
        for attribute in before:
            setattr(*attribute)


@contextmanager
def _from_store(names: Sequence[str]) -> Iterator[None]:
    """Inside the block, py-feat takes the files called `names` from the store instead of downloading them.

    Raises:
        TalkbenchError: py-feat asks for another file, or cannot read one of these.
    """
    import huggingface_hub
    import torch

    name_of = {weights.files()[name].path: name for name in names}
    taken: list[str] = []

    def local(repo_id: str, filename: str, **_: object) -> str:
        name = name_of.get(f"{repo_id}/{filename}")
        if name is None:
            raise TalkbenchError(
                f"this py-feat needs {repo_id}/{filename}, a file of another version; use py-feat 2.1.5"
            )
        taken.append(name)
        path = weights.path(name)
        if path.suffix == ".skops":
            _check_types(path, name)
        return str(path)

    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "feat"]
    functions = ("hf_hub_download", "hf_hub_download_with_fallback")
    importers = [(module, name, local) for module in modules for name in functions if name in vars(module)]
    try:
        with _replaced((huggingface_hub, "hf_hub_download", local), *importers):
            yield
    except (TalkbenchError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the readers of five formats raise what they like at a file of another model
        if not taken:
            raise
        raise refusal(taken[-1], f"py-feat's {taken[-1]}", f"{type(error).__name__}: {error}") from error


def _check_types(path: Path, name: str) -> None:
    from skops.io import get_untrusted_types  # type: ignore[import-untyped]

    foreign = set(get_untrusted_types(file=path)) - TRUSTED
    if foreign:
        raise refusal(name, f"py-feat's {name}", f"it would run {', '.join(sorted(foreign))}")
