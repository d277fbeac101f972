"""Two methods in motion, and pictures that open large, in a real browser."""

import io
import shutil
import time
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from site_entries import CARDS, write

from talkbench.reports.leaderboard.build import build_site
from talkbench.results.entries import load_entries

RATES = {"reconstruction": Fraction(25), "same-identity": Fraction(60), "cross-identity": Fraction(24000, 1001)}
FRAMES = 30
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&{}"
LISTEN = """window.violations = [];
    addEventListener('securitypolicyviolation', (event) => violations.push(event.blockedURI))"""
TIMES = "return Array.from(document.querySelectorAll('#stage video'), (video) => video.currentTime)"
SETTLED = """return Array.from(document.querySelectorAll('#stage video')).every(
    (video) => video.readyState >= 2 && !video.seeking)"""
SCRUB = """const time = document.getElementById('time');
    time.value = arguments[0];
    time.dispatchEvent(new Event('input'))"""
IN_STEP = """const [left, right] = document.querySelectorAll('#stage video');
    return !right.seeking && Math.abs(left.currentTime - right.currentTime) <= arguments[0]"""
PLAYING = "return Array.from(document.querySelectorAll('#stage video')).every((video) => !video.paused)"


def compare(task="reconstruction", left="alpha", right="gamma"):
    return f"compare/demo--{task}.html#a={left}-{task}&b={right}-{task}"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A site of two methods with clips, the first without errors, and in reconstruction of a third and one without."""
    root = tmp_path_factory.mktemp("entries")
    for task, rate in RATES.items():
        options = {"task": task, "pairs": 2 * FRAMES, "metrics": ["l1"], "pictured": (0, FRAMES), "clip": HOSTILE}
        for level, name in enumerate(("alpha", "beta", "gamma")):
            if name == "beta" and task != "reconstruction":
                continue
            label = {"details": {"label": HOSTILE}} if name == "beta" else {"details": {"label": name}}
            write(root, f"{name}-{task}", method=name, level=0.4 * level, moving=FRAMES, rate=rate, **options, **label)
    options = {"task": "reconstruction", "pairs": 2 * FRAMES, "metrics": ["l1"], "moving": FRAMES, "clip": HOSTILE}
    write(root, "still-reconstruction", method="still", rate=None, **options)
    out = tmp_path_factory.mktemp("site")
    build_site(load_entries(root), CARDS).write(out)
    return out


@pytest.fixture
def page(driver, pages):
    """Open a page of the site; at the end of the test the policy was kept, and nothing stands in the browser's log."""
    scripts = []

    def open_page(path, site=pages, motion="reduce", before=""):
        source = {"source": f"{LISTEN}; {before}"}
        scripts.append(driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)["identifier"])
        feature = {"name": "prefers-reduced-motion", "value": motion}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        driver.get("about:blank")
        file, mark, place = path.partition("#")
        driver.get((site / file).as_uri() + mark + place)
        return driver

    yield open_page
    assert driver.execute_script("return violations") == []
    assert driver.get_log("browser") == []
    driver.get("about:blank")
    for script in scripts:
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def wait(driver, script, *values):
    for _ in range(200):
        if driver.execute_script(script, *values):
            return
        time.sleep(0.05)
    pytest.fail(f"waited in vain for {script} of {values}")


def press(driver, *keys):
    from selenium.webdriver import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def scrub(driver, frame):
    driver.execute_script(SCRUB, frame)
    wait(driver, SETTLED)


@pytest.mark.parametrize("task", RATES)
def test_after_a_seek_both_videos_show_the_frame_asked_for(page, task):
    driver, rate = page(compare(task)), float(RATES[task])
    wait(driver, SETTLED)
    short = FRAMES / rate < 1
    assert driver.find_element("id", "speed").get_attribute("value") == ("0.25" if short else "1")
    for frame in (FRAMES - 1, 7, 8, 0, 21):
        scrub(driver, frame)
        left, right = driver.execute_script(TIMES)
        assert abs(left - right) * rate <= 1.5
        assert abs(left - (frame + 0.5) / rate) * rate <= 1.5
        assert driver.find_element("id", "frame").text == f"frame {frame + 1} of {FRAMES}"


def test_both_play_in_step_and_the_keyboard_is_enough(page):
    from selenium.webdriver import Keys

    driver = page(compare())
    wait(driver, SETTLED)
    assert not driver.execute_script(PLAYING), "its reader wants less motion"
    press(driver, Keys.SPACE)
    wait(driver, PLAYING)
    wait(driver, "return document.querySelector('#stage video').currentTime > 0.3")
    left, right = driver.execute_script(TIMES)
    assert abs(left - right) * 25 <= 1.5
    driver.execute_script("document.querySelectorAll('#stage video')[1].currentTime = 0")
    wait(driver, IN_STEP, 1.5 / 25)
    press(driver, Keys.SPACE)
    wait(driver, SETTLED)
    assert not driver.execute_script(PLAYING)
    scrub(driver, 10)
    press(driver, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_RIGHT)
    wait(driver, SETTLED)
    assert driver.find_element("id", "frame").text == f"frame 13 of {FRAMES}"
    assert driver.execute_script(TIMES) == pytest.approx([12.5 / 25] * 2, abs=1.5 / 25)


