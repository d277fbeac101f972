"""What a number was made with: versions, device, state of the checkout."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from talkbench.core.errors import TalkbenchError
from talkbench.results.schema import GitState

RECORDED = ("torch", "torchvision", "numpy", "scipy", "scikit-image", "pillow", "av", "facenet-pytorch", "mlflow")


def choose_device(name: str) -> torch.device:
    """``auto`` (CUDA where there is one, else the CPU) or a torch device name.

    Raises:
        TalkbenchError: the name is none, or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TalkbenchError(f"device {name!r} cannot be used here ({reason}); try --device cpu") from error
    return device


def device_name(device: torch.device) -> str:
    """The product name of `device`."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def libraries() -> dict[str, str]:
    """Versions of Python and of the libraries that can change a number."""
    found = {"python": platform.python_version()}
    for package in RECORDED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_state() -> GitState | None:
    """The commit of the checkout that this package runs from; None outside a checkout."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603

    try:
        return GitState(commit=git("rev-parse", "HEAD"), dirty=bool(git("status", "--porcelain")))
    except (OSError, subprocess.CalledProcessError):
        return None
