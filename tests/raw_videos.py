"""Raw videos of which every frame and every corner can be told."""

from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 160, 90
WINDOW = (50, 10, 130, 90)  # left, top, right, bottom of what is not blue
COLUMNS = ("video_id", "start", "end", "bbox", "fps", "width", "height", "partition")


def frame(index: int) -> np.ndarray:
    """Blue outside `WINDOW`; inside, the left top quarter red and the rest grey of level 4 `index`."""
    left, top, right, bottom = WINDOW
    image = np.full((HEIGHT, WIDTH, 3), (0, 0, 255), np.uint8)
    image[top:bottom, left:right] = 4 * index
    image[top : (top + bottom) // 2, left : (left + right) // 2] = (255, 0, 0)
    return image


def write_raw(path: Path, rate: int = 25, frames: int = 50) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"qp": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(index))))
        container.mux(stream.encode())
    return path


def write_list(path: Path, *rows: dict[str, object], columns: tuple[str, ...] = COLUMNS) -> Path:
    """A list in the form of vox-metadata.csv; what a row leaves out is the window of `frame` at twice the size."""
    box = "-".join(str(2 * corner) for corner in WINDOW)
    usual = {"bbox": box, "fps": 25, "width": 2 * WIDTH, "height": 2 * HEIGHT, "partition": "test"}
    lines = [",".join(columns), *(",".join(str((usual | row)[column]) for column in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def clip_name(person: int, clip: int) -> str:
    """Of the clips in `write_people`."""
    return f"id{10000 + person}#tube{person:03d}x{max(clip, 1):03d}#{1000 * clip:06d}#{1000 * clip + 100:06d}.mp4"


def write_people(path: Path, people: int) -> Path:
    """A list in the form of vox-metadata.csv of `people` with five clips each, two of one recording, and of five more
    people with one clip; people of the test part are among the rows, and rows that repeat or contradict others."""
    clips = [(person, clip) for person in range(people) for clip in range(5)]
    clips += [(person, 0) for person in range(people, people + 5)]
    tested = [(280 + person, clip) for person in range(3) for clip in range(4)]
    rows = [(*one, "train") for one in [*clips, clips[0], (281, 7)]] + [(*one, "test") for one in tested]

    def row(person: int, clip: int, partition: str) -> dict[str, object]:
        identity, video, start, end = clip_name(person, clip).removesuffix(".mp4").split("#")
        return {"video_id": video, "person_id": identity, "start": int(start), "end": int(end), "partition": partition}

    path.parent.mkdir(parents=True, exist_ok=True)
    return write_list(path, *(row(*one) for one in rows), columns=(*COLUMNS, "person_id"))


def write_hdtf(folder: Path, group: str, videos: dict[str, str], stretches: str = "00:00-00:01") -> Path:
    """HDTF's five files of a group as published, of `videos` by name with their YouTube ids: each clip the window of
    `frame` at twice the size.

    Args:
        stretches: of every video, one for each clip.
    """
    left, top, right, bottom = (2 * corner for corner in WINDOW)
    clips = [f"{name}_{index}.mp4" for name in videos for index in range(len(stretches.split()))]
    content = {
        "video_url": [f"{name} https://www.youtube.com/watch?v={tube}&t=6s" for name, tube in videos.items()],
        "resolution": [f"{name}.mp4 {2 * HEIGHT}" for name in videos],
        "annotion_time": [f"{name}.mp4 {stretches} " for name in videos],
        "crop_wh": [f"{clip} {left} {right - left} {top} {bottom - top}" for clip in clips],
        "crop_ratio": [f"{clip} 1.2" for clip in clips],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for kind, lines in content.items():
        (folder / f"{group}_{kind}.txt").write_text("\n".join([*lines, ""]))
    return folder


def number(image: np.ndarray) -> int:
    """The index of the raw frame that `image`, square, was cut from."""
    return round(float(image[len(image) * 3 // 4, len(image) * 3 // 4].mean()) / 4)
