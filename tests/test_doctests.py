"""The examples in docstrings give what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = [
    ".".join(["talkbench", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")
    for init in sorted(ROOT.glob("*/__init__.py"))
    for path in sorted(init.parent.rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("module", MODULES)
def test_examples(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
