"""Talking-head methods as native PyTorch models behind four steps; see `methods.interface`."""

from talkbench.methods.registration import class_of, count_parameters, create, registry

__all__ = ["class_of", "count_parameters", "create", "registry"]
