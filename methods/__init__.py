"""Talking-head methods as native PyTorch models behind four steps; see `methods.interface`."""

from talkbench.methods.registration import count_parameters, create, registry

__all__ = ["count_parameters", "create", "registry"]
