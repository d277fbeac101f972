"""Expression, head pose and gaze against the driving frame (docs/specs/evaluation.md 3.7)."""

from __future__ import annotations

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import mesh, registry
from talkbench.metrics.interface import Metric

UNITS = slice(0, 20)
POSE = slice(20, 23)
GAZE = slice(23, 25)
"""Where the features of py-feat's extractors have the action units, the head's angles and the gaze."""


def aucon(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Share of the action units that both faces show or both do not: probabilities (B, 20) twice to float64 (B,).

    A unit is shown above 0.5; exactly 0.5 and NaN are not (docs/specs/evaluation.md 3.7).

    >>> aucon(np.array([[0.9, 0.5, 0.1, np.nan]]), np.array([[0.6, 0.4, 0.8, 0.2]]))
    array([0.75])
    """
    return ((generated > 0.5) == (target > 0.5)).mean(axis=1)


def squared_angles(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean squared difference of the angles: degrees (B, 3) twice to float64 (B,), square degrees.

    Differences are not wrapped (docs/specs/evaluation.md 3.7).
    """
    return np.square(np.subtract(generated, target, dtype=np.float64)).mean(axis=1)


def prmse(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Root of the mean squared difference of pitch, roll and yaw: degrees (B, 3) twice to float64 (B,), degrees.

    The root of each pair (docs/specs/evaluation.md 3.7); the mean over pairs is therefore less than one root over all.

    >>> prmse(np.array([[3.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 0.0]])).round(3)
    array([1.732])
    """
    return np.sqrt(squared_angles(generated, target))


def mean_difference(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean absolute difference over the last axis: (B, K) twice to float64 (B,), in the inputs' unit."""
    return np.abs(np.subtract(generated, target, dtype=np.float64)).mean(axis=1)


def gaze_angle(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Angle between two gazes: pitch and yaw (B, 2) in degrees twice to float64 (B,), degrees, 0 to 180.

    Pitch p and yaw y are the direction (cos p sin y, sin p, cos p cos y): to the person's right, up, straight ahead.
    This is py-feat's frame, in which a gaze is arccos(cos p cos y) off straight ahead.

    >>> gaze_angle(np.array([[0.0, 170.0]]), np.array([[0.0, -170.0]])).round(6)
    array([20.])
    """
    a, b = _direction(generated), _direction(target)
    # The arc cosine alone loses half of the digits where the gazes nearly agree.
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=1), (a * b).sum(axis=1)))


def _direction(angles: np.ndarray) -> np.ndarray:
    pitch, yaw = np.radians(angles.astype(np.float64)).T
    return np.stack([np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)], axis=1)  # (B, 3)


class _Expression(Metric[np.ndarray]):
    """A `formula` on `part` of the features, (B, K) twice to (B,); NaN where a value of `needed` is not finite."""

    needs_truth = False
    target = "driving"
    decimals = 3
    part: slice
    needed: slice
    formula: staticmethod[[np.ndarray, np.ndarray], np.ndarray]

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        if generated.shape != target.shape:
            raise TalkbenchError(
                f"faces with features of shape {generated.shape} and {target.shape} do not compare; use one extractor"
            )
        finite = np.isfinite(generated[:, self.needed]).all(axis=1) & np.isfinite(target[:, self.needed]).all(axis=1)
        values = np.full(len(target), np.nan)
        values[finite] = self.formula(generated[finite, self.part], target[finite, self.part])
        return values


@registry.register("aucon")
class Aucon(_Expression):
    """Share of 20 facial action units present in both frames or absent from both (py-feat 2, boosted trees)."""

    name = "aucon"
    default_variant: str | None = "pyfeat-2"
    direction = "higher"
    range = (0.0, 1.0)
    part = UNITS
    needed = POSE  # an angle that is NaN drops the pair, a unit counts as absent (docs/specs/evaluation.md 3.7)
    extractor = "pyfeat-2"
    formula = staticmethod(aucon)


@registry.register("aucon@pyfeat-2-multitask")
class AuconMultitask(Aucon):
    """Share of 20 facial action units present in both frames or absent from both (py-feat 2, one network for all)."""

    name = "aucon@pyfeat-2-multitask"
    default_variant = None
    extractor = "pyfeat-2-multitask"


class _Pose(_Expression):
    direction = "lower"
    unit = "deg"
    range = (0.0, 360.0)
    part = needed = POSE
    extractor = "pyfeat-2"


@registry.register("prmse")
class Prmse(_Pose):
    """Root mean square difference of the head's pitch, roll and yaw, the root taken per pair (img2pose)."""

    name = "prmse"
    default_variant: str | None = "pyfeat-2"
    formula = staticmethod(prmse)


@registry.register("prmse@pyfeat-2-mlp")
class PrmseMlp(Prmse):
    """Root mean square difference of pitch, roll and yaw as py-feat 2 guesses them from landmarks by default."""

    name = "prmse@pyfeat-2-mlp"
    default_variant = None
    extractor = "pyfeat-2-mlp"


@registry.register("prmse@global")
class PrmseGlobal(_Pose):
    """Root mean square difference of the head's pitch, roll and yaw, one root over all pairs (img2pose).

    The value of a pair is the mean square, in square degrees.
    """

    name = "prmse@global"
    range = (0.0, 360.0**2)
    aggregation = "root-mean"
    formula = staticmethod(squared_angles)


@registry.register("pose-mae")
class PoseMae(_Pose):
    """Mean absolute difference of the head's pitch, roll and yaw (img2pose)."""

    name = "pose-mae"
    formula = staticmethod(mean_difference)


@registry.register("au-mae")
class AuMae(_Expression):
    """Mean absolute difference of the probabilities of 20 facial action units (py-feat 2, boosted trees)."""

    name = "au-mae"
    direction = "lower"
    range = (0.0, 1.0)
    part = needed = UNITS
    extractor = "pyfeat-2"
    formula = staticmethod(mean_difference)


@registry.register("gaze-mae")
class GazeMae(_Expression):
    """Angle between the directions of the two gazes (py-feat 2, one network for all)."""

    name = "gaze-mae"
    direction = "lower"
    unit = "deg"
    range = (0.0, 180.0)
    part = needed = GAZE
    extractor = "pyfeat-2-multitask"
    formula = staticmethod(gaze_angle)


@registry.register("blendshape-mae@mp52")
class BlendshapeMae(_Expression):
    """Mean absolute difference of MediaPipe's 51 blendshapes without the neutral one.

    Blendshapes are strengths of movements (jaw open, left eye closed) between 0 and 1, a stand-in for action units. No
    state is agreed on in which one counts as shown, so this is no AUCON, and none can be made of it
    (docs/specs/registry-models.md 3).
    """

    name = "blendshape-mae@mp52"
    direction = "lower"
    range = (0.0, 1.0)
    part = needed = slice(mesh.NEUTRAL + 1, None)
    extractor = "mp52"
    formula = staticmethod(mean_difference)


@registry.register("gaze-mae@mp52")
class GazeMaeMp52(_Expression):
    """Mean absolute difference of the eight blendshapes that say where the eyes look, four for each eye.

    Strengths between 0 and 1 and not an angle: it does not compare with the angle between two gazes
    (docs/specs/registry-models.md 3).
    """

    name = "gaze-mae@mp52"
    direction = "lower"
    range = (0.0, 1.0)
    part = needed = mesh.GAZE
    extractor = "mp52"
    formula = staticmethod(mean_difference)


class _MeshPose(Metric[np.ndarray]):
    """A `formula` on meshes (B, 478, 3) twice to (B,), degrees; NaN where a coordinate is not finite."""

    direction = "lower"
    unit = "deg"
    range = (0.0, 180.0)
    decimals = 3
    needs_truth = False
    extractor = "mp478"
    formula: staticmethod[[np.ndarray, np.ndarray], np.ndarray]

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        if generated.shape != target.shape:
            raise TalkbenchError(
                f"meshes of shape {generated.shape} and {target.shape} do not compare; use one extractor"
            )
        return self.formula(generated, target)


NO_TURN = np.zeros(3)


def turns(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Differences of pitch, yaw and roll of two meshes, at most half a turn: (B, 478, 3) twice to (B, 3), degrees."""
    return (mesh.head_angles(generated) - mesh.head_angles(target) + 180) % 360 - 180


@registry.register("pose-mae@mp478")
class PoseMaeMp478(_MeshPose):
    """Mean absolute difference of the head's pitch, yaw and roll, from axes through points of MediaPipe's face mesh.

    The axes run through the outer eye corners, forehead and chin, so an open mouth tilts them a little. It does not
    compare with angles of other models (docs/specs/registry-models.md 2, 3).
    """

    name = "pose-mae@mp478"
    formula = staticmethod(lambda generated, target: mean_difference(turns(generated, target), NO_TURN))


@registry.register("prmse@mp478")
class PrmseMp478(_MeshPose):
    """Root mean square difference of the head's pitch, yaw and roll, the root taken per pair, from axes through points
    of MediaPipe's face mesh.

    It does not compare with the published PRMSE, whose angles are py-feat's (docs/specs/registry-models.md 2, 3).
    """

    name = "prmse@mp478"
    formula = staticmethod(lambda generated, target: prmse(turns(generated, target), NO_TURN))


@registry.register("pose-geodesic@mp478")
class PoseGeodesicMp478(_MeshPose):
    """Angle of the rotation between the poses of two heads, from axes through points of MediaPipe's face mesh.

    It does not compare with angles of other models (docs/specs/registry-models.md 2, 3).
    """

    name = "pose-geodesic@mp478"
    formula = staticmethod(
        lambda generated, target: mesh.angle_between(mesh.head_rotation(generated), mesh.head_rotation(target))
    )
