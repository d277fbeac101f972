"""The rivals at full size with the weights of their goldens (golden.md of each: fill, then adjustments)."""

import torch
from goldens import scale
from reference_fill import fill_

from talkbench import methods
from talkbench.methods.discriminator import Discriminator
from talkbench.methods.interface import Method

IDENTITY = torch.tensor([1.0, 0.0, 0.0, 1.0])


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
    """Filled, its spectral vectors iterated 20 times from the filled ones."""
    network = fill_(Discriminator(num_kp, spectral), "a/discriminator")
    state = network.state_dict()
    for key in [key for key in state if key.endswith("weight_orig")]:
        weight, prefix = state[key].flatten(1), key.removesuffix("orig")
        u = torch.nn.functional.normalize(state[f"{prefix}u"], dim=0, eps=1e-12)
        for _ in range(20):
            v = torch.nn.functional.normalize(weight.T @ u, dim=0, eps=1e-12)
            u = torch.nn.functional.normalize(weight @ v, dim=0, eps=1e-12)
        state[f"{prefix}u"].copy_(u)
        state[f"{prefix}v"].copy_(v)
    return network
