"""Recognising the method of a checkpoint by the contents of its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.core.text import few
from talkbench.methods import cards
from talkbench.methods.checkpoints import CheckpointFile, mismatch
from talkbench.methods.interface import Method
from talkbench.methods.registration import create, registry


@dataclass(frozen=True)
class Match:
    """A method (full name) whose networks a file holds.

    Attributes:
        part: the network, or the first of some, that has a file of its own, which this is; "" if it is the method's
            main checkpoint.
        networks: the names of the method's networks in the file.
    """

    method: str
    part: str
    networks: tuple[str, ...]


def recognise(path: Path, file: CheckpointFile, said: str = "") -> list[Match]:
    """The methods whose networks fit the state dicts of a `file` at `path`, by keys and shapes.

    If several configurations fit, these decide, in this order and as far as they can: the method that our own files
    name, the hash of the official file, the discriminator, the full name that the user has `said`; and last, a
    configuration with a published file is preferred. The name of the file decides nothing.
    """
    metadata, stored = str(file.metadata.get("method", "")), file.states
    unlisted = [name for name in dict.fromkeys((metadata, said)) if name in registry]
    candidates = [name for name in (*cards.known_names(), *unlisted) if cards.family(name).needs_weights]
    matches = list(dict.fromkeys(match for name in candidates if (match := _match(name, stored))))
    sha256 = sha256_file(path) if any(_official(match)[1] for match in matches) else None
    evidence: list[Callable[[Match], bool]] = [
        lambda match: match.method == metadata,
        lambda match: _official(match)[1] == sha256,
        lambda match: _discriminator_fits(match, stored),
        lambda match: match.method == said,
        lambda match: bool(_official(match)[0]),
    ]
    for holds in evidence:
        matches = [match for match in matches if holds(match)] or matches
    return matches


def doubt(path: Path, file: CheckpointFile, matches: Sequence[Match]) -> str:
    """Which published configurations a file of equal networks may be, in words, where nothing but its name tells; "" if
    there is only one, our own file says which, or it has a published hash."""
    (first, *others), named = matches, str(file.metadata.get("method", ""))
    if named == first.method or (_official(first)[1] and _official(first)[1] == sha256_file(path)):
        return ""
    others = [] if first.part else others  # configurations share the parts that have files of their own
    families = {match.method: cards.family(match.method).configurations.get(match.method) for match in matches}
    alike = dict.fromkeys(name for own in families.values() if own for name in own.alike)
    if not (others or alike):
        return ""
    names = " or ".join(match.method for match in matches)
    elsewhere = f", or the authors' {' or '.join(alike)}, which talkbench does not have" if alike else ""
    by_name = [match.method for match in matches if Path(_official(match)[0]).name == path.name]
    hint = f" ({by_name[0]} by the name of the file, which proves nothing)" if by_name else ""
    return f"{names}{elsewhere}{hint}"


def claimed(path: Path, metadata: Mapping[str, object], sha256: str, method: str) -> str:
    """The other configuration that a file claims to be, although its networks fit `method`; "" if there is none.

    The claim is the method that our own files name, or the hash or the name of another configuration's official file.
    That configuration has equal keys and shapes, but computes something else.
    """
    if named := str(metadata.get("method") or ""):
        return "" if _full_name(named) == method else few([named])
    if method not in registry.names():
        return ""
    official = {name: own.weights for name, own in cards.family(method).configurations.items() if own.weights}
    for alike in (lambda weights: weights.sha256 == sha256, lambda weights: weights.file == path.name):
        owners = [name for name, weights in official.items() if alike(weights)]
        if method in owners:
            return ""
        if owners and _shapes(owners[0]) == _shapes(method):
            return owners[0]
    return ""


def _full_name(name: str) -> str:
    return cards.full_name(name) if name in registry.names() else name


@cache
def skeleton(name: str) -> tuple[Method[Any, Any], nn.Module | None]:
    """A method and its discriminator without the values of weights, for the keys and shapes of their networks."""
    with torch.device("meta"):
        method = create(name)
        return method, method.discriminator()


@cache
def _states(name: str) -> dict[str, dict[str, Tensor]]:
    """The state dicts of the networks of a `skeleton`."""
    return {part: network.state_dict() for part, network in skeleton(name)[0].networks.items()}


def _shapes(name: str) -> dict[str, dict[str, torch.Size]]:
    return {part: {key: value.shape for key, value in state.items()} for part, state in _states(name).items()}


def _match(name: str, stored: Mapping[str, Mapping[str, Tensor]]) -> Match | None:
    try:
        method, _ = skeleton(name)
    except TalkbenchError:  # a library that it needs is not installed
        return None
    expected = _states(name)
    card = cards.card(name)
    bare, beside = stored.get("", {}), {part: file.file for part, file in card.beside.items()}
    main = card.weights.network if card.weights else ""
    for part in filter(None, (main, *beside)):
        if bare and not mismatch(expected[part], bare):
            return Match(method.name, "" if part == main else part, (part,))
    present = tuple(part for part in expected if part in stored)
    if not present or any(mismatch(expected[part], stored[part]) for part in present):
        return None
    homes = {beside.get(part) for part in present}
    if main and len(homes) == 1 and homes <= set(beside.values()):
        return Match(method.name, present[0], present)
    absent = set(expected) - set(present) - set(method.optional) - (set() if main else set(beside))
    return None if absent else Match(method.name, "", present)


def _official(match: Match) -> tuple[str, str]:
    """Name and sha256 of the published file that `match` would be; "" where there is none."""
    card = cards.card(match.method)
    file = card.beside.get(match.part) if match.part else card.weights
    return (file.file, file.sha256) if file else ("", "")


def _discriminator_fits(match: Match, stored: Mapping[str, Mapping[str, Tensor]]) -> bool:
    _, judge = skeleton(match.method)
    return judge is not None and "discriminator" in stored and not mismatch(judge.state_dict(), stored["discriminator"])
