"""What a run's page says of its videos, and that a browser plays them."""

import io
import time
from collections.abc import Callable

import numpy as np
import pytest
from made_videos import write_video
from PIL import Image

from talkbench.core.files import write_atomic
from talkbench.core.images import write_png
from talkbench.reports.pages.run_page import Strip, write_page
from talkbench.results import RunStore
from talkbench.results.videos import AbsentFrame, ClipVideo, ClipVideos

MakeStore = Callable[..., RunStore]
HTML = "<script>alert('1')</script>\"'& %41 #?\x1b[31m"


def video(**changes: object) -> ClipVideo:
    plain = {
        "file": "000012.mp4", "poster": "000012.jpg", "place": "best", "rank": 1, "value": 0.0123,
        "source_clip": "a", "source_index": 3, "driving_clip": "b", "first": 4, "frames": 24, "clip_frames": 24,
        "fps": 25.0, "seconds": 0.96, "width": 64, "height": 48,
    }  # fmt: skip
    return ClipVideo.model_validate(plain | changes)


def page_of(store: RunStore, *videos: ClipVideo, clips: int = 3, metric: str | None = "l1", error: bool = True) -> str:
    described = ClipVideos(metric=metric, clips=clips, error=error, videos=videos)
    write_atomic(store.folder / "videos" / "clips.json", described.to_json())
    return write_page(store).read_text(encoding="utf-8").partition("<script>")[0]


def test_it_says_what_each_video_shows(make_store: MakeStore) -> None:
    absent = tuple(AbsentFrame(index=index, reason="not-finite") for index in (7, 9, 10, 11))
    middle = video(place="median", rank=2, absent=absent, variable=True, fps=21.337, frames=20)
    page = page_of(make_store(), video(), middle, video(place="worst", rank=3, value=None))
    assert "All 3 clips: the best, median and worst by the mean of l1 over their pairs." in page
    assert '<strong class="place">median</strong> <strong>clip 2 of 3</strong>' in page
    assert "a, frame 3 → b, frames 4 to 27" in page
    assert "24 frames, 0.96 s, 25 per second<" in page
    assert "20 frames, 0.96 s, 21.337 per second on average, variable as the driver&#39;s" in page
    assert "the beginning of 24 frames" in page
    assert "grey: frames 7, 9 to 11 (not-finite)" in page
    assert "<code>l1</code> 0.0123" in page
    assert page.count("between black and white it is 1") == 1


def test_a_choice_without_a_metric_is_told(make_store: MakeStore) -> None:
    page = page_of(make_store(), video(place="", rank=None, value=None), metric=None, error=False)
    assert "1 of 3 clips, in the order of the list: no metric of this run ranks." in page
    assert "<span>error</span>" not in page
    alone = page_of(make_store(), video(place=""), clips=1)
    assert "1 clip." in alone
    assert "clip 1 of 1" not in alone


def test_names_are_escaped(make_store: MakeStore) -> None:
    reason = (AbsentFrame(index=1, reason=HTML),)
    page = page_of(make_store(), video(source_clip=HTML, driving_clip=HTML, absent=reason))
    assert "alert('1')" not in page
    assert "&lt;script&gt;" in page
    assert 'src="videos/000012.mp4"' in page


@pytest.mark.parametrize("width", [390, 820, 1400])
def test_a_browser_plays_them_from_the_disk(make_store: MakeStore, driver, width: int) -> None:
    store = make_store()
    (store.folder / "videos").mkdir()
    write_video(store.folder / "videos" / "000012.mp4")
    page_of(store, video(), video(file="000013.mp4", place="worst"))
    motion = [{"name": "prefers-reduced-motion", "value": "no-preference"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": motion})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get((store.folder / "index.html").as_uri())
    driver.execute_script("document.querySelector('video').scrollIntoView({block: 'center'})")
    for _ in range(200):
        if driver.execute_script("return document.querySelector('video').currentTime") > 0.1:
            break
        time.sleep(0.05)
    else:
        pytest.fail("it does not play")
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    driver.execute_script("document.querySelectorAll('.wide')[1].scrollIntoView()")
    driver.execute_script("document.querySelector('video[src$=\"13.mp4\"]')?.load()")
    time.sleep(0.5)
    told = driver.find_elements("class name", "unplayable")
    assert [line.text for line in told] == [
        "This video is missing or damaged, or the browser cannot play H.264; the file is 000013.mp4."
    ]
    assert [line for line in driver.get_log("browser") if "ERR_FILE_NOT_FOUND" not in line["message"]] == []
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    driver.get("about:blank")


@pytest.mark.parametrize(("width", "columns"), [(390, 1), (820, 2), (1400, 4)])
def test_small_images_are_shown_at_256_pixels_each_its_own_part(
    make_store: MakeStore, driver, width: int, columns: int
) -> None:
    store = make_store()
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]
    picture = np.concatenate([np.full((128, 128, 3), colour, np.uint8) for colour in colours], axis=1)
    write_png(store.folder / "pictures" / "000001.png", picture)
    write_page(store, [Strip("pictures/000001.png", 1)])
    size = {"width": width, "height": 1600, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get((store.folder / "index.html").as_uri())
    panels = driver.find_elements("css selector", ".strip img")
    assert [panel.size for panel in panels] == [{"width": 256, "height": 256}] * 4
    assert len({panel.location["x"] for panel in panels}) == columns
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    for panel, colour in zip(panels, colours, strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(panel.screenshot_as_png)).convert("RGB")).astype(int)
        assert abs(pixels[4:-4, 4:-4] - colour).max() < 4
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.get("about:blank")
