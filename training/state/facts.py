"""What a training is: the clips that it learns from, what it keeps from them, and the code that it runs with.

Every state and every weights file holds these facts, and a training is continued only on the clips that it began with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.paths import commit
from talkbench.core.registry import distribution_of
from talkbench.core.text import few
from talkbench.datasets.fingerprints import fingerprints
from talkbench.training.data.pairs import FramePairs, HeldOut

MANY = 2000
"""More clips than so many take long enough to look at that the user should know what is going on."""

MOST = 100_000
"""Clips up to which weights files hold each fingerprint; the header of a safetensors file has a limit."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Facts:
    """The facts of a training.

    Attributes:
        dataset: name of the data set.
        clips: the fingerprints of all clips of its training part, the held-out ones included, by their names.
        held_out: the frames that no step has seen; None: not known, since a state of before there were facts is
            continued.
        code: the version of talkbench, its commit in a checkout, and the plugins that take part, with their versions.
    """

    dataset: str
    clips: Mapping[str, str]
    held_out: HeldOut | None
    code: Mapping[str, Any]

    @property
    def data_id(self) -> str:
        """12 digits of the sha256 over a line per clip, sorted: its name and its fingerprint."""
        lines = "".join(f"{name!r} {mark}\n" for name, mark in sorted(self.clips.items()))
        return hashlib.sha256(lines.encode(errors="surrogatepass")).hexdigest()[:12]

    def content(self, brief: bool = False) -> dict[str, Any]:
        """Plain values, as states hold them.

        Args:
            brief: whether the fingerprints of more than `MOST` clips are left out, as in weights files.
        """
        data: dict[str, Any] = {"dataset": self.dataset, "id": self.data_id, "count": len(self.clips)}
        if not brief or len(self.clips) <= MOST:
            data["clips"] = dict(self.clips)
        return {"data": data, "held_out": self.held_out, **self.code}


def gather(pairs: FramePairs, kinds: Iterable[type], say: Say) -> Facts:
    """The facts of a training that begins now.

    Args:
        kinds: the classes that take part in it and may be a plugin's.
        say: called with one line if there are `MANY` clips.
    """
    held_out = pairs.held_out()
    clips = sorted({*pairs.clips, *held_out})
    if len(clips) > MANY:
        say(f"looking at {len(clips)} clips, so that other ones are not taken for these when the training goes on")
    return Facts(pairs.dataset.name, fingerprints(clips, pairs.dataset.fingerprint), held_out, code(kinds))


def code(kinds: Iterable[type]) -> dict[str, Any]:
    """The code that runs: `talkbench`, its version; `commit` of a checkout and whether that was `changed` since; and
    `plugins`, with their versions, that the classes `kinds` are from."""
    state = _commit()
    plugins = sorted({distribution_of(kind) for kind in kinds} - {""})
    return {
        "talkbench": version("talkbench"),
        "commit": state[0] if state else None,
        "changed": bool(state and state[1]),
        "plugins": plugins,
    }


@cache
def _commit() -> tuple[str, bool] | None:
    return commit()


def continued(now: Facts, before: Mapping[str, Any] | None, folder: Path, say: Say) -> Facts:
    """The facts of a training that goes on from a state.

    Args:
        before: what the state says; None: it is from before there were facts.
        say: called with one line for what cannot be checked, and for other code.

    Raises:
        TalkbenchError: the clips are not those of the state; the message names the difference.
    """
    if not before or "data" not in before:
        say(
            f"the state in {folder} does not say which clips it has seen, so nobody can tell whether these are the same"
        )
        return replace(now, held_out=None)
    old = before["data"]
    if difference := _difference(old["clips"], now.clips):
        raise TalkbenchError(
            f"{folder} holds a training on other clips (data id {old['id']}, now {now.data_id}: {difference}); bring "
            "those back to continue it, or choose another --out"
        )
    if changed := _other_code(before, now.code):
        say(f"the last state in {folder} is of other code ({changed}): results may differ from those of either alone")
    return replace(now, held_out=_common(before["held_out"], now.held_out))


def _difference(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """How clips differ from those before, in words; "" if they do not."""
    kinds = {
        "added": sorted(new.keys() - old.keys()),
        "gone": sorted(old.keys() - new.keys()),
        "changed": sorted(clip for clip in old.keys() & new.keys() if old[clip] != new[clip]),
    }
    return "; ".join(f"{len(clips)} {kind}: {few(clips)}" for kind, clips in kinds.items() if clips)


def _other_code(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """How code differs from that before, in words; "" as far as anybody can tell if it does not."""
    changes = {
        "talkbench": (old["talkbench"], new["talkbench"]),
        "commit": ((old["commit"] or "")[:12], (new["commit"] or "")[:12]),
        "plugins": (", ".join(old["plugins"]), ", ".join(new["plugins"])),
    }
    return "; ".join(f"{name} {a or 'none'}, now {b or 'none'}" for name, (a, b) in changes.items() if a != b)


def _common(old: HeldOut | None, new: HeldOut | None) -> HeldOut | None:
    """What was held out before and is now: another number of validation pairs may hold out others."""
    if old is None or new is None:
        return None
    ranges: HeldOut = {}
    for clip in old.keys() & new.keys():
        first, second = (old[clip], new[clip])
        both = [tuple(own) for own in (first, second) if own is not None]
        if not both:
            ranges[clip] = None
            continue
        start, end = max(own[0] for own in both), min(own[1] for own in both)
        if start <= end:
            ranges[clip] = (start, end)
    return dict(sorted(ranges.items()))
