"""`bench check method`: checks that a method, whoever wrote it, does what `methods.interface` asks of it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from talkbench import methods
from talkbench.benchmark.conformance.subject import GLOBALS, CheckOptions, Failure, Subject, attempt, leaves
from talkbench.benchmark.environment import choose_device, memory_advice, reproducible
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.methods.interface import MOTIONS, Batch

# Of images in [0, 1]: one grey level of 8 bits, for the largest difference of two images that should be the same.
# Rounding depends on the size of the batch, and networks and image borders amplify it: here to 1e-4 at most.
SAME = 1 / 255
# Of mean |difference|. Both round to bfloat16's 8 bits: autocast what flows through the network, the yardstick its
# weights, which shows how far this network lets any rounding grow. The methods here come to 0.1 to 1.6 times it.
AUTOCAST_RATIO = 3
AUTOCAST_FLOOR = 1 / 255  # for methods with few weights or none
BEYOND = 1e-5  # of [0, 1]: what rounding may add to a sum of weights


class NotApplicable(Exception):
    """A check does not apply to this method; one line says why."""


@dataclass(frozen=True)
class Check:
    """One promise of the interface.

    Attributes:
        judge: returns its finding in words, or raises `Failure` or `NotApplicable`.
        needs: the checks that must pass before this one means anything.
    """

    name: str
    expected: str
    judge: Callable[[Subject], str]
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """The result of one check; `finding` tells it in one line."""

    check: Check
    status: Literal["pass", "fail", "n/a"]
    finding: str


CHECKS: list[Check] = []


def check(name: str, expected: str, *needs: str) -> Callable[[Callable[[Subject], str]], Callable[[Subject], str]]:
    """Decorator that appends to `CHECKS`; they run in this order."""

    def add(judge: Callable[[Subject], str]) -> Callable[[Subject], str]:
        CHECKS.append(Check(name, expected, judge, needs))
        return judge

    return add


def check_method(options: CheckOptions, progress: Progress | None = None) -> list[Verdict]:
    """Run all `CHECKS` on a method, with its checkpoint or with fresh weights from a fixed seed.

    A dozen images are rendered.

    Raises:
        TalkbenchError: the method cannot be built, or its device has too little memory.
    """
    progress = progress or Progress()
    device = choose_device(options.device)
    verdicts: dict[str, Verdict] = {}
    with reproducible(), memory_advice(1):
        subject = Subject(options, device)
        progress.start(0, len(CHECKS))
        for item in CHECKS:
            missing = [need for need in item.needs if verdicts[need].status != "pass"]
            verdicts[item.name] = _judge(item, subject, missing)
            progress.advance(1)
    return list(verdicts.values())


def _judge(item: Check, subject: Subject, missing: list[str]) -> Verdict:
    if missing:
        return Verdict(item, "n/a", f"not judged without {missing[0]}")
    try:
        return Verdict(item, "pass", item.judge(subject))
    except Failure as failure:
        return Verdict(item, "fail", str(failure))
    except NotApplicable as reason:
        return Verdict(item, "n/a", str(reason))


def same(image: Tensor, other: Tensor, bound: float) -> str:
    """The largest difference in words.

    Raises:
        Failure: it is above `bound`.
    """
    if image.shape != other.shape:
        raise Failure(f"shapes {tuple(image.shape)} and {tuple(other.shape)}")
    difference = (image - other).abs().max().item()
    finding = f"largest difference {difference:.1e}" if difference else "equal"
    if not difference <= bound:
        raise Failure(finding)
    return finding


@check(
    "declaration",
    f"a name, a resolution or None, networks, settings that JSON can hold, motions of {', '.join(MOTIONS)}",
)
def declaration(subject: Subject) -> str:
    method = subject.method
    name, networks, settings = (getattr(method, part, None) for part in ("name", "networks", "settings"))
    if not isinstance(name, str) or not name:
        raise Failure(f"name is {name!r}")
    if not isinstance(method.resolution, int | None) or method.resolution == 0:
        raise Failure(f"resolution is {method.resolution!r}")
    if not isinstance(networks, dict) or not all(isinstance(network, nn.Module) for network in networks.values()):
        raise Failure("networks is not a dict of modules")
    if not isinstance(settings, dict):
        raise Failure("settings is not a dict")
    attempt("writing settings as JSON", lambda: json.dumps(settings, allow_nan=False))
    if not method.motions or not set(method.motions) <= set(MOTIONS):
        raise Failure(f"motions is {method.motions!r}")
    return f"{', '.join(method.motions)} motion; {method.resolution or 'any'} pixels; {len(networks)} networks"


@check("steps", "all four run on a pair, and give records (Batch) and a tensor", "declaration")
def steps(subject: Subject) -> str:
    subject.prepare()
    return f"a record of {type(subject.first.source).__name__}, one of {type(subject.first.motion).__name__}, an image"


@check("records", "tensors with one item per image, which select and expand choose from", "steps")
def records(subject: Subject) -> str:
    source, motion = (subject.call(step, subject.faces) for step in ("encode_source", "encode_motion"))
    moved = subject.call("transfer", source, motion, None)
    count = 0
    for name, record in {"source": source, "motion": motion, "transferred motion": moved}.items():
        for path, value in leaves(record, name):
            count += 1
            if not isinstance(value, Tensor):
                raise Failure(f"{path} is a {type(value).__name__}")
            if value.shape[:1] != (3,):
                raise Failure(f"{path} has the shape {tuple(value.shape)} for 3 images")
        _selects(name, record)
    return f"{count} tensors"


def _selects(name: str, record: Batch) -> None:
    chosen = attempt(f"select of the {name}", record.select, torch.tensor([2, 0]))
    repeated = attempt(f"expand of the {name}", lambda: chosen.select(torch.tensor([1])).expand(2))
    for other, index in ((chosen, [2, 0]), (repeated, [0, 0])):
        items = dict(leaves(other, name))
        for path, value in leaves(record, name):
            if path not in items or not torch.equal(items[path], value[index]):
                raise Failure(f"select and expand give other items of {path}")
    if (len(record), len(chosen)) != (3, 2):
        raise Failure(f"len of the {name} is {len(record)} for 3 images")


@check("images", "float32 (B, 3, H, W), as large as the method's input, on its device", "steps")
def images(subject: Subject) -> str:
    image, face = subject.first.image, subject.faces[:1]
    finding = f"{image.dtype} {tuple(image.shape)} on {image.device}".removeprefix("torch.")
    if (image.dtype, image.shape, image.device) != (face.dtype, face.shape, face.device):
        raise Failure(finding)
    return finding


@check("finite values", "no NaN, no infinity", "images")
def finite(subject: Subject) -> str:
    bad = int((~subject.first.image.isfinite()).sum())
    if bad:
        raise Failure(f"{bad} of {subject.first.image.numel()} values are NaN or infinite")
    return "all finite"


@check("range", "images in [0, 1]", "finite values")
def value_range(subject: Subject) -> str:
    low, high = (bound.item() for bound in subject.first.image.aminmax())
    if low < -BEYOND or high > 1 + BEYOND:
        raise Failure(f"values from {low:.4g} to {high:.4g}")
    return f"values from {low:.2f} to {high:.2f}"


@check("determinism", "the same images give the same bits", "finite values")
def determinism(subject: Subject) -> str:
    return same(subject.animate(0, 1).image, subject.first.image, 0)


@check("history", "a pair gives the same bits after another one was rendered", "determinism")
def history(subject: Subject) -> str:
    _ = subject.second
    return same(subject.finish(subject.first.source, subject.first.motion), subject.first.image, 0)


@check("batch invariance", "a batch of three gives what the pairs give singly, to a grey level", "records", "history")
def batch_invariance(subject: Subject) -> str:
    # One record of two sources serves three drivings, as in a run.
    source = subject.call("encode_source", subject.faces[:2]).select(torch.tensor([0, 1, 0]))
    batch = subject.finish(source, subject.call("encode_motion", subject.faces[[1, 2, 0]]))
    return same(batch, torch.cat([pair.image for pair in (subject.first, subject.second, subject.own)]), SAME)


@check("relative motion", "where it is declared, it gives finite images", "records", "finite values")
def relative_motion(subject: Subject) -> str:
    if "relative" not in subject.method.motions:
        raise NotApplicable("the method has none")
    if subject.settings.get("avd"):
        raise NotApplicable("avd is set, which moves absolutely")
    return _sound(subject.relative, 2, subject)


@check("avd motion", "where it is declared, it gives finite images", "finite values")
def avd_motion(subject: Subject) -> str:
    if "avd" not in subject.method.motions:
        raise NotApplicable("the method has none")
    if "avd" not in inspect.signature(methods.registry.get(subject.options.method)).parameters:
        raise Failure("it is declared, but there is no setting avd that chooses it")
    try:
        other = Subject(subject.options, subject.device, avd=True)
    except TalkbenchError as error:  # no such network in the checkpoint
        raise NotApplicable(str(error)) from error
    other.prepare()
    finding = _sound(other.first.image, 1, subject)
    subject.modified += other.modified
    subject.leaked += other.leaked
    return finding


def _sound(image: Tensor, count: int, subject: Subject) -> str:
    if image.shape != subject.faces[:count].shape:
        raise Failure(f"render gives the shape {tuple(image.shape)} for {count} pairs")
    if not image.isfinite().all():
        raise Failure("render gives NaN or infinite values")
    return "rendered"


@check(
    "identity drive",
    "a source driven by itself stays as it is: relative motion since the source image is absolute motion, to a grey "
    "level",
    "batch invariance",
    "relative motion",
)
def identity_drive(subject: Subject) -> str:
    if subject.settings.get("form") == "pipeline":
        raise NotApplicable("form is pipeline, whose absolute motion keeps a part of the source's")
    still = same(subject.relative[1:], subject.own.image, SAME)
    moved = same(subject.relative[:1], subject.first.image, SAME)
    return f"driven by itself: {still}; by another face: {moved}"


@check(
    "autocast",
    f"bfloat16 changes the image on average by at most {AUTOCAST_RATIO} times what rounding the weights to it does, or "
    "by a grey level",
    "history",
)
def autocast(subject: Subject) -> str:
    kind = subject.device.type
    if not torch.amp.is_autocast_available(kind):
        raise NotApplicable(f"{kind} has no autocast")
    with torch.autocast(kind, torch.bfloat16):
        image = subject.animate(0, 1).image
    with subject.rounded_weights():
        rounded = subject.animate(0, 1).image
    change, yardstick = ((other.float() - subject.first.image).abs().mean().item() for other in (image, rounded))
    finding = f"mean difference {change:.1e}, of rounded weights {yardstick:.1e}"
    if not change <= max(AUTOCAST_RATIO * yardstick, AUTOCAST_FLOOR):
        raise Failure(finding)
    return finding


@check("arguments", "no step changes what it is given", "steps")
def arguments(subject: Subject) -> str:
    if subject.modified:
        raise Failure("; ".join(dict.fromkeys(subject.modified)))
    return "unchanged"


@check("global settings", f"no step changes torch's {', '.join(GLOBALS)}", "steps")
def global_settings(subject: Subject) -> str:
    if subject.leaked:
        raise Failure("; ".join(dict.fromkeys(subject.leaked)))
    return "unchanged"
