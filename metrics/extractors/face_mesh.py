"""Face mesh of 478 points and 52 blendshapes by MediaPipe's networks, run by LiteRT alone
(docs/specs/registry-models.md 2)."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import weights
from talkbench.metrics.extractors import registry
from talkbench.metrics.extractors.faces import SIZE, at_size, choose
from talkbench.metrics.interface import Extractor
from talkbench.metrics.mesh import BLENDSHAPE_POINTS
from talkbench.metrics.networks import importing, isolated, refusal

if TYPE_CHECKING:
    from torch import Tensor

FILE = "face-landmarker"
DETECTOR, LANDMARKS, BLENDSHAPES = "face_detector", "face_landmarks_detector", "face_blendshapes"
"""The networks in the file."""

SCORE = 0.5
"""Least score of a face."""

OVERLAP = 0.3
"""Boxes whose intersection is a larger share of their union show one face, and are averaged."""

MARGIN = 1.5
"""Side of the square that the landmark network sees, as a multiple of the longer side of the face's box."""

INPUT, CROP = 128, 256
"""Sides of what the detector and the landmark network see."""

GRIDS = ((16, 2), (8, 6))
"""Cells along a side and anchors in a cell of the detector's two grids."""


@registry.register("mp478")
class Mp478(Extractor):
    """The face mesh with the irises: float32 (478, 3), x and y in pixels at 256, z in the same unit, less being nearer.

    Images of another size are scaled first (`at_size`). The detector's boxes of one face are averaged, weighted by
    their scores; of several faces the one with the largest box is taken. The square around it is turned until the eyes
    are level. None: no face, what the landmark network takes for none, or an image with values that are not finite.

    The networks are those of MediaPipe's FaceLandmarker, the crop is talkbench's: points lie 0.4 pixels from
    MediaPipe's own on average.
    """

    name = "mp478"
    libraries = ("ai-edge-litert",)
    weights = (FILE,)

    @property
    def id(self) -> str:
        return self.identity(f"size{SIZE}-score{SCORE}-margin{MARGIN}-largest")

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        with isolated(threads=1):
            return [self._mesh(image) for image in images.cpu()]  # LiteRT works there

    def _mesh(self, image: Tensor) -> np.ndarray | None:
        if not image.isfinite().all():
            return None
        frame = at_size(image[None])
        face = self._face(frame)
        if face is None:
            return None
        centre, side, turn = face
        crop = square(frame, centre, side, turn, CROP)
        points, logit, _ = sorted(self._networks[LANDMARKS](crop), key=lambda values: (-values.size, -values.ndim))
        if logit.item() < 0:  # by its own score, below a half, the network sees no face there
            return None
        mesh = points.reshape(-1, 3).astype(np.float64) / CROP
        x, y = _turned(mesh[:, :2] - 0.5, turn).T * side
        return np.stack([x + centre[0], y + centre[1], mesh[:, 2] * side], axis=1).astype(np.float32)

    def _face(self, frame: Tensor) -> tuple[np.ndarray, float, float] | None:
        """Centre, side and turn of the square around the face in a frame (1, 3, 256, 256)."""
        middle = np.array([SIZE / 2, SIZE / 2])
        whole = 2 * square(frame, middle, SIZE, 0.0, INPUT) - 1
        values, logits = sorted(self._networks[DETECTOR](whole), key=np.size, reverse=True)
        scores = 1 / (1 + np.exp(-logits.reshape(-1).clip(-100, 100).astype(np.float64)))
        faces = merged(values.reshape(len(scores), -1).astype(np.float64), scores)
        if not len(faces):
            return None
        boxes = faces[:, :4] * SIZE
        chosen = choose(boxes, faces[:, -1])
        left, top, right, bottom = boxes[chosen]
        along = faces[chosen, 6:8] - faces[chosen, 4:6]  # from the right eye to the left
        centre = np.array([left + right, top + bottom]) / 2
        return centre, MARGIN * max(right - left, bottom - top), float(np.arctan2(along[1], along[0]))

    @cached_property
    def _networks(self) -> dict[str, Network]:
        return {name: read_network(self, name) for name in (DETECTOR, LANDMARKS)}


@registry.register("mp52")
class Mp52(Extractor):
    """The 52 blendshapes of the face at the points of `mp478`, in MediaPipe's order: float32 (52,) in 0..1. The first,
    ``_neutral``, says nothing.

    None: no face, or an image with values that are not finite.
    """

    name = "mp52"
    libraries = ("ai-edge-litert",)
    weights = (FILE,)
    uses = "mp478"

    @property
    def id(self) -> str:
        return self.identity(f"points{len(BLENDSHAPE_POINTS)}")

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        with isolated(threads=1):
            network = self._network
            meshes = self._mesh.extract(images) if base is None else base
            points = [None if mesh is None else np.ascontiguousarray(mesh[BLENDSHAPE_POINTS, :2]) for mesh in meshes]
            return [None if xy is None else network(xy[None])[0].reshape(-1) for xy in points]

    @cached_property
    def _mesh(self) -> Extractor:
        return registry.create(self.uses)

    @cached_property
    def _network(self) -> Network:
        return read_network(self, BLENDSHAPES)


