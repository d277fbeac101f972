"""The second stage of TPSM and of MRAA against the reference outputs, and what it does to a model."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from goldens import Recorder, assert_golden, load, scale
from reference_fill import fill_, image
from torch import nn
from toy_training import SIZE, Toy, small_tpsm

from talkbench import methods
from talkbench.methods.avd import AVDNetwork
from talkbench.methods.interface import Method
from talkbench.methods.mraa.regions import Regions
from talkbench.training.config import LossWeights, TrainConfig
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer
from talkbench.training.objectives.avd import MRAAAVDObjective, TPSMAVDObjective
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.progress import TrainProgress
from talkbench.training.state.draw import Draw
from talkbench.training.world import World


def with_avd(name: str, network: nn.Module) -> Method:
    """A method of which the AVD network alone has values."""
    with torch.device("meta"):
        method = methods.create(name)
    method.avd_network = method.networks["avd_network"] = network
    return method


@torch.no_grad()
def tpsm() -> TPSMAVDObjective:
    network = fill_(AVDNetwork(100, 128), "a/avd_network")
    for change in json.loads(str(load("tpsm")["adjustments"])):
        if change["subnetwork"] != "avd_network":
            continue
        entry = network.state_dict()[change["key"]]
        {"mul": entry.mul_, "add": entry.add_}[change["op"]](torch.tensor(change["value"]))
    return TPSMAVDObjective(with_avd("tpsm", network), nn.Identity(), LossWeights())


@torch.no_grad()
def mraa() -> MRAAAVDObjective:
    network = fill_(AVDNetwork(60, 64), "a/avd_network")
    scale(network, {"decoder.9.weight": 0.15})
    network.state_dict()["decoder.9.bias"].add_(torch.tensor([0.0, 0.0, 0.5, 0.0, 0.0, 0.5]).repeat(10))
    return MRAAAVDObjective(with_avd("mraa", network), nn.Identity(), LossWeights())


@torch.no_grad()
def test_tpsm_with_batch_statistics() -> None:
    golden, objective = load("tpsm"), tpsm().train()
    source, driving, factors = (
        torch.from_numpy(golden[f"probe_avd_{name}"]) for name in ("source", "driving", "train_scale")
    )
    with Recorder(objective.avd_network) as recorder:
        terms = objective.recover(torch.cat([source, driving]), factors)
    assert_golden(golden, "probe_avd_train_out", recorder.outputs[""][0].view_as(driving), 1e-5)
    assert list(terms) == ["keypoint_recovery"]
    np.testing.assert_allclose(terms["keypoint_recovery"], golden["probe_avd_train_loss"], rtol=1e-4)


@torch.no_grad()
def test_mraa() -> None:
    golden, objective = load("mraa"), mraa().eval()
    found = [torch.cat([torch.from_numpy(golden[f"{frame}_{part}"]) for frame in ("src", "drv1")])
             for part in ("shift", "covar", "affine")]  # fmt: skip
    terms = objective.recover(Regions(*found), torch.from_numpy(golden["avdtrain_scale"]))
    for name, stored in (("keypoint_recovery", "shift"), ("affine_recovery", "affine")):
        assert terms[name].item() == pytest.approx(float(golden[f"loss_avd_rec_{stored}"]), abs=1e-4)


@pytest.mark.parametrize("make", [tpsm, mraa])
def test_the_gradient_is_that_of_finite_differences(make) -> None:
    objective = make().train()
    objective.avd_network.double()
    numbers = torch.Generator().manual_seed(0)
    shift = torch.rand(6, 50 if make is tpsm else 10, 2, generator=numbers).double() - 0.5
    axes = torch.randn(6, 10, 2, 2, generator=numbers).double()
    found = shift if make is tpsm else Regions(shift, axes @ axes.mT, axes)
    factors = 0.75 + 0.5 * torch.rand(3, 2, generator=numbers).double()
    weight = objective.avd_network.decoder[0].weight
    direction = torch.randn(weight.shape, generator=numbers).double()

    def total() -> torch.Tensor:
        return torch.stack(list(objective.recover(found, factors).values())).sum()

    total().backward()
    slope = (weight.grad * direction).sum().item()
    values = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            weight += step * direction
            values.append(total().item())
    assert (values[0] - values[1]) / 2e-6 == pytest.approx(slope, rel=1e-5)


def test_factors_are_drawn_per_sample_and_axis() -> None:
    objective, cpu = tpsm(), torch.device("cpu")
    factors = objective.random(Draw(1, 0, 400, 0, 400, cpu, 0))
    assert factors.shape == (400, 2)
    assert (factors.min() - 0.75).abs() < 0.01
    assert (factors.max() - 1.25).abs() < 0.01
    assert torch.equal(objective.random(Draw(1, 0, 400, 200, 200, cpu, 0)), factors[200:])


def trainer(folder: Path, **changes: object) -> Trainer:
    torch.manual_seed(0)
    config = TrainConfig(
        method="tpsm@demo", dataset="toy", stage="avd", epochs=2, repeats=4, batch_size=4, jitter=0, validation=2,
        sampling="clip", **changes,
    )  # fmt: skip
    pairs = FramePairs(Toy({name: list(range(20)) for name in "ab"}), config, SIZE)
    world, options = World(torch.device("cpu")), LoopOptions()
    return Trainer(small_tpsm(), config, pairs, folder, MultiScaleL1(), world, options, TrainProgress())


def test_only_the_avd_network_learns_and_all_are_written(tmp_path: Path) -> None:
    running = trainer(tmp_path)
    before = {key: value.clone() for key, value in running.networks.state_dict().items()}
    running.run()
    changed = {key.split(".")[0] for key, value in running.networks.state_dict().items()
               if not torch.equal(value, before[key])}  # fmt: skip
    assert changed == {"avd_network"}
    assert running.states().keys() == running.method.networks.keys()
    assert running.latest.keys() == {"keypoint_recovery", "total"}
    with torch.no_grad():
        encoded = running.method.encode_source(image(1, SIZE))
    assert encoded.identity is not None  # validation sees what has learned


def test_a_stage_is_continued_to_the_very_same_weights(tmp_path: Path) -> None:
    whole, part = trainer(tmp_path / "whole"), trainer(tmp_path / "part")
    whole.run()
    part.batches.total = 2
    part.run()
    rest = trainer(tmp_path / "part")
    assert rest.step == 2
    rest.run()
    states = [run.networks.state_dict() for run in (whole, rest)]
    assert all(torch.equal(states[1][key], value) for key, value in states[0].items())
