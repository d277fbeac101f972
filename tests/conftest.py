import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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
