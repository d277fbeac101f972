"""The inference form of a method: the same networks, computed on a CPU by rearrangements that take less time.

A network keeps its parameters, keys and plain `forward`; only within an `InferenceForm` some of its modules compute
otherwise.
"""

from talkbench.methods.inference.form import InferenceForm

__all__ = ["InferenceForm"]
