"""What the face mesh of `mp478` says: 68 landmarks, the head's rotation, and which points and blendshapes are which
(docs/specs/registry-models.md 2)."""

from __future__ import annotations

import numpy as np

FACE = 468
"""Points of the face; those of the irises follow."""


def _numbers(text: str) -> np.ndarray:
    return np.array(text.split(), int)


LANDMARKS = _numbers(
    "127 234 93 58 172 136 149 148 152 377 378 365 397 288 323 454 356 70 63 105 66 107 336 296 334 293 300 "
    "168 197 195 4 98 97 2 326 327 33 160 158 133 153 144 362 385 387 263 373 380 "
    "61 39 37 0 267 269 291 405 314 17 84 181 78 82 13 312 308 317 14 87"
)
"""The point of the mesh that stands for each of the 68 landmarks of the iBUG scheme (docs/specs/marionette.md 3.1)."""

BLENDSHAPE_POINTS = _numbers(
    "0 1 4 5 6 7 8 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 84 87 88 91 93 95 103 "
    "105 107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 157 158 159 160 161 162 163 168 172 173 176 "
    "178 181 185 191 195 197 234 246 249 251 263 267 269 270 276 282 283 284 285 288 291 293 295 296 297 300 308 310 "
    "311 312 314 317 318 321 323 324 332 334 336 338 356 361 362 365 373 374 375 377 378 379 380 381 382 384 385 386 "
    "387 388 389 390 397 398 400 402 405 409 415 454 466 468 469 470 471 472 473 474 475 476 477"
)
"""The 146 points from which the blendshapes follow."""

NEUTRAL = 0
"""The blendshape that says nothing."""

GAZE = slice(11, 19)
"""The blendshapes ``eyeLook…``: down, in, out and up, each for the left and the right eye."""

RIGHT, LEFT, FOREHEAD, CHIN = 33, 263, 10, 152
"""The points that the head's axes run through; right and left are the outer corners of the person's eyes."""

NOSE = 1
"""The tip of the nose."""


def _closed(text: str) -> np.ndarray:
    points = _numbers(text)
    return np.append(points, points[0])


CONTOURS = (
    _closed(
        "10 338 297 332 284 251 389 356 454 323 361 288 397 365 379 378 400 377 152 148 176 149 150 136 172 58 132 93 "
        "234 127 162 21 54 103 67 109"
    ),
    _closed("46 53 52 65 55 107 66 105 63 70"),
    _closed("276 283 282 295 285 336 296 334 293 300"),
    _closed("61 146 91 181 84 17 314 405 321 375 291 409 270 269 267 0 37 39 40 185"),
    _closed("78 95 88 178 87 14 317 402 318 324 308 415 310 311 312 13 82 81 80 191"),
)
"""The lines around the face, the brows, and the outer and the inner lips, each ending where it begins."""

EYE_CONTOURS = (
    _closed("33 7 163 144 145 153 154 155 133 173 157 158 159 160 161 246"),
    _closed("263 249 390 373 374 380 381 382 362 398 384 385 386 387 388 466"),
    _closed("469 470 471 472"),
    _closed("474 475 476 477"),
)
"""The lines around the eyes and the irises, right before left."""

EYES = ((473, (LEFT, 362)), (468, (RIGHT, 133)))
"""Of the left and of the right eye the middle of the iris, the outer and the inner corner."""


def head_rotation(mesh: np.ndarray) -> np.ndarray:
    """The head's axes: meshes (B, 478, 3) to rotations (B, 3, 3), whose columns are the unit vectors x, y and z.

    x runs from the right eye's outer corner to the left eye's, y from forehead to chin and made orthogonal to x, and
    z = x × y, away from the viewer. A head that looks straight into the camera has the unit matrix. NaN where a
    coordinate is not finite, or the points lie on a line.
    """
    points = np.where(np.isfinite(mesh).all(axis=(1, 2), keepdims=True), mesh, np.nan).astype(np.float64)
    x = _unit(points[:, LEFT] - points[:, RIGHT])
    y = points[:, CHIN] - points[:, FOREHEAD]
    y = _unit(y - (x * y).sum(axis=1, keepdims=True) * x)
    return np.stack([x, y, np.cross(x, y)], axis=2)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.full(vectors.shape, np.nan), where=lengths > 0)


def head_angles(mesh: np.ndarray) -> np.ndarray:
    """Pitch, yaw and roll of the head in degrees, -180 to 180 (yaw -90 to 90): meshes (B, 478, 3) to (B, 3).

    The rotation is ``Rz(roll) Ry(yaw) Rx(pitch)``, x to the right in the image, y down, z away from the viewer. So a
    head with positive angles looks down, looks to the left of the image, and is turned clockwise.
    """
    r = head_rotation(mesh)
    pitch = np.arctan2(r[:, 2, 1], r[:, 2, 2])
    yaw = np.arctan2(-r[:, 2, 0], np.hypot(r[:, 0, 0], r[:, 1, 0]))
    roll = np.arctan2(r[:, 1, 0], r[:, 0, 0])
    return np.degrees(np.stack([pitch, yaw, roll], axis=1))


def angle_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle of the rotation that leads from one to the other: (B, 3, 3) twice to float64 (B,), degrees, 0 to 180.

    That of ``aᵀ b``; since ``|a - b|² = 8 sin²(angle / 2)``, it is exact near zero as well.
    """
    chord = np.linalg.norm(a - b, axis=(1, 2)) / np.sqrt(8)
    return np.degrees(2 * np.arcsin(chord.clip(max=1)))
