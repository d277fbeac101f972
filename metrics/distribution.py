"""Distances between the frames of a run and real ones as two sets: FID and KID (docs/specs/evaluation.md 9)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import registry
from talkbench.metrics.interface import Metric

BLOCK = 1024
"""Rows of a kernel matrix that are held at a time."""

BOUND = 1e6
"""Where the metrics' ranges end. Neither distance has a greatest value; sets of photographs stay far below this one."""


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance of the normal distributions fitted to two sets: (N, D) and (M, D).

    ``|m1 - m2|² + trace(S1 + S2 - 2 (S1 S2)^(1/2))``, m the means and S the covariances with n-1
    (docs/specs/evaluation.md 9); NaN for sets of fewer than two. Let X and Y be the centred sets over the roots of N-1
    and M-1: then S1 S2 has the same non-zero eigenvalues as X Yᵀ (X Yᵀ)ᵀ, so the trace of its root is the sum of the
    singular values of X Yᵀ. That is sound also where the covariances are singular.

    >>> round(frechet(np.array([[0.0], [2.0]]), np.array([[1.0], [3.0]])), 9)
    1.0
    """
    if min(len(a), len(b)) < 2:
        return float("nan")
    a, b = a.astype(np.float64), b.astype(np.float64)
    spread_a, spread_b = _spread(a), _spread(b)
    root = np.linalg.svd(spread_a @ spread_b.T, compute_uv=False).sum()
    traces = np.square(spread_a).sum() + np.square(spread_b).sum()
    return max(0.0, float(np.square(a.mean(0) - b.mean(0)).sum() + traces - 2 * root))


def _spread(values: np.ndarray) -> np.ndarray:
    """A matrix R with the covariance Rᵀ R, of at most D rows: the triangle of the centred set's QR decomposition."""
    centred = (values - values.mean(0)) / np.sqrt(len(values) - 1)
    triangle: Any = np.linalg.qr(centred, mode="r")  # NumPy's annotation forgets this mode
    return triangle


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy of two sets, (N, D) and (M, D), under the kernel (x·y / D + 1)³.

    The kernel and the estimator are those of Binkowski et al. 2018, but over all frames at once: no average over random
    subsets, so no seed and no subset size to agree on. NaN for sets of fewer than two.

    >>> kernel_distance(np.array([[0.0], [0.0]]), np.array([[1.0], [1.0]]))
    7.0
    """
    n, m = len(a), len(b)
    if min(n, m) < 2:
        return float("nan")
    a, b = a.astype(np.float64), b.astype(np.float64)
    within_a = (_kernel_sum(a, a) - _kernel(np.square(a).mean(1)).sum()) / (n * (n - 1))
    within_b = (_kernel_sum(b, b) - _kernel(np.square(b).mean(1)).sum()) / (m * (m - 1))
    return float(within_a + within_b - 2 * _kernel_sum(a, b) / (n * m))


def _kernel(products: np.ndarray) -> np.ndarray:
    return (products + 1) ** 3


def _kernel_sum(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of the kernel over all pairs of a row of `a` and a row of `b`."""
    blocks = (a[start : start + BLOCK] for start in range(0, len(a), BLOCK))
    return float(sum(_kernel(block @ b.T / a.shape[1]).sum() for block in blocks))


class _SetMetric(Metric[np.ndarray]):
    direction = "lower"
    needs_truth = False
    target = "identity"
    extractor = "inception-fid"
    aggregation = "set"

    def compare(self, generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        if generated.ndim != 2 or generated.shape[1:] != target.shape[1:]:
            raise TalkbenchError(
                f"features of shape {generated.shape} and {target.shape} do not compare; use one extractor"
            )
        if not (np.isfinite(generated).all() and np.isfinite(target).all()):
            return np.array([np.nan])
        return np.array([self.formula(generated, target)])

    @abstractmethod
    def formula(self, generated: np.ndarray, target: np.ndarray) -> float:
        """The distance of finite features, (N, D) and (M, D)."""


@registry.register("fid")
class Fid(_SetMetric):
    """Frechet distance of Inception features, all generated frames against all real ones.

    The real ones are the driving frames where they are the truth, else the source frames. Smaller sets give larger
    values, also where both come from one distribution, so only runs over equally many frames compare; below 2048
    frames the covariances are singular and the bias is large. KID has no such bias.
    """

    name = "fid"
    range = (0.0, BOUND)
    decimals = 2

    def formula(self, generated: np.ndarray, target: np.ndarray) -> float:
        return frechet(generated, target)


@registry.register("kid")
class Kid(_SetMetric):
    """Kernel distance of Inception features, all generated frames against all real ones.

    The real ones are the driving frames where they are the truth, else the source frames. Unbiased: its mean does not
    depend on the number of frames, and sets that are alike may come out slightly below zero.
    """

    name = "kid"
    range = (-BOUND, BOUND)
    decimals = 4

    def formula(self, generated: np.ndarray, target: np.ndarray) -> float:
        return kernel_distance(generated, target)


@registry.register("fd@efficientnet-lite0")
class FdEfficientNetLite0(Fid):
    """Frechet distance of EfficientNet-Lite0's features, all generated frames against all real ones.

    The formula of FID on the features of another network. It is not FID and does not compare with it
    (docs/specs/registry-models.md 3). What is said of FID's bias holds here too: only runs over equally many frames
    compare, and below 1280 frames the covariances are singular.
    """

    name = "fd@efficientnet-lite0"
    extractor = "efficientnet-lite0"
    decimals = 3
