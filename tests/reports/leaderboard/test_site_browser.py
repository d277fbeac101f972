"""The leaderboard in a real browser."""

from dataclasses import replace
from itertools import pairwise

import pytest
from site_entries import CARDS, crowd, write

from talkbench.core.dataset_cards import DatasetCard
from talkbench.reports.leaderboard.board import Board
from talkbench.reports.leaderboard.board_pages import add_boards
from talkbench.reports.leaderboard.build import build_site
from talkbench.reports.leaderboard.site import Site
from talkbench.results.entries import load_entries

DEMO = "boards/demo--same-identity.html"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A site of four entries, and beside it one with a board of 500 systems, and one of 40."""
    root = tmp_path_factory.mktemp("entries")
    for number, name in enumerate(("alpha", "beta", "gamma")):
        details = {"leakage": name == "gamma", "training_data": "voxceleb1", "licence": f"licence of {name}"}
        write(root, name, method=name, level=0.3 * number, metrics=["l1", "psnr"], clips=6, details=details)
    write(root, "truth", method="truth", level=0, metrics=["l1"], clips=6, info={"ranked": False})
    out = tmp_path_factory.mktemp("site")
    build_site(load_entries(root), CARDS).write(out)
    large = Site()
    group = crowd(500)
    add_boards(
        large, [Board("demo", "same-identity", DatasetCard(name="demo"), (group, replace(group, title="again")))][:1]
    )
    large.write(out / "large")
    usual = Site()
    add_boards(usual, [Board("demo", "same-identity", DatasetCard(name="demo"), (crowd(40),))])
    usual.write(out / "usual")
    return out


@pytest.fixture
def page(driver, pages):
    """Open a page of the site; at the end of the test nothing may stand in the browser's log."""

    def open_page(path=DEMO):
        driver.get("about:blank")
        file, mark, place = path.partition("#")
        driver.get((pages / file).as_uri() + mark + place)
        return driver

    yield open_page
    assert driver.get_log("browser") == []


def names(driver):
    """The systems shown, from top to bottom."""
    return driver.execute_script(
        "return Array.from(document.querySelectorAll('#measured-1 tbody tr')).filter(row => !row.hidden)"
        ".map(row => row.querySelector('.name').textContent)"
    )


def head(driver, text):
    heads = driver.find_elements("css selector", "#measured-1 thead th")
    return next(head for head in heads if text in head.text.lower())


def sort_by(driver, text):
    head(driver, text).find_element("tag name", "button").click()


def test_sorting_goes_by_the_better_end_first_and_keeps_what_has_no_number_last(page):
    driver = page()
    assert names(driver) == ["alpha", "beta", "gamma", "truth"]
    assert head(driver, "l1").get_attribute("aria-sort") == "ascending"
    sort_by(driver, "psnr")
    assert names(driver) == ["alpha", "beta", "gamma", "truth"]
    assert head(driver, "psnr").get_attribute("aria-sort") == "descending"
    assert head(driver, "l1").get_attribute("aria-sort") is None
    sort_by(driver, "psnr")
    assert names(driver) == ["gamma", "beta", "alpha", "truth"]
    sort_by(driver, "system")
    assert names(driver) == ["alpha", "beta", "gamma", "truth"]
    sort_by(driver, "system")
    assert names(driver) == ["truth", "gamma", "beta", "alpha"]


def test_the_filter_takes_names_licences_and_what_was_seen(page):
    driver = page()
    search = driver.find_element("css selector", "#measured-1 [data-filter]")
    search.send_keys("LICENCE bet")
    assert names(driver) == ["beta"]
    assert driver.find_element("css selector", "#measured-1 output").text == "1 of 4"
    search.clear()
    search.send_keys("nobody")
    assert names(driver) == []
    assert driver.find_element("css selector", "#measured-1 [data-none]").is_displayed()
    search.clear()
    search.send_keys(" ")
    for hidden, left in (("leak", ["alpha", "beta", "truth"]), ("yardstick", ["alpha", "beta"])):
        driver.find_element("css selector", f"#measured-1 [data-hide={hidden}]").click()
        assert names(driver) == left


