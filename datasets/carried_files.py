"""Files that clips are made from and that packages of the Python index carry; they lie beside the model files, so that
`bench weights` takes care of them too."""

from __future__ import annotations

from pathlib import PurePosixPath

from talkbench.core.cards import Card
from talkbench.core.model_files import RemoteFile
from talkbench.core.package_files import Carrier, PackagedFile
from talkbench.core.paths import home

STORE = "data"
"""Folder beside those of the model files."""


class CarriedFile(Card):
    """What a data set's card says of such a file.

    Attributes:
        registry: the packages of the Python index that carry it, in the order in which they are tried.
        sha256: of its contents.
        size: bytes.
        licence: in words.
    """

    registry: tuple[Carrier, ...]
    sha256: str
    size: int
    licence: str

    def packaged(self, name: str, dataset: str) -> PackagedFile:
        """The file called `name`, wanted at its place in the store."""
        path = f"{dataset}/{PurePosixPath(self.registry[0].member).name}"
        page = " or ".join(map(str, self.registry))
        file = RemoteFile(name, path, "", page, self.licence, self.sha256, size=self.size)
        return PackagedFile(file, home() / "weights" / STORE / path, self.registry)


def state(file: PackagedFile) -> str:
    """``missing``, ``damaged``, or ``official``: the published hash holds."""
    if not file.target.is_file():
        return "missing"
    return "damaged" if file.file.difference(file.target) else "official"
