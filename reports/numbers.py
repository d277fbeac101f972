"""How numbers, units and counts are printed, the same in every report."""

from __future__ import annotations

from talkbench.results import MetricSpec, MetricSummary

ARROWS = {"higher": "↑", "lower": "↓"}


def heading(name: str, unit: str, direction: str) -> str:
    """The head of a column: ``PSNR (dB) ↑``; the arrow points to the better side."""
    return " ".join(filter(None, [name, f"({unit_sign(unit)})" if unit_sign(unit) else "", ARROWS[direction]]))


def unit_sign(unit: str) -> str:
    """A unit as printed; nothing for pure numbers."""
    return {"percent": "%", "1": ""}.get(unit, unit)


def format_value(value: float, spec: MetricSpec) -> str:
    """`value` scaled and with the metric's decimals; no minus sign before zero."""
    return f"{value * spec.scale:z.{spec.decimals}f}"


def format_interval(low: float, high: float, spec: MetricSpec) -> str:
    """``0.031 – 0.042``."""
    return f"{format_value(low, spec)} – {format_value(high, spec)}"


def format_mean(summary: MetricSummary, spec: MetricSpec) -> str:
    """The mean; ``∞`` if all values are infinite, ``n/a`` if there are none."""
    if summary.mean is not None:
        return format_value(summary.mean, spec)
    return "∞" if summary.infinite else "n/a"


def counts(by_reason: dict[str, int]) -> str:
    """``2 no-face-generated, 1 capped``."""
    return ", ".join(f"{count} {reason}" for reason, count in by_reason.items() if count)


def pairs_of(count: int) -> str:
    """``1 pair``, ``200 pairs``."""
    return f"{count} pair{'' if count == 1 else 's'}"


def share(value: float) -> str:
    """A part of a whole as percent: ``98.5 %``; only all is 100 %, and only nothing 0 %."""
    percent = 100 * value
    if 0 < percent < 0.05:
        return "< 0.1 %"
    return f"{min(percent, 99.9) if percent < 100 else percent:.1f} %"


def coverage(summary: MetricSummary, total: int) -> str:
    """Over how many of `total` pairs the mean was taken and what became of the others; empty if all pairs were used and
    none carries a remark."""
    others = {"infinite": summary.infinite, **summary.failures}
    others["not evaluated yet"] = total - summary.pairs - sum(others.values())
    parts = [counts(others)]
    if summary.remarks:
        parts.append(f"among those used {counts(summary.remarks)}")
    text = "; ".join(filter(None, parts))
    return f"{summary.pairs} of {total} pairs used: {text}" if text else ""
