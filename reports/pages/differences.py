"""Two runs pair by pair as a picture: for each metric a scatter plot of the values and a histogram of differences."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.reports.numbers import heading, unit_sign
from talkbench.reports.runs import Cluster, Run
from talkbench.reports.statistics.paired import Paired, paired_values
from talkbench.reports.tables.comparison import interval_of, labels_of, signed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FORMATS = ("png", "svg", "pdf")
DPI = 150
SIDE = 3.6
"""Inches that a panel is wide and high, labels included."""

INK, BAR, ACCENT = "#33363b", "#a25bb0", "#7a2a86"
MIN_BINS, MAX_BINS = 12, 60


def figure_format(path: Path) -> str:
    """The format of a picture, from the ending of its name.

    Raises:
        TalkbenchError: the ending is none of `FORMATS`.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise TalkbenchError(f"{path} ends with none of {', '.join(f'.{name}' for name in FORMATS)}; name it so")
    return form


def draw_differences(a: Run, b: Run, comparisons: Sequence[Paired], form: str = "png") -> bytes:
    """Draw a row of two panels for each metric with common pairs.

    The left panel is a scatter plot of the values of a over those of b, with the means of driving people; the right one
    is a histogram of the differences a - b, with their mean and its 95 % interval.

    Args:
        form: one of `FORMATS`; the same numbers give the same bytes.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = [paired for paired in comparisons if paired.clusters]
    names = labels_of(a, b)
    figure = Figure(figsize=(2.2 * SIDE, SIDE * max(1, len(rows))), layout="constrained")
    with mpl.rc_context({"font.size": 9, "text.usetex": False, "svg.hashsalt": "talkbench", "svg.fonttype": "path"}):
        panels = figure.subplots(max(1, len(rows)), 2, squeeze=False)
        for (left, right), paired in zip(panels, rows, strict=False):
            values = _printed(paired_values(a, b, paired.metric), paired)
            _scatter(left, values, paired, names, a.cluster)
            _histogram(right, values["a"] - values["b"], paired, names)
        file = io.BytesIO()
        stamp: dict[str, Any] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(file, format=form, dpi=DPI, metadata=stamp[form])
    return file.getvalue()


def _printed(values: pd.DataFrame, paired: Paired) -> pd.DataFrame:
    """Values as they are printed: scaled, and for ``root-mean`` their roots."""
    two = values[["value_a", "value_b"]].set_axis(["a", "b"], axis=1)
    return (two.pow(0.5) if paired.spec.aggregation == "root-mean" else two) * paired.spec.scale


def _plain(text: str) -> str:
    """Text in which matplotlib takes nothing for a formula."""
    return text.replace("$", r"\$")


def _scatter(axes: Axes, values: pd.DataFrame, paired: Paired, names: Sequence[str], cluster: Cluster) -> None:
    spec = paired.spec
    faint = float(np.clip(60 / len(values), 0.12, 0.7))
    axes.scatter(values["b"], values["a"], s=9, color=BAR, alpha=faint, linewidths=0, rasterized=True)
    title = f"{heading(spec.name, spec.unit, spec.direction)}: {paired.pairs} pairs"
    means = values.groupby([cluster(clip) for clip in values.index.get_level_values("driving_clip")]).mean()
    if 1 < len(means) < len(values):
        axes.scatter(means["b"], means["a"], s=26, facecolors="none", edgecolors=INK, linewidths=0.9)
        title += f", rings: means of {len(means)} driving clusters"
    low, high = values.to_numpy().min(), values.to_numpy().max()
    margin = 0.05 * (high - low) or 0.05 * abs(low) or 1.0
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=INK, linewidth=0.8, zorder=0)
    axes.set(aspect="equal", xlim=limits, ylim=limits)
    axes.set_yticks(axes.get_xticks())
    axes.set(xlim=limits, ylim=limits)
    unit = f" ({unit_sign(spec.unit)})" if unit_sign(spec.unit) else ""
    axes.set_xlabel(_plain(f"{names[1]}{unit}"))
    axes.set_ylabel(_plain(f"{names[0]}{unit}"))
    axes.set_title(_plain(title), size=9)
    above, below = names if spec.direction == "higher" else reversed(names)
    backed: dict[str, Any] = {"size": 7, "color": INK, "transform": axes.transAxes}
    backed["bbox"] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1}
    axes.text(0.03, 0.97, _plain(f"{above} better"), ha="left", va="top", **backed)
    axes.text(0.97, 0.03, _plain(f"{below} better"), ha="right", va="bottom", **backed)


def _histogram(axes: Axes, differences: pd.Series, paired: Paired, names: Sequence[str]) -> None:
    spec = paired.spec
    assert paired.difference is not None
    axes.hist(differences, bins=_edges(differences.to_numpy()), color=BAR, alpha=0.75)
    axes.axvline(0, color=INK, linewidth=0.8)
    if paired.low is not None and paired.high is not None:
        axes.axvspan(paired.low * spec.scale, paired.high * spec.scale, color=ACCENT, alpha=0.25, linewidth=0)
    axes.axvline(paired.difference * spec.scale, color=ACCENT, linewidth=1.4)
    axes.set_title(" ".join(filter(None, [signed(paired.difference, spec), interval_of(paired)])), size=9)
    axes.set_xlabel(_plain(f"{names[0]} − {names[1]}"))
    axes.set_ylabel("pairs")


def _edges(differences: np.ndarray) -> list[float]:
    """Ends of bins of one width, 0 being one of them, so that no bin holds both better and worse."""
    low, high = differences.min(), differences.max()
    count = np.clip(len(np.histogram_bin_edges(differences, "auto")) - 1, MIN_BINS, MAX_BINS)
    width = (high - low) / count or abs(low) or 1.0
    ends = width * np.arange(np.floor(low / width), np.floor(high / width) + 2)
    return [float(end) for end in ends]
