"""Raw videos, and a list of clips to cut from them."""

from pathlib import Path

import pytest
import synthetic_sets
from raw_videos import write_list, write_raw

TUBES = synthetic_sets.YOUTUBE[:3]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos of two of `TUBES`, at 25 and 30 frames per second; the third is broken."""
    folder = tmp_path_factory.mktemp("raw")
    for tube, rate in zip(TUBES[:2], (25, 30), strict=True):
        write_raw(folder / f"{tube}.mp4", rate=rate)
    (folder / f"{TUBES[2]}.mp4").write_bytes(b"not a video")
    return folder


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Two test clips of each of `TUBES`, one of a video that nobody has, and one for training."""
    rows = [
        {"video_id": f"{tube}#id1028{number}", "start": start, "end": start + 15}
        for number, tube in enumerate((*TUBES, "vanishedvid"))
        for start in (0, 20)
    ]
    rows[-1] |= {"video_id": f"{TUBES[0]}#id10001", "partition": "train"}
    return write_list(tmp_path / "metadata.csv", *rows)
