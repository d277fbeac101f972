"""What the frames of a run decode to: a hash per frame, and over all of them the data id.

Two runs of one pair list and two copies of its videos have equal protocol ids. The data id tells them apart.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from talkbench.core.errors import TalkbenchError
from talkbench.results.parts import Parts

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, order=True)
class FrameName:
    """A frame of a data set, by its clip and its index there."""

    clip: str
    index: int

    def __str__(self) -> str:
        return f"frame {self.index} of clip {self.clip}"


class FrameContent(NamedTuple):
    """What a frame decodes to.

    Attributes:
        width, height: in pixels as stored; 0 for a frame that cannot be decoded.
        sha256: `content_sha256` of its pixels; "" for a frame that cannot be decoded.
    """

    width: int
    height: int
    sha256: str


UNDECODABLE = FrameContent(0, 0, "")

Contents = Mapping[FrameName, FrameContent]


def content_of(image: np.ndarray) -> FrameContent:
    """The content of a decoded image, uint8 (H, W, 3), before it is resized or cropped."""
    height, width = image.shape[:2]
    return FrameContent(width, height, content_sha256(image))


def content_sha256(image: np.ndarray) -> str:
    """sha256 over the shape of a uint8 (H, W, 3) image, as ``HxWx3`` and a line break, and its bytes row by row."""
    import numpy as np

    digest = hashlib.sha256("x".join(map(str, image.shape)).encode() + b"\n")
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def data_id(contents: Contents) -> str:
    """12 digits of the sha256 over a line per frame, sorted: index, clip and `FrameContent.sha256`."""
    lines = sorted(f"{name.index} {name.clip!r} {content.sha256}\n" for name, content in contents.items())
    return hashlib.sha256("".join(lines).encode(errors="surrogatepass")).hexdigest()[:12]


def stored_sizes(contents: Contents) -> dict[str, int]:
    """How many of the frames that can be decoded are stored with which width and height (``256x256``)."""
    sizes = Counter(f"{content.width}x{content.height}" for content in contents.values() if content.sha256)
    return dict(sorted(sizes.items()))


def first_difference(before: Contents, now: Contents) -> FrameName | None:
    """The first frame, by clip and index, that both have with unlike contents; None if there is none."""
    common = before.keys() & now.keys()
    return min((name for name in common if before[name].sha256 != now[name].sha256), default=None)


def in_words(frame: FrameName, before: FrameContent, now: FrameContent) -> str:
    """How the content of a frame differs from the one before."""
    if not now.sha256:
        return f"{frame} cannot be decoded, which it could when it was scored before"
    return f"{frame} differs from the one scored before" + ("" if before.sha256 else ", which could not be decoded")


class ContentStore:
    """What the frames of a run decode to, in ``content/part-00000.parquet`` … of its folder: its `parts`."""

    def __init__(self, run: Path) -> None:
        self.folder = run / "content"
        self.parts = Parts(self.folder, _arrow_schema)

    def append(self, contents: Contents) -> None:
        """Add `contents` as one new part; an unwritable folder raises `TalkbenchError`."""
        self.parts.append([{**asdict(name), **content._asdict()} for name, content in contents.items()])

    def read(self) -> dict[FrameName, FrameContent]:
        """All that was added; empty for a run without it, as those older than data ids.

        Raises:
            TalkbenchError: a part is damaged, or two parts contradict each other, as two runs on unlike data that wrote
                to one folder leave it.
        """
        contents: dict[FrameName, FrameContent] = {}
        for table in self.parts.tables("run again with another --out"):
            columns = (column.to_pylist() for column in table.columns)
            more = {FrameName(clip, index): FrameContent(*rest) for clip, index, *rest in zip(*columns, strict=True)}
            if frame := first_difference(contents, more):
                raise TalkbenchError(
                    f"{self.folder} has two contents of {frame}: runs on unlike data wrote there; run again with "
                    "another --out"
                )
            contents |= more
        return contents


def _arrow_schema() -> Any:
    import pyarrow as pa

    text, number = pa.string(), pa.int64()
    return pa.schema([("clip", text), ("index", number), ("width", number), ("height", number), ("sha256", text)])
