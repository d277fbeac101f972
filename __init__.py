"""Benchmark and evaluation suite for talking-head video generation.

What the command line does is one call away; results show themselves as tables in a notebook::

    import talkbench as tb

    result = tb.evaluate("mcnet", "demo", metrics=["l1", "psnr"])
    tb.compare(result, tb.load("results/entries"))
    tb.animate("mcnet", source="face.png", driving="clip.mp4", out="result.mp4")

Everything is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from talkbench import datasets, methods, metrics, results
    from talkbench.benchmark.notebook.calls import animate, compare, evaluate, load, verify

    __version__: str

__all__ = ["animate", "compare", "datasets", "evaluate", "load", "methods", "metrics", "results", "verify"]

CALLS = ("animate", "compare", "evaluate", "load", "verify")
PACKAGES = ("datasets", "methods", "metrics", "results")


def __getattr__(name: str) -> Any:
    if name in CALLS:
        return getattr(import_module("talkbench.benchmark.notebook.calls"), name)
    if name in PACKAGES:
        return import_module(f"talkbench.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("talkbench")
    raise AttributeError(f"module 'talkbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
