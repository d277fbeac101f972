import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from talkbench import datasets

pytest_plugins = ["mcnet_golden"]


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
def demo(tmp_path_factory: pytest.TempPathFactory) -> datasets.Dataset:
    """The demo data set, prepared in a cache folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TALKBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        dataset = datasets.create("demo")
    dataset.prepare()
    return dataset
