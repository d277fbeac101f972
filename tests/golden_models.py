"""The rivals at full size with the weights of their goldens (tests/golden/*/golden.md: fill, then adjustments)."""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from typing import Any

import torch
from goldens import load, scale
from reference_fill import fill_
from torch import nn

from talkbench import methods
from talkbench.methods.blocks import AntiAliasDownsample
from talkbench.methods.discriminator import Discriminator
from talkbench.methods.interface import Method

IDENTITY = torch.tensor([1.0, 0.0, 0.0, 1.0])
FACEVID2VID_FACTORS = {
    "he_estimator": {".norm3.weight": 0.25, "fc_exp.weight": 0.15, "fc_t.weight": 0.05},
    "generator": {
        "dense_motion_network.mask.weight": 0.1,
        "dense_motion_network.occlusion.weight": 0.1,
        "mlp_gamma.weight": 0.1,
        "mlp_beta.weight": 0.1,
        "final.weight": 0.05,
    },
}
LIVEPORTRAIT_FACTORS = {
    "motion_extractor": {
        **{f"fc_{angle}.weight": 2.0 for angle in ("pitch", "yaw", "roll")},
        **{"fc_kp.weight": 0.2, "fc_scale.weight": 0.2, "fc_exp.weight": 0.1, "fc_t.weight": 0.1},
    },
    "warping_module": {"dense_motion_network.mask.weight": 0.1, "dense_motion_network.occlusion.weight": 0.1},
    "spade_generator": {"mlp_gamma.weight": 0.1, "mlp_beta.weight": 0.1, "conv_img.0.weight": 0.5},
    "retarget_shoulder": {"mlp.6.weight": 0.1},
    "retarget_mouth": {"mlp.6.weight": 0.1},
    "retarget_eye": {"mlp.10.weight": 0.1},
}


_last: dict[tuple[object, ...], Any] = {}


def kept(build: Callable[..., Any]) -> Callable[..., Any]:
    """Gives copies of what was built last: to fill a model takes seconds, and several tests in succession want it."""

    @wraps(build)
    def copied(*arguments: object) -> Any:
        key = (build, *arguments)
        if key not in _last:
            _last.clear()  # for the room
            _last[key] = build(*arguments)
        return deepcopy(_last[key])

    return copied


def fomm(align_corners: bool) -> Method:
    method: Method = methods.create("fomm", align_corners=align_corners)
    for name, network in _fomm().networks.items():
        method.networks[name].load_state_dict(network.state_dict())
        method.networks[name].eval()
    return method


@kept
def _fomm() -> Method:
    method = methods.create("fomm")
    for name, network in method.networks.items():
        fill_(network, f"a/{name}", ("down.weight",))
    method.networks["kp_detector"].state_dict()["jacobian.bias"].add_(IDENTITY.repeat(10))
    scale(method.networks["kp_detector"], {"jacobian.weight": 0.1})
    motion = "dense_motion_network."
    factors = {"final.weight": 0.1, f"{motion}mask.weight": 2.0, f"{motion}occlusion.weight": 2.0}
    scale(method.networks["generator"], factors)
    return method


def discriminator(num_kp: int = 0, spectral: bool = False) -> Discriminator:
    """Filled, its spectral vectors iterated."""
    network = fill_(Discriminator(num_kp, spectral), "a/discriminator")
    iterate_spectral_vectors(network, torch.float32)
    return network


def iterate_spectral_vectors(network: nn.Module, dtype: torch.dtype) -> None:
    """20 power iterations from the filled vectors, in the precision `dtype`."""
    state = network.state_dict()
    for key in [key for key in state if key.endswith("weight_orig")]:
        weight, prefix = state[key].flatten(1).to(dtype), key.removesuffix("orig")
        u = torch.nn.functional.normalize(state[f"{prefix}u"].to(dtype), dim=0, eps=1e-12)
        for _ in range(20):
            v = torch.nn.functional.normalize(weight.T @ u, dim=0, eps=1e-12)
            u = torch.nn.functional.normalize(weight @ v, dim=0, eps=1e-12)
        state[f"{prefix}u"].copy_(u)
        state[f"{prefix}v"].copy_(v)