class Network:
    """A network in TensorFlow Lite's format, from the bytes of its file: an input to its outputs, on one thread.

    Raises:
        ValueError: the bytes are no such network.
    """

    def __init__(self, content: bytes) -> None:
        with importing("ai-edge-litert"):
            from ai_edge_litert.interpreter import Interpreter

        with _without_notes():
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, values: np.ndarray) -> list[np.ndarray]:
        self._interpreter.set_tensor(self._input, values)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output) for output in self._outputs]


def read_network(extractor: Extractor, name: str) -> Network:
    """One of the networks in the file, for an extractor.

    Raises:
        TalkbenchError: the library or the file is missing, or the file is another one.
    """
    if problem := extractor.problem():
        raise TalkbenchError(f"{extractor.name} {problem}")
    what = "MediaPipe's face landmarker"
    try:
        with zipfile.ZipFile(weights.path(FILE)) as bundle:
            return Network(bundle.read(f"{name}.tflite"))
    except zipfile.BadZipFile as error:
        raise refusal(FILE, what, "it is no zip file, or a damaged one") from error
    except KeyError as error:
        raise refusal(FILE, what, f"it has no {name}.tflite") from error
    except (ValueError, RuntimeError) as error:
        raise refusal(FILE, what, f"{name}.tflite: {error}") from error


@contextmanager
def _without_notes() -> Iterator[None]:
    """Within the block, which lasts milliseconds, nothing is written to the process's standard error: LiteRT reports
    there which of its kernels it takes, and has no switch for it. Faults are exceptions."""
    try:
        before, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # there is no standard error
        yield
        return
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nothing)


@cache
def anchors() -> np.ndarray:
    """Where the detector's candidates are counted from, as shares of the image: x and y, (896, 2)."""
    return np.array(
        [
            ((x + 0.5) / cells, (y + 0.5) / cells)
            for cells, count in GRIDS
            for y in range(cells)
            for x in range(cells)
            for _ in range(count)
        ]
    )


def merged(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The faces among the detector's candidates, each the average of overlapping ones weighted by their scores.

    Args:
        values: (N, 16): centre, width and height, then x and y of right eye, left eye, nose, mouth and the ears; in
            pixels of its input, centres and points from the anchor.
        scores: (N,).

    Returns:
        (M, 17): left, top, right, bottom, the six points, as shares of the image; the best score.
    """
    good = scores >= SCORE
    values, scores, from_ = values[good] / INPUT, scores[good], anchors()[good]
    centre, half = values[:, :2] + from_, values[:, 2:4] / 2
    points = values[:, 4:] + np.tile(from_, 6)
    candidates = np.concatenate([centre - half, centre + half, points], axis=1)
    faces = []
    while len(candidates):
        best = scores.argmax()
        same = overlap(candidates[:, :4], candidates[best, :4]) > OVERLAP
        same[best] = True
        faces.append(np.append(np.average(candidates[same], axis=0, weights=scores[same]), scores[best]))
        candidates, scores = candidates[~same], scores[~same]
    return np.array(faces)


def overlap(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (N, 4), left, top, right, bottom, with one box (4,): (N,)."""

    def area(of: np.ndarray) -> np.ndarray:
        return (of[..., 2:] - of[..., :2]).clip(min=0).prod(axis=-1)

    common = np.concatenate([np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])], axis=1)
    intersection = area(common)
    union = area(boxes) + area(box) - intersection
    return np.divide(intersection, union, out=np.zeros(len(boxes)), where=union > 0)


def square(frame: Tensor, centre: np.ndarray, side: float, turn: float, size: int) -> np.ndarray:
    """A turned square of a frame (1, 3, S, S), scaled: float32 (1, size, size, 3) with the frame's values, bilinear,
    zeros outside.

    Args:
        centre: x and y in pixels, (0, 0) being the frame's corner.
        side: of the square in pixels.
        turn: by which its upper edge falls to the right, radians.
        size: of the result in pixels.
    """
    import torch
    from torch.nn import functional

    steps = (np.arange(size) + 0.5) / size - 0.5
    offsets = _turned(np.stack(np.meshgrid(steps, steps), axis=-1), turn) * side  # (size, size, 2)
    grid = torch.from_numpy(2 * (offsets + centre) / SIZE - 1)[None].to(frame)
    crop = functional.grid_sample(frame, grid, align_corners=False)
    return np.ascontiguousarray(crop.permute(0, 2, 3, 1).numpy())


def _turned(offsets: np.ndarray, turn: float) -> np.ndarray:
    """Offsets (…, 2) of x and y, y down, turned clockwise by `turn` radians."""
    cosine, sine = np.cos(turn), np.sin(turn)
    return offsets @ np.array([[cosine, sine], [-sine, cosine]])
