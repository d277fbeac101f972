"""Makes the record of a run: its method, its pairs, its metrics, and the versions and machine that it ran with."""

from __future__ import annotations

import hashlib
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from secrets import token_hex
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError

from talkbench import datasets
from talkbench.benchmark.environment import device_name, git_state, libraries
from talkbench.benchmark.evaluation.given_frames import GivenFrames
from talkbench.benchmark.evaluation.scorer import target_of
from talkbench.core.cards import MetricCard
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import distribution_of
from talkbench.results.record import DatasetInfo, MethodInfo, MetricSpec, ProtocolInfo, RunRecord

if TYPE_CHECKING:
    from talkbench.benchmark.evaluation.options import RunOptions
    from talkbench.benchmark.evaluation.plan import Setup
    from talkbench.methods.interface import Method

RESIZING = "bilinear, anti-aliased: each frame that has another size"
"""The rule by which frames of the data set are brought to the evaluated size (`core.images.resize`). It looks at each
frame alone, so that no order of the pairs can change it."""

IN_MEMORY = "a method that was built in Python"


def describe(setup: Setup, options: RunOptions) -> RunRecord:
    """The record of a run of `setup` that begins now."""
    method, split, protocol = setup.method, setup.split, setup.protocol
    now = datetime.now(UTC)
    return RunRecord(
        run_id=new_run_id(method.name, split.dataset, split.task, now),
        created=now,
        talkbench=version("talkbench"),
        command=options.command or shlex.join(sys.argv),
        method=_method(setup),
        dataset=DatasetInfo(
            name=split.dataset,
            task=split.task,
            motion=split.motion,
            pairs=len(split),
            pairs_sha256=split.sha256,
            pairs_file=options.pairs.name if options.pairs else split.part or "built-in",
            part=split.part,
            list_sha256=split.list_sha256,
            videos_named=split.videos_named,
            image_size=setup.size,
            resizing=RESIZING,
        ),
        metrics=tuple(spec_of(metric.card(), split.task) for metric in setup.metrics),
        unavailable=tuple(setup.unavailable),
        batch_size=setup.batch_size,
        device=str(setup.device),
        device_name=device_name(setup.device),
        threads=torch.get_num_threads(),
        libraries=dict(libraries()),
        platform=platform.platform(),
        git=git_state(),
        protocol=ProtocolInfo(name=protocol.name, sha256=protocol.sha256),
        quantisation=protocol.quantisation.value,
        jpeg_quality=options.jpeg_quality or protocol.jpeg_quality.value,
        aggregation="mean over " + " and over ".join(protocol.means.value),
        missing_faces=protocol.missing_faces.value,
        seen=setup.seen,
        shard=options.shard or "",
    )


def new_run_id(method: str, dataset: str, task: str, created: datetime) -> str:
    """The id of a run that begins now; ids of two machines cannot meet."""
    name = f"{method}-{dataset}-{task}".replace("@", "-")
    return f"{name}-{created:%Y%m%d-%H%M%S}-{token_hex(4)}"


def _method(setup: Setup) -> MethodInfo:
    method, weights = setup.method, setup.weights
    if isinstance(method, GivenFrames):
        return MethodInfo(name=method.name, origin=weights.origin, settings=method.settings, frames=method.info)
    trained = setup.training.step if setup.training else ""
    try:
        return MethodInfo(
            name=method.name,
            version=method.version,
            distribution=distribution_of(type(method)),
            checkpoint=weights.path.name if weights.path else None,
            checkpoint_sha256=state_sha256(method) if weights.origin == IN_MEMORY else method.checkpoint_sha256,
            origin=", ".join(filter(None, (weights.origin, trained))),
            settings=method.settings,
            resolution=method.resolution,
            ranked=method.ranked,
        )
    except ValidationError as error:  # a setting without a JSON form, such as NaN
        raise TalkbenchError(f"{method.name} cannot be recorded: {error.errors()[0]['msg']}") from error


def state_sha256(method: Method) -> str | None:
    """SHA-256 of the values in all networks of a method, whatever file they are from; None if it has no networks.

    Over the name, type, shape and bytes of each tensor in the order of their names.
    """
    digest = hashlib.sha256()
    for part, network in sorted(method.networks.items()):
        for key, value in sorted(network.state_dict().items()):
            digest.update(f"{part}/{key} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest() if method.networks else None


def spec_of(card: MetricCard, task: str) -> MetricSpec:
    """The entry of a metric in the record of a run of `task`; the metric must be computable here."""
    return MetricSpec(
        name=card.name,
        version=card.version,
        direction=card.direction,
        unit=card.unit,
        scale=card.scale,
        decimals=card.decimals,
        extractor=card.extractor_id or None,
        backend=card.backend,
        distribution=card.distribution,
        target=target_of(card, datasets.has_truth(task)),
        aggregation=card.aggregation,
        worst=card.range[0] if card.direction == "higher" else card.range[1],
        ranks=card.ranks,
    )
