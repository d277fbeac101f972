"""What `gpu.sh` needs on a machine without network: small libraries, and the frames of 200 pairs of the demo."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

from talkbench.benchmark.export_pairs import ExportPairsOptions, export_pairs

ROOT = Path(__file__).parents[2]
LIBRARIES = (
    "annotated-types",
    "iniconfig",
    "platformdirs",
    "pluggy",
    "pydantic",
    "pydantic-core",
    "pytest",
    "typing-inspection",
)
COLUMNS = ("source_clip", "source_index", "driving_clip", "driving_index")
SIZE = 128  # that of the small models


def carry(folder: Path, pairs: int | None = None, python: str | None = "3.12") -> None:
    """Write ``site``, ``frames`` and ``pairs.csv`` into `folder`.

    Args:
        pairs: only the first; None: all.
        python: the version there, on x86-64 Linux; None: no libraries are fetched.
    """
    export_pairs(ExportPairsOptions("demo", folder / "exported", limit=pairs, image_size=SIZE))
    shutil.move(folder / "exported" / "images", folder / "frames")
    with (folder / "exported" / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    places = _numbered(folder / "frames", {row[role] for row in rows for role in ("source", "driving")})
    with (folder / "pairs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([*places[row["source"]], *places[row["driving"]]] for row in rows)
    shutil.rmtree(folder / "exported")
    if python:
        target = ["--target", folder / "site", "--python-version", python, "--python-platform", "x86_64-manylinux_2_28"]
        pinned = ["--no-deps", "--only-binary", ":all:", "--constraint", ROOT / "constraints.txt"]
        command = [sys.executable, "-m", "uv", "pip", "install", *target, *pinned, *LIBRARIES]
        subprocess.run(command, check=True)


def _numbered(folder: Path, images: set[str]) -> dict[str, tuple[str, int]]:
    """Number the images of each clip without gaps, as clips that are folders are; returns clip and number of each."""
    places: dict[str, tuple[str, int]] = {}
    counts: dict[str, int] = {}
    for name in sorted(images):
        clip = "/".join(Path(name).parts[1:-1])
        number = counts[clip] = counts.get(clip, -1) + 1
        (folder / clip / Path(name).name).rename(folder / clip / f"{number:07d}.png")
        places[name] = clip, number
    return places


if __name__ == "__main__":
    carry(Path(sys.argv[1]))
