import ctypes
import gc
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import bytecode
import pytest
import users_store
from filelock import FileLock

from talkbench import datasets, methods
from talkbench.core.model_files import copy

pytest_plugins = ["mcnet_golden", "together"]

MUCH = 100_000_000
"""Bytes; to look for what nobody needs any more takes most of a second."""


def pytest_configure(config: pytest.Config) -> None:
    if folder := users_store.separate():
        config.add_cleanup(lambda: users_store.remove(folder))
    bytecode.keep(config)
    # What the tests write need not outlive a loss of power: each wait for the disk takes some milliseconds.
    os.fsync = lambda file: None


def pytest_collection_finish() -> None:
    """What was imported stays to the end: each search for what nobody needs any more would take most of a second."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()


@pytest.fixture(scope="session")
def install() -> Callable[..., None]:
    """Installs a wheel or a project's folder as a user would, but without its dependencies and without a network.

    Takes where, as options of ``pip install`` (``--target`` or ``--python`` and a path), and what.
    """

    def run(where: str, path: Path, what: Path) -> None:
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps"]
        subprocess.run([*command, "--no-build-isolation", where, path, what], check=True)

    return run


@pytest.fixture(scope="session")
def demo() -> datasets.Dataset:
    """The demo data set, prepared once for all processes of the tests; its files come from the user's store."""
    own = Path(os.environ[users_store.OWN])
    with pytest.MonkeyPatch.context() as patch, FileLock(own / "demo.lock"):
        patch.setenv("TALKBENCH_HOME", str(own))
        dataset = datasets.create("demo")
        for packaged in dataset.carried.values():
            stored = users_store.stored(packaged.file.path, "bench weights pull demo", part="data")
            copy(stored, packaged.target)
        dataset.prepare()
    return dataset


@pytest.fixture
def method_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Registers the class `Mine` of a package of its own as the method ``mine``, with a card if its text is given;
    gives the path of the card."""

    def register(card: str = "", body: str = "ranked = True") -> Path:
        folder = tmp_path / "mine_talkbench"
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text(
            f'class Mine:\n    """Moves nothing. Or does it?"""\n    {body}\n'
            '    def __init__(self, variant="", weights=None): ...\n'
        )
        if card:
            (folder / "card.yaml").write_text(card)
        spec = importlib.util.spec_from_file_location("mine_talkbench", folder / "__init__.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setitem(sys.modules, "mine_talkbench", module)
        monkeypatch.setitem(methods.registry._factories, "mine", module.Mine)
        return folder / "card.yaml"

    return register


def resident() -> int:
    """Bytes of this process that are in memory; 0 where Linux does not say so."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


@pytest.fixture(autouse=True, scope="module")
def _memory_is_given_back() -> Iterator[None]:
    """What arrays and graphs of a module took, and the allocator would keep in pieces that fit nothing larger."""
    before = resident()
    yield
    if resident() > before + MUCH:
        gc.collect()
        with suppress(AttributeError):  # not glibc
            ctypes.CDLL(None).malloc_trim(0)
