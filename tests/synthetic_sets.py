"""Tiny data sets in the layout, the naming and the list format of the five published ones, quirks included.

python tests/synthetic_sets.py FOLDER [DATA SET …]
"""

import csv
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from talkbench.datasets.official_lists import OfficialList

AUTHORS = "/data/some one/projects"  # where the authors had their data: an absolute folder, with a blank
YOUTUBE = ("Zbz058o9j6s", "ENIHEvg_VLM", "gTbcgoYXWdU", "-9_pljhZqs-", "vaK4t1-WD4M", "isKyMAYUOgg")
PEOPLE = ("Donald_Trump", "Emmanuel_Macron", "Jack_Ma", "Kathleen", "Theresa_May")
SPEAKERS = ("RD_Radio39", "WDA_ScottPeters0", "WDA_ScottPeters1", "WRA_TomCotton", "WRA_RogerWicker1", "RD_Radio40")
Row = tuple[str, ...]


def clip_names(slug: str, clips: int) -> list[str]:
    """The folders of the clips below the root, in the official naming; two clips to a person where there can be."""
    stamps = [f"{100 * clip:06d}#{100 * clip + 90:06d}" for clip in range(clips)]
    tubes = [YOUTUBE[clip % len(YOUTUBE)] for clip in range(clips)]
    people = [clip // 2 for clip in range(clips)]
    return {
        "voxceleb1": [f"test/id{10280 + p}#{t}#{s}.mp4" for p, t, s in zip(people, tubes, stamps, strict=True)],
        "voxceleb2": [
            f"test/mp4/id{17 + p:05d}/{t}/{c:05d}.mp4" for c, (p, t) in enumerate(zip(people, tubes, strict=True))
        ],
        "celebv": [f"{person}/Image" for person in PEOPLE[:clips]],
        "hdtf": [f"{SPEAKERS[c % len(SPEAKERS)]}_{c // len(SPEAKERS):03d}.mp4" for c in range(clips)],
        "ted-talks": [f"test/{t}#{s}.mp4" for t, s in zip(tubes, stamps, strict=True)],
    }[slug]


def frame_name(slug: str, clip: str, index: int) -> str:
    """The file name of frame `index`; CelebV's images are not numbered from 0."""
    if slug == "celebv":
        return f"P_{clip.split('/')[0].split('_')[-1]}_{7000 + index}.jpg_{5000 + 3 * index:010d}.jpg"
    return f"{index:06d}.jpg" if slug == "hdtf" else f"{index:07d}.png"


def picture(clip: int, index: int, size: int) -> np.ndarray:
    """A smooth image that says which it is: colours from the clip, a bright disc that moves with the index."""
    rows, columns = np.mgrid[:size, :size] / size
    image = np.stack([rows, columns, np.full_like(rows, (clip % 6) / 6)], -1) * 160
    image[np.hypot(rows - 0.5, columns - 0.3 - 0.05 * (index % 8)) < 0.15] += 90
    return image.astype(np.uint8)


def write_clip(folder: Path, slug: str, clip: str, number: int, frames: int, size: int) -> None:
    folder.mkdir(parents=True)
    for index in range(frames):
        Image.fromarray(picture(number, index, size)).save(folder / frame_name(slug, clip, index))


def write_video(path: Path, number: int, frames: int, size: int, rate: int = 25) -> None:
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number, index, size))))
        container.mux(stream.encode())


def write_rows(path: Path, header: Row, rows: list[Row]) -> None:
    """As the authors wrote their lists: comma, CRLF, and no more fields than there are."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([header, *rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.getvalue().encode())


def make(
    root: Path, slug: str, pairs: int = 12, clips: int = 5, frames: int = 8, size: int = 64, videos: bool = False
) -> Path:
    """Write the data set `slug` below `root`, each list with `pairs` rows, and return `root`.

    Args:
        clips: how many; CelebV has five people and no more.
        frames: in each.
        size: side of the images in pixels.
        videos: clips are video files instead of folders (not for CelebV).
    """
    names = clip_names(slug, clips)
    for number, name in enumerate(names):
        if videos:
            write_video(root / name, number, frames, size)
        else:
            write_clip(root / name, slug, name, number, frames, size)
    LISTS[slug](root / "lists", names, pairs, frames)
    return root


def training_names(slug: str) -> list[str]:
    """The folders of four clips for training, of two people who are not in the test part."""
    stamps = ("000100#000190", "000200#000290")
    return {
        "voxceleb1": [f"train/id1000{p}#{YOUTUBE[p]}#{s}.mp4" for p in range(2) for s in stamps],
        "voxceleb2": [f"dev/mp4/id0001{p}/{YOUTUBE[p]}/0000{c}.mp4" for p in range(2) for c in range(2)],
        "hdtf": [f"WDA_{person}_00{c}.mp4" for person in ("TimKaine", "AmyKlobuchar") for c in range(2)],
        "ted-talks": [f"train/talknumber{p}#{s}.mp4" for p in range(2) for s in stamps],
        "folder": [f"train/{person}/{c}.mp4" for person in ("anna", "ben") for c in range(2)],
    }[slug]


def make_training(root: Path, slug: str, frames: int = 8, size: int = 64, videos: bool = False) -> Path:
    """Write the clips of `training_names` below `root`, as `make` does, and return `root`."""
    for number, name in enumerate(training_names(slug)):
        if videos:
            write_video(root / name, number, frames, size)
        else:
            write_clip(root / name, slug, name, number, frames, size)
    return root


def accept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the lists of these sets pass for the published ones, whose sha256 they cannot have."""
    monkeypatch.setattr(
        OfficialList, "status", lambda self, root: "there" if self.location(root).is_file() else "missing"
    )