def test_intervals_are_shown_on_hover_in_columns_and_to_the_keyboard(page):
    from selenium.webdriver import ActionChains, Keys

    driver = page()
    cell = driver.find_element("css selector", "#measured-1 tbody td.v")
    interval = driver.find_element("css selector", "#measured-1 tbody td.iv")
    tip = driver.find_element("id", "tip")
    assert not interval.is_displayed()
    assert not tip.is_displayed()
    ActionChains(driver).move_to_element(cell).perform()
    assert tip.is_displayed()
    assert tip.text.startswith("95 % interval 0.")
    assert cell.get_attribute("aria-describedby") == "tip"
    ActionChains(driver).send_keys(Keys.ESCAPE).perform()
    assert not tip.is_displayed()
    driver.execute_script("arguments[0].focus()", cell)
    first = tip.text
    ActionChains(driver).send_keys(Keys.ARROW_DOWN).perform()
    assert tip.is_displayed()
    assert tip.text != first
    driver.find_element("css selector", "#measured-1 [data-toggle=intervals]").click()
    assert interval.is_displayed()
    assert "–" in interval.text


def test_everything_is_reached_with_the_keyboard(page):
    from selenium.webdriver import ActionChains, Keys

    driver = page()
    reached = []
    for _ in range(40):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        reached.append(driver.execute_script("return document.activeElement.outerHTML.slice(0, 200)"))
    for part in ('class="skip"', "data-filter", 'data-toggle="intervals"', 'class="scroll"', 'class="pick"', "<td"):
        assert any(part in element for element in reached), part
    button = head(driver, "psnr").find_element("tag name", "button")
    driver.execute_script("arguments[0].focus()", button)
    ActionChains(driver).send_keys(Keys.ENTER).perform()
    assert head(driver, "psnr").get_attribute("aria-sort") == "descending"


def test_two_systems_are_chosen_and_compared(page):
    driver = page()
    picks = driver.find_elements("css selector", "#measured-1 .pick")
    go = driver.find_element("css selector", "#measured-1 [data-go]")
    picks[0].click()
    assert not go.is_displayed()
    picks[1].click()
    picks[2].click()  # takes the place of the first
    assert [pick.is_selected() for pick in picks[:3]] == [False, True, True]
    go.click()
    assert driver.current_url.endswith("compare/demo--same-identity.html#a=beta&b=gamma")
    assert "beta" in driver.find_element("tag name", "main").text
    assert driver.find_element("tag name", "main").find_elements("tag name", "img")


def test_500_systems_are_sorted_and_shown_a_hundred_at_first(page):
    driver = page("large/" + DEMO)
    before = names(driver)
    driver.execute_script("document.querySelectorAll('#measured-1 thead button')[3].click()")
    assert names(driver) != before
    assert len(names(driver)) == 100
    driver.find_element("css selector", "#measured-1 [data-more] button").click()
    assert len(names(driver)) == 500
    assert driver.find_element("css selector", "#measured-1 output").text == "500 of 500"


@pytest.mark.parametrize("path", ["index.html", DEMO, "boards/voxceleb1--same-identity.html"])
@pytest.mark.parametrize("width", [360, 820, 1400])
def test_pages_fit_their_window(page, path, width):
    driver = page(path)
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 400})  # fmt: skip
    try:
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_no_column_is_cut_and_all_metrics_are_a_click_away(page):
    driver = page("usual/" + DEMO)
    shown = (
        "const table = document.querySelector('#measured-1 table'), box = table.parentElement;"
        "const heads = Array.from(table.querySelectorAll('th.v')).filter(head => head.offsetParent);"
        "return [heads.length, box.scrollWidth <= box.clientWidth]"
    )
    try:
        for width, metrics in ((390, 4), (820, 6), (1400, 8)):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 400}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            assert driver.execute_script(shown) == [metrics, True]
        driver.find_element("css selector", "[data-toggle=all]").click()
        assert driver.execute_script(shown)[0] == 12
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def pairs_shown(driver):
    return [figure.get_attribute("data-pair") for figure in driver.find_elements("css selector", "#pairs figure")]


