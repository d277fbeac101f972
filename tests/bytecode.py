"""What Python has compiled, for all processes of the tests where the environment keeps them from writing it."""

import os
import sys

import pytest


def keep(config: pytest.Config) -> None:
    """Have every module compiled once, into pytest's cache, and not again by each process that imports it."""
    if sys.dont_write_bytecode and hasattr(config, "cache"):
        sys.dont_write_bytecode, sys.pycache_prefix = False, str(config.cache.mkdir("bytecode"))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
