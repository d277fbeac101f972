"""Packs: the image files of a clip in one file, an uncompressed zip, from which any frame is read at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import atomic_path, check_regular
from talkbench.core.images import read_image, stored_size

PACK = ".frames.zip"
"""What the name of a pack's file has after the name of its clip."""
VERSION = 1
ANEW = "delete it and run bench data pack again"


@dataclass(frozen=True)
class PackFacts:
    """What a pack says of itself, as JSON in the comment of the zip.

    Attributes:
        pack: version of the form.
        frames: how many image files are in it.
        video: whether the clip was a video; a frame that did not decode is an empty file.
        damage: see `talkbench.datasets.interface.Clip`.
        source: the fingerprint of the clip that it was made from (`talkbench.datasets.fingerprints`), so that a
            training goes on with the packed clip.
    """

    pack: int
    frames: int
    video: bool
    damage: str
    source: str


def is_pack(path: Path | str) -> bool:
    """Whether the name of a path is a pack's."""
    return str(path).endswith(PACK)


class Pack:
    """A pack that is open for reading, also from several threads; a forked process opens its own.

    Attributes:
        facts: see `PackFacts`.
        names: of the image files.

    Raises:
        TalkbenchError: the file is no pack, was cut off, or has another version.
    """

    def __init__(self, path: Path) -> None:
        check_regular(path)
        self.path = path
        try:
            self._zip = ZipFile(path)
            comment = json.loads(self._zip.comment or "null")
        except Exception as error:  # zipfile reports damage in many ways
            reason = getattr(error, "strerror", None) or "it was cut off or is damaged"
            raise TalkbenchError(f"cannot read the pack {path}: {reason}; {ANEW}") from error
        version = comment.get("pack") if isinstance(comment, dict) else None
        if version is None:
            raise TalkbenchError(f"{path} is a zip that bench data pack has not written; {ANEW}, or rename it")
        if version != VERSION:
            raise TalkbenchError(
                f"{path} is a pack of version {version!r:.20}, and this talkbench reads version {VERSION}; {ANEW}"
            )
        members = self._zip.infolist()
        self.names = [member.filename for member in members]
        try:
            self.facts = PackFacts(**comment)
        except TypeError as error:
            raise TalkbenchError(f"cannot read the pack {path}: {error}; {ANEW}") from error
        sound = all(member.compress_type == ZIP_STORED for member in members)  # no small file that becomes a huge one
        if not sound or not members or self.facts.frames != len(set(self.names)) or len(members) != self.facts.frames:
            raise TalkbenchError(f"cannot read the pack {path}: its frames are not those that it declares; {ANEW}")

    def data(self, name: str) -> bytes:
        """The bytes of an image file, compared with their checksum.

        Raises:
            PairError: ``undecodable-frame``: they are not what was packed, or the frame did not decode even then.
        """
        try:
            data = self._zip.read(name)
        except Exception as error:  # as above
            problem = f"the bytes of {name} in {self.path} are not what was packed ({error}); {ANEW}"
            raise PairError("undecodable-frame", problem) from error
        if not data and self.facts.video:
            raise PairError("undecodable-frame", f"{name} in {self.path} could not be decoded when it was packed")
        return data

    def read(self, name: str) -> np.ndarray:
        """An image as uint8 RGB (H, W, 3); raises as `data`."""
        return read_image(self.path / name, self.data(name))

    def stored_size(self, name: str) -> tuple[int, int]:
        """See `talkbench.core.images.stored_size`; raises as `data`."""
        return stored_size(self.path / name, self.data(name))


def write_pack(path: Path, frames: Iterable[tuple[str, bytes]], video: bool, damage: str, source: str) -> None:
    """Write a pack, all or nothing; the same frames give the same bytes.

    Args:
        frames: names and bytes of the image files.
        video, damage, source: see `PackFacts`.

    Raises:
        TalkbenchError: the file cannot be written.
    """
    with atomic_path(path) as temporary, ZipFile(temporary, "w", ZIP_STORED) as archive:
        count = 0
        for name, data in frames:
            member = ZipInfo(name)  # of 1980, so that the bytes do not depend on the time
            member.external_attr = 0o644 << 16  # who unpacks it may read the files
            archive.writestr(member, data)
            count += 1
        archive.comment = json.dumps(asdict(PackFacts(VERSION, count, video, damage, source))).encode()