def test_they_begin_anew_together_at_any_speed(page):
    from selenium.webdriver.support.ui import Select

    driver = page(compare())
    wait(driver, SETTLED)
    Select(driver.find_element("id", "speed")).select_by_visible_text("0.5×")
    scrub(driver, FRAMES - 3)
    driver.find_element("id", "play").click()
    wait(driver, "return document.querySelector('#stage video').currentTime < 0.5")
    wait(driver, f"{SETTLED[:-1]} && !video.paused)")
    left, right = driver.execute_script(TIMES)
    assert abs(left - right) * 25 <= 1.5
    rates = driver.execute_script("return Array.from(document.querySelectorAll('#stage video'), (v) => v.playbackRate)")
    assert rates == pytest.approx([0.5, 0.5], rel=0.11)
    assert driver.find_element("id", "play").text == "Pause"


def light(driver, number):
    """How light an error map is on the screen."""
    canvas = driver.find_elements("css selector", "#stage .error-map canvas")[number]
    return np.asarray(Image.open(io.BytesIO(canvas.screenshot_as_png)).convert("L"), float).mean()


def test_error_maps_follow_the_videos(page):
    driver = page(compare())
    wait(driver, SETTLED)
    scrub(driver, 14)
    perfect, poor = light(driver, 0), light(driver, 1)
    assert perfect < 6, "its frames are those of the driver but for the compression"
    assert poor > 3 * perfect
    driver.find_element("id", "errors").click()
    assert driver.find_elements("css selector", "#stage .error-map") == []
    assert driver.find_element("id", "frame").text == f"frame 15 of {FRAMES}", "a choice keeps the moment"


def test_another_clip_and_other_methods_take_the_stage(page):
    from selenium.webdriver.support.ui import Select

    driver = page(compare())
    clips = Select(driver.find_element("id", "clip"))
    assert [option.text for option in clips.options] == [HOSTILE.format(0), HOSTILE.format(1)]
    clips.select_by_index(1)
    assert (
        f"frames 0 to {FRAMES - 1}: {FRAMES} frames at 25 per second" in driver.find_element("id", "clip-frames").text
    )
    sources = [video.get_attribute("src") for video in driver.find_elements("css selector", "#stage video")]
    assert all(source.endswith(f"/clips/{FRAMES:06d}.mp4") for source in sources)
    Select(driver.find_element("id", "right")).select_by_visible_text(HOSTILE)
    assert HOSTILE in driver.find_element("id", "stage").text
    Select(driver.find_element("id", "right")).select_by_visible_text("still-reconstruction")
    assert not driver.find_element("id", "motion").is_displayed()


def test_without_the_codec_a_sentence_stands_in_the_place_of_each_video(page):
    driver = page(compare(), before="HTMLVideoElement.prototype.canPlayType = () => ''")
    told = [line.text for line in driver.find_elements("css selector", "#stage .unplayable")]
    assert told == ["This browser cannot play H.264; the file is 000000.mp4."] * 2
    assert not driver.find_element("id", "transport").is_displayed()


def test_a_damaged_clip_is_told(page, pages, tmp_path):
    site = shutil.copytree(pages, tmp_path / "site")
    (site / "entries" / "gamma-reconstruction" / "clips" / "000000.mp4").write_bytes(b"no video")
    driver = page(compare(), site)
    wait(driver, "return document.querySelector('#stage .unplayable') !== null")
    assert not driver.find_element("id", "transport").is_displayed()
    driver.find_element("id", "swap").click()
    wait(driver, "return document.querySelector('#stage .unplayable') !== null")


def test_the_page_of_a_method_plays_one_loop_for_each_test(page):
    driver = page("methods/gamma.html", motion="no-preference")
    videos = driver.find_elements("css selector", "video[data-player]")
    assert len(videos) == len(RATES)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", videos[1])
    wait(driver, "return arguments[0].currentTime > 0.1", videos[1])
    told = driver.find_element("css selector", "main").text
    assert "frames 0 to 29: 30 frames at 23.976 per second\n" in told
    assert "frames 0 to 29: 30 frames at 60 per second, played at a quarter of its speed\n" in told


@pytest.mark.parametrize("path", [compare(), "methods/gamma.html", "boards/demo--reconstruction.html"])
def test_pictures_open_large_and_close_with_the_keyboard(page, path):
    from selenium.webdriver import Keys

    driver = page(path)
    link = driver.find_element("css selector", "a[data-large]")
    driver.execute_script("arguments[0].focus()", link)
    press(driver, Keys.ENTER)
    picture = driver.find_element("css selector", "dialog.large img")
    assert picture.is_displayed()
    assert picture.size["width"] >= 256
    before = picture.get_attribute("src")
    press(driver, Keys.ARROW_RIGHT)
    assert picture.get_attribute("src") != before
    press(driver, Keys.ARROW_LEFT)
    assert picture.get_attribute("src") == before
    press(driver, Keys.ESCAPE)
    assert not picture.is_displayed()
    assert driver.switch_to.active_element == link


@pytest.mark.parametrize("path", [compare(right="beta"), "methods/beta.html"])
def test_pages_with_videos_fit_their_window(page, path):
    driver = page(path)
    try:
        for width in (360, 820, 1400):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 400}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
