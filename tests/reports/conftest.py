"""Stored runs for the reports, and a browser for their pages."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from talkbench.results import Row, RunRecord, RunStore

MakeStore = Callable[..., RunStore]

METRICS: list[dict[str, object]] = [
    {"name": "l1", "version": 1, "direction": "lower", "decimals": 4, "backend": "torch"},
    {"name": "psnr", "version": 1, "direction": "higher", "unit": "dB", "decimals": 2, "backend": "torch"},
    {
        "name": "akd@mtcnn5",
        "version": 1,
        "direction": "lower",
        "unit": "px",
        "backend": "facenet",
        "extractor": "mtcnn5:ab",
    },
]

OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--force-prefers-reduced-motion",
)

VOXCELEB = {
    "name": "voxceleb1",
    "task": "same-identity",
    "pairs": 4,
    "pairs_sha256": "a" * 64,
    "image_size": 256,
}


def missing():
    """Why there is no browser to drive; "" if there is one."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed"
    programs = ("chromium", "chromedriver")
    return "".join(f"{name} is not installed; " for name in programs if shutil.which(name) is None)


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """A headless Chromium whose reader wants less motion; one session for all tests."""
    if missing():
        if os.environ.get("CI"):
            pytest.fail(f"the pages have to be tested in a browser: {missing()}")
        pytest.skip(missing())
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    browser = webdriver.Chrome(options=options, service=service)
    browser.set_window_size(1400, 1000)
    yield browser
    browser.quit()


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    """Store a run of four pairs; `values`: by metric, its value per pair or a reason (text)."""

    def make(
        name: str = "mcnet@demo",
        values: dict[str, list[float | str]] | None = None,
        metrics: list[dict[str, object]] = METRICS,
        method: dict[str, object] | None = None,
        dataset: dict[str, object] | None = None,
        clip: str = "face.mp4",
        message: str = "",
        **fields: object,
    ) -> RunStore:
        values = values or {"l1": [0.1, 0.2, 0.3, 0.4], "psnr": [20, 21, 22, 23], "akd@mtcnn5": [1, 2, 3, 4]}
        record = RunRecord.model_validate(
            {
                "run_id": f"run-{len(list(tmp_path.iterdir()))}",
                "created": "2024-01-02T03:04:05Z",
                "talkbench": "0.1.0",
                "command": "bench run",
                "method": {"name": name, **(method or {})},
                "dataset": {**VOXCELEB, "name": "demo", "image_size": 128, **(dataset or {})},
                "metrics": metrics,
                "batch_size": 8,
                "device": "cpu",
                "device_name": "x86_64",
                "libraries": {"torch": "2.9"},
                "platform": "Linux",
                **fields,
            }
        )
        store = RunStore(tmp_path / f"run-{len(list(tmp_path.iterdir()))}")
        store.write_record(record)
        for metric, per_pair in values.items():
            rows = []
            for pair, value in enumerate(per_pair):
                failed = isinstance(value, str)
                rows.append(
                    Row(
                        pair=pair,
                        source_clip=clip,
                        source_index=0,
                        driving_clip=clip,
                        driving_index=pair,
                        metric=metric,
                        value=None if failed else value,
                        reason=value if failed else "",
                        message=message if failed else "",
                    )
                )
            store.append(rows)
        return store

    return make