def drawn(slug: str, names: list[str], pairs: int, frames: int, prefix: str, cross: bool) -> Iterator[tuple[Row, str]]:
    """Rows (source, driving) as paths of the authors, and the folder of the driving clip."""
    rng = np.random.default_rng(7)
    for row in range(pairs):
        source = names[row % len(names)]
        driving = names[(row + 2) % len(names)] if cross else source
        first, second = rng.permutation(frames)[:2]
        paths = (
            f"{prefix}/{source}/{frame_name(slug, source, first)}",
            f"{prefix}/{driving}/{frame_name(slug, driving, second)}",
        )
        yield paths, f"{prefix}/{driving}"


def voxceleb1(folder: Path, names: list[str], pairs: int, frames: int) -> None:
    prefix = f"{AUTHORS}/vox1_frames"
    for kind, two, three, third in (
        ("same", "vox_evaluation.csv", "vox_evaluation_v2.csv", "best_frame"),
        ("cross", "vox_cross_id_evaluation.csv", "vox_cross_id_evaluation_best_frame.csv", "frame"),
    ):
        rows = list(drawn("voxceleb1", names, pairs, frames, prefix, kind == "cross"))
        rows[-1] = rows[0]  # a pair that is listed twice
        write_rows(folder / two, ("source", "driving", third), [row for row, _ in rows])
        best = [(*row, row[1] if kind == "same" else f"{clip}/{0:07d}.png") for row, clip in rows]
        write_rows(folder / three, ("source", "driving", "best_frame"), best)
        animate = [(row[0], clip) for row, clip in rows]
        write_rows(folder / f"vox_{kind}_id_animate.csv", ("source_frame", "driving_video"), animate)
    whole = [
        (Path(names[row % len(names)]).name, Path(names[(row + 2) % len(names)]).name, "0.0") for row in range(pairs)
    ]
    write_rows(folder / "vox256.csv", ("source", "driving", "frame"), whole)


def voxceleb2(folder: Path, names: list[str], pairs: int, frames: int) -> None:
    """There is no official list; one is drawn: bench data draw voxceleb2."""


def celebv(folder: Path, names: list[str], pairs: int, frames: int) -> None:
    rows = [row for row, _ in drawn("celebv", names, pairs, frames, f"{AUTHORS}/CelebV", True)]
    write_rows(folder / "celeV_cross_id_evaluation.csv", ("source", "driving", "frame"), rows)


def hdtf(folder: Path, names: list[str], pairs: int, frames: int) -> None:
    header = ("source", "driving", "frame")
    for file, prefix in (
        ("HDTF_test_evaluation_new.csv", f"{AUTHORS}/frames_split/test"),
        ("HDTF_test_evaluation.csv", f"{AUTHORS}/hdtf_video_frames"),
    ):
        write_rows(folder / file, header, [row for row, _ in drawn("hdtf", names, pairs, frames, prefix, False)])
    rows = drawn("hdtf", names, pairs, frames, f"{AUTHORS}/hdtf_video_frames", True)
    glued = [(*row, f"{clip}{frames - 1:06d}.jpg") for row, clip in rows]  # no separator before the frame
    write_rows(folder / "HDTF_cross_id_v2 copy.csv", ("source", "driving", "anchor"), glued)


def ted_talks(folder: Path, names: list[str], pairs: int, frames: int) -> None:
    rows = [row for row, _ in drawn("ted-talks", names, pairs, frames, f"{AUTHORS}/TED384-v2", False)]
    write_rows(folder / "ted_test_evaluation.csv", ("source", "driving", "frame"), rows)


LISTS: dict[str, Callable[[Path, list[str], int, int], None]] = {
    "voxceleb1": voxceleb1,
    "voxceleb2": voxceleb2,
    "celebv": celebv,
    "hdtf": hdtf,
    "ted-talks": ted_talks,
}

if __name__ == "__main__":
    for chosen in sys.argv[2:] or LISTS:
        print(make(Path(sys.argv[1]) / chosen, chosen))