def differences(driver):
    """Left minus right in the chosen metric, pair by pair as they stand."""
    lines = driver.find_elements("css selector", "#pairs .pair-line")
    values = [[float(value.text.split()[0]) for value in line.find_elements("tag name", "b")] for line in lines]
    return [left - right for left, right in values]


def test_pairs_are_shown_side_by_side_and_sorted(page):
    from selenium.webdriver.support.select import Select

    driver = page("compare/demo--same-identity.html#a=alpha&b=gamma")
    left, right, metric, order = (
        Select(driver.find_element("id", name)) for name in ("left", "right", "metric", "order")
    )
    assert [select.first_selected_option.text for select in (left, right, metric)] == ["alpha", "gamma", "l1"]
    assert "6 pairs" in driver.find_element("id", "status").text
    assert all(abs(a) >= abs(b) - 1e-3 for a, b in pairwise(differences(driver)))
    order.select_by_visible_text("by number")
    assert pairs_shown(driver) == ["0", "1", "5", "9", "14", "20"]
    metric.select_by_visible_text("psnr")
    order.select_by_visible_text("worst of left first")
    values = [
        float(line.text.split("psnr: ")[1].split()[0]) for line in driver.find_elements("class name", "pair-line")
    ]
    assert values == sorted(values)
    right.select_by_visible_text("truth")
    assert driver.current_url.endswith("#a=alpha&b=truth")
    assert "not ranked: a yardstick" in driver.find_element("id", "means").text
    order.select_by_visible_text("right far better first")  # it has no such metric
    assert pairs_shown(driver) == ["0", "1", "5", "9", "14", "20"]


def test_error_maps_are_drawn_from_the_pictures_and_can_go(page):
    driver = page("compare/demo--same-identity.html#a=alpha&b=gamma")
    ready = "return Array.from(document.querySelectorAll('#pairs figure:first-child img'), image => image.naturalWidth)"
    assert driver.execute_script(ready) == [64] * 8
    maps = driver.find_elements("class name", "error-map")
    assert len(maps) == 12
    assert "error-map" in maps[0].value_of_css_property("filter")
    assert maps[0].get_attribute("aria-label").startswith("error map of alpha on pair ")
    driver.find_element("id", "errors").click()
    assert driver.find_elements("class name", "error-map") == []


def test_the_comparison_is_worked_with_the_keyboard(page):
    from selenium.webdriver import ActionChains, Keys

    driver = page("compare/demo--same-identity.html#a=alpha&b=gamma")
    driver.execute_script("document.getElementById('left').focus()")
    keys = [Keys.ARROW_DOWN, Keys.TAB, Keys.TAB, Keys.ENTER]  # beta; right; swap
    for key in keys:
        ActionChains(driver).send_keys(key).perform()
    assert driver.current_url.endswith("#a=gamma&b=beta")
    summary = driver.find_element("css selector", "#pairs summary")
    driver.execute_script("arguments[0].focus()", summary)
    ActionChains(driver).send_keys(Keys.ENTER).perform()
    table = driver.find_element("css selector", "#pairs details table")
    assert table.is_displayed()
    assert "psnr" in table.text


def test_values_of_other_protocols_are_shown_and_not_compared(page, tmp_path):
    for name, size in (("small", 128), ("large", 256)):
        write(tmp_path / "entries", name, method=name, metrics=["l1"], data={"image_size": size}, pictured=(0, 1))
    build_site(load_entries(tmp_path / "entries"), CARDS).write(tmp_path / "site")
    driver = page(f"{tmp_path}/site/compare/demo--same-identity.html")
    assert "are not compared" in driver.find_element("id", "status").text
    for line in driver.find_elements("css selector", ".pair-line, #means tbody tr"):
        assert line.text.endswith("not compared: other protocols or data")
    assert pairs_shown(driver) == ["0", "1"]


@pytest.mark.parametrize(
    "path",
    ["compare/demo--same-identity.html", "methods/alpha.html", "methods/index.html", "metrics/psnr.html", "audit.html"],
)
def test_other_pages_fit_their_window(page, path):
    driver = page(path)
    try:
        for width in (360, 820, 1400):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 400}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