def facevid2vid(variant: str, like: Method | None = None) -> Method:
    """`like`: one that is filled already, whose weights are taken where they are the same."""
    return _facevid2vid(variant, like) if like else _plain_facevid2vid(variant)


@kept
def _plain_facevid2vid(variant: str) -> Method:
    return _facevid2vid(variant)


def _facevid2vid(variant: str, like: Method | None = None) -> Method:
    with torch.device("meta"):  # random weights, which nobody needs, would take seconds
        method = methods.create(f"facevid2vid@{variant}")
    for name, network in method.networks.items():
        known = like.networks[name].state_dict() if like else {}
        if network.state_dict().keys() <= known.keys():
            network.load_state_dict({key: known[key] for key in network.state_dict()}, assign=True)
            continue
        network.to_empty(device="cpu")
        if name == "kp_detector":
            network.down = AntiAliasDownsample(3, 0.25)
        fill_(network, f"a/{name}", ("down.weight",))
        scale(network, FACEVID2VID_FACTORS.get(name, {}))
        iterate_spectral_vectors(network, torch.float64)
    return method


@kept
@torch.no_grad()
def liveportrait() -> Method:
    with torch.device("meta"):  # random weights, which nobody needs, would take seconds
        method = methods.create("liveportrait")
    for name, network in method.networks.items():
        fill_(network.to_empty(device="cpu"), f"a/{name}")
        scale(network, LIVEPORTRAIT_FACTORS.get(name, {}))
    method.networks["motion_extractor"].detector.fc_scale.bias.add_(1.2)
    iterate_spectral_vectors(method.networks["spade_generator"], torch.float64)
    return method


@torch.no_grad()
def mraa() -> Method:
    """vox256 with a moving background."""
    method = methods.create("mraa", background=True)
    for name, network in method.networks.items():
        fill_(network, f"a/{name}", ("down.weight",))
    scale(method.networks["bg_predictor"], {"fc.weight": 0.1})
    scale(method.networks["generator"], {"pixelwise_flow_predictor.mask.weight": 0.3})
    scale(method.networks["avd_network"], {"decoder.9.weight": 0.15})
    method.networks["bg_predictor"].fc.bias.add_(torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]))
    diagonal = torch.tensor([0.0, 0.0, 0.5, 0.0, 0.0, 0.5]).repeat(10)
    method.networks["avd_network"].state_dict()["decoder.9.bias"].add_(diagonal)
    return method


@kept
@torch.no_grad()
def tpsm() -> Method:
    method = methods.create("tpsm")
    for name, network in method.networks.items():
        fill_(network, f"a/{name}", ("down.weight",))
    for change in json.loads(str(load("tpsm")["adjustments"])):
        entry = method.networks[change["subnetwork"]].state_dict()[change["key"]]
        {"mul": entry.mul_, "add": entry.add_}[change["op"]](torch.tensor(change["value"]))
    return method


@kept
@torch.no_grad()
def dagan() -> Method:
    """The paper's generator with the smaller depth network."""
    method = methods.create("dagan")
    fill_depth(method.networks["depth_encoder"], method.networks["depth_decoder"])
    detector, generator = method.networks["kp_detector"], method.networks["generator"]
    fill_(detector, "a/kp_detector", ("down.weight", "jacobian.bias"))
    scale(detector, {"jacobian.weight": 0.25})
    fill_(generator, "a/generator", ("down.weight",))
    generator.AttnModule.gamma.fill_(1)
    scale(generator, {"AttnModule.query_conv.weight": 4, "final.weight": 0.1})
    return method


def fill_depth(encoder: nn.Module, decoder: nn.Module) -> None:
    """Either of DaGAN's depth networks."""
    fill_(encoder, "a/depth_encoder")
    fill_(decoder, "a/depth_decoder")
    scale(encoder, {"bn3.weight" if "encoder.layer1.0.bn3.weight" in encoder.state_dict() else "bn2.weight": 0.25})
    scale(decoder, {f"decoder.{number}.conv.weight": 0.3 for number in range(10, 14)})
