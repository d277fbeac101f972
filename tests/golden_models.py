"""The rivals at full size with the weights of their goldens (golden.md of each: fill, then adjustments)."""

import torch
from goldens import scale
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


def fomm(align_corners: bool) -> Method:
    method = methods.create("fomm", align_corners=align_corners)
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
