"""Wheels made for a test, and a folder of them in place of a package index: there is no network."""

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

from talkbench.core.package_files import Carrier

RUNS = "raise SystemExit('code of the package was run')\n"


def wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes]) -> Path:
    """A wheel whose package must not be imported and whose dependency does not exist."""
    top, folder = name.replace("-", "_"), folder / "index"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{top}-{version}-py3-none-any.whl"
    info = f"{top}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: no-such-package-anywhere\n"
    parts = {
        f"{top}/__init__.py": RUNS.encode(),
        **files,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{part},,\n" for part in [*parts, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in {**parts, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(part, content)
    return path


def carrier(path: Path, member: str, sha256: str = "") -> Carrier:
    """Where in a wheel a file is; `sha256`: another hash than the wheel's own."""
    distribution, version, *_ = path.name.split("-")
    content = path.read_bytes()
    sha256 = sha256 or hashlib.sha256(content).hexdigest()
    return Carrier(distribution=distribution, version=version, sha256=sha256, size=len(content), member=member)


def only(monkeypatch: pytest.MonkeyPatch, folder: Path, programs: Iterable[str]) -> None:
    """pip and uv know nothing but the wheels of a folder, and only the `programs` are installed."""
    from importlib.util import find_spec

    known: Callable[[str], object] = lambda name: find_spec(name) if name in programs or "." in name else None  # noqa: E731
    monkeypatch.setattr("talkbench.core.package_files.find_spec", known)
    monkeypatch.setattr("talkbench.core.package_files.which", lambda name: None)
    for variable in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    for variable in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.setenv(variable, str(folder / "index"))
