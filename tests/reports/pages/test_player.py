"""The player of the pages, in a real browser."""

import time

import pytest
from made_videos import write_video

from talkbench.reports.pages.templates import policy, text

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}"><title>clips</title><style>{style}</style></head><body>
<video id="first" data-player muted loop playsinline controls preload="none" src="{file}"></video>
<p id="space"></p>
<video id="last" data-player muted loop playsinline controls preload="none" src="{file}"></video>
<script>{script}</script></body></html>"""
STYLE = text("player.css") + "video { width: 64px } #space { height: 3000px }"
TIME = "return document.getElementById(arguments[0]).currentTime"
PAUSED = "return document.getElementById(arguments[0]).paused"


@pytest.fixture
def page(driver, tmp_path):
    """Open a page with two videos, the second far below; `motion`: whether its reader wants less of it."""

    def open_page(motion="no-preference", before="", file="clip.mp4"):
        script = before + text("player.js")
        rules = policy(STYLE, [script], videos=True)
        html = PAGE.format(policy=rules, style=STYLE, script=script, file=file)
        (tmp_path / "page.html").write_text(html, encoding="utf-8")
        feature = {"name": "prefers-reduced-motion", "value": motion}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        driver.get((tmp_path / "page.html").as_uri())
        return driver

    write_video(tmp_path / "clip.mp4", options={"profile": "high"})
    yield open_page
    assert [line for line in driver.get_log("browser") if "ERR_FILE_NOT_FOUND" not in line["message"]] == []
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    driver.get("about:blank")


def wait(driver, script, *values):
    for _ in range(200):
        if driver.execute_script(script, *values):
            return
        time.sleep(0.05)
    pytest.fail(f"waited in vain for {script} of {values}")


def test_a_video_plays_while_it_is_seen(page):
    driver = page()
    wait(driver, f"{TIME} > 0.1", "first")
    assert driver.execute_script(PAUSED, "last")
    driver.execute_script("scrollTo(0, document.body.scrollHeight)")
    wait(driver, f"{TIME} > 0.1", "last")
    wait(driver, PAUSED, "first")


def test_what_its_reader_has_stopped_stays_stopped(page):
    driver = page()
    wait(driver, f"{TIME} > 0.1", "first")
    driver.execute_script("document.getElementById('first').pause()")
    driver.execute_script("scrollTo(0, document.body.scrollHeight)")
    wait(driver, f"{TIME} > 0.1", "last")
    driver.execute_script("scrollTo(0, 0)")
    wait(driver, PAUSED, "last")
    assert driver.execute_script(PAUSED, "first")


def test_nothing_starts_by_itself_for_a_reader_who_wants_less_motion(page):
    driver = page("reduce")
    driver.execute_script("scrollTo(0, document.body.scrollHeight)")
    driver.execute_async_script("setTimeout(arguments[0], 300)")
    assert driver.execute_script(PAUSED, "last")
    driver.execute_script("document.getElementById('last').play()")
    wait(driver, f"{TIME} > 0.1", "last")
    assert driver.execute_script("return document.getElementById('last').controls")


def test_a_browser_without_the_codec_says_so_and_names_the_file(page):
    driver = page(before="HTMLVideoElement.prototype.canPlayType = () => '';\n")
    sentences = driver.find_elements("class name", "unplayable")
    assert [line.text for line in sentences] == ["This browser cannot play H.264; the file is clip.mp4."] * 2
    assert sentences[0].find_element("tag name", "a").get_attribute("href").endswith("/clip.mp4")
    assert not driver.find_elements("tag name", "video")


@pytest.mark.parametrize("name", ["absent.mp4", "damaged.mp4", "%3Cb%3E%20%26%20%F0%9F%98%80.mp4"])
def test_a_damaged_or_missing_file_is_told_under_its_own_name(page, tmp_path, name):
    (tmp_path / "damaged.mp4").write_bytes(b"no video" * 100)
    driver = page(file=name)
    wait(driver, "return document.querySelector('.unplayable') !== null")
    told = driver.find_element("class name", "unplayable").text
    shown = {"%": "<b> & \N{GRINNING FACE}.mp4"}.get(name[0], name)
    start = "This video is missing or damaged, or the browser cannot play H.264; the file is"
    assert told == f"{start} {shown}."
