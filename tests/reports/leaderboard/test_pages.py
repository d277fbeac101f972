"""Pages of methods and metrics, the comparison view and the audit: what they say, and what no file can smuggle in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from site_entries import spec, write

from talkbench.core.cards import CheckpointCard, LicenceCard, MethodCard, MetricCard
from talkbench.core.dataset_cards import DatasetCard
from talkbench.core.figure import ERROR_RANGE, error_colours
from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard import audit as audited
from talkbench.reports.leaderboard.build import build_site
from talkbench.reports.leaderboard.comparison_pages import MAGMA, comparison_data, magma_tables
from talkbench.reports.leaderboard.metric_notes import family_notes
from talkbench.reports.leaderboard.site import Site
from talkbench.results import published
from talkbench.results.entries import load_entries

OFFICIAL_LIST = "d2dbb6c961759a313cb5ab0c0b24bfd8a0b5cc7e71c0b27cdda3941453124644"
COMPARISON = "compare/demo--same-identity.html"
LINK = CheckpointCard(file="weights.pth", source="a link")
CARDS = Cards(
    methods={
        card.name: card
        for card in (
            MethodCard(name="mcnet", title="Memory Compensation", published="mcnet", weights=LINK, training_data="a",
                       variants={"mcnet@demo": "small"}, paper="https://example.org/paper", notes=("take care",)),
            MethodCard(name="mcnet@demo", short="small"),
            MethodCard(name="facevid2vid@vox-256", published="face-vid2vid", weights=LINK, official=False),
            MethodCard(name="fomm@vox-256", published="fomm", weights=LINK),
            MethodCard(name="mraa@vox256", published="mraa", weights=LINK),
        )
    },
    metrics={
        card.name: card
        for card in (
            MetricCard(name="psnr", short="psnr", about="About PSNR.", direction="higher", unit="dB", range=(0, 100)),
            MetricCard(name="psnr@uint8-wrap", short="psnr@uint8-wrap", about="About the other.", unit="dB",
                       ranks=False),
            MetricCard(name="fid", short="fid", about="About FID.", range=(0.0, 1e6)),
            MetricCard(name="ssim@gauss11-valid", short="ssim", about="About SSIM.", range=(-1.0, 1.0), scale=100),
        )
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("entries")
    lost: dict[str, list[float | str]] = {"akd@mtcnn5": ["no-face-generated", *[1.0] * 23]}
    write(root, "demo", level=0.2, values=lost, details={"leakage": True, "training_data": "demo", "label": "Demo"})
    write(root, "fomm", method="fomm@vox-256", level=0.6, pictured=(0, 9, 20, 21), details={"label": "FOMM"})
    write(root, "sees", method="oracle", info={"ranked": False}, metrics=["l1"], pictured=(2,))
    data = {"list_sha256": OFFICIAL_LIST, "pairs": 2083}
    metrics = ["l1", spec("lpips@vgg", direction="lower"), "psnr@uint8-wrap"]
    values = {"l1": [0.0331] * 2083, "lpips@vgg": [0.3] * 2083, "psnr@uint8-wrap": [31.9] * 2083}
    write(root, "mcnet", method="mcnet", dataset="voxceleb1", pairs=2083, clips=9, data=data, metrics=metrics,
          values=values, pictured=())  # fmt: skip
    write(root, "few", method="fomm@vox-256", dataset="voxceleb1", pairs=8, clips=8, metrics=["l1"], pictured=())
    return root


@pytest.fixture(scope="module")
def site(root: Path) -> Site:
    return build_site(load_entries(root), CARDS)


@pytest.fixture(scope="module")
def files(site: Site) -> dict[str, bytes]:
    return site.render()


@pytest.fixture(scope="module")
def text(files: dict[str, bytes]) -> Callable[[str], str]:
    """The words of a page's main part, without its markup."""

    def read(path: str) -> str:
        page = files[path].decode()
        main = page[page.index("<main") : page.index("</main>")]
        main = re.sub(r"<script.*?</script>", "", main, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())

    return read


@pytest.fixture(scope="module")
def data(files: dict[str, bytes]) -> dict[str, list]:
    """What the comparison page works on."""
    page = files[COMPARISON].decode()
    return json.loads(page.split('id="data">', 1)[1].split("</script>", 1)[0])


@pytest.fixture(scope="module")
def tables(root: Path) -> dict[str, audited.AuditTable]:
    return {table.key: table for table in audited.audit(load_entries(root), CARDS)}


def number(table: audited.AuditTable, system: str, metric: str) -> audited.AuditedCell:
    line = next(line for label, _, line in table.lines if label == system)
    return next(judged for judged in line if judged and judged.cell.metric == metric)


def test_a_method_page_keeps_measured_and_published_apart(text: Callable[[str], str]) -> None:
    page = text("methods/mcnet.html")
    measured, printed = page.index("Measured here"), page.index("Published As printed")
    assert measured < page.index("0.0331 0.0331 – 0.0331") < printed < page.index("82.5")
    for said in ("Memory Compensation", "https://example.org/paper", "mcnet@demo", "Take care."):
        assert said in page
    assert "a model of the authors, measured by them" in page[printed:]


def test_a_method_page_shows_pairs_best_first_and_what_was_seen_in_training(
    text: Callable[[str], str], files: dict[str, bytes]
) -> None:
    page = text("methods/mcnet.demo.html")
    assert "Seen in training." in page
    values = re.findall(r"Pair (\d+) · l1 ([\d.]+)", page)
    assert len(values) == 6
    assert [value for _, value in values] == sorted(value for _, value in values)
    assert b"entries/demo/thumbnails/000009-generated.webp" in files["methods/mcnet.demo.html"]
    assert b"compare/demo--same-identity.html#a=demo&amp;b=fomm" in files["methods/mcnet.demo.html"]
    assert "no-face-generated" in text("methods/mcnet.demo.html")


def test_there_is_a_page_for_every_method_with_numbers_and_for_every_bare_name(files: dict[str, bytes]) -> None:
    pages = {path.removeprefix("methods/") for path in files if path.startswith("methods/")}
    assert {"mcnet.html", "mcnet.demo.html", "oracle.html", "fomm.vox-256.html", "x2face.html", "index.html"} <= pages


def test_a_metric_page_has_variants_ranges_faults_and_numbers(text: Callable[[str], str]) -> None:
    page = text("metrics/psnr.html")
    fault = family_notes("psnr").faults[0]
    order = [page.index(said) for said in ("About PSNR.", "About the other.", fault, "Measured here", "Published")]
    assert order == sorted(order)
    for said in ("0 to 100, in dB", "ranks nothing", "31.94", "carried over from an earlier publication (meshg)"):
        assert said in page
    assert "0 to no upper bound" in text("metrics/fid.html")
    assert "−100 to 100" in text("metrics/ssim.html")
    assert "Not one of the metrics that are registered here" in text("metrics/l1.html")


def test_every_family_of_published_metrics_has_notes() -> None:
    for family in {cell.metric.lower() for cell in published.cells()}:
        notes = family_notes(family)
        assert notes.definition
        assert notes.faults
    assert family_notes("anything").title == "anything"


def test_a_comparison_holds_pairs_values_and_reasons(data: dict[str, list]) -> None:
    entries = {entry["name"]: entry for entry in data["entries"]}
    assert set(entries) == {"demo", "fomm", "sees"}
    names = [metric["name"] for metric in data["metrics"]]
    pairs = [data["pairs"][picture["pair"]] for picture in entries["demo"]["pictures"]]
    assert [pair["number"] for pair in pairs] == [0, 1, 5, 9, 14, 20]
    assert pairs[3]["frames"] == "clip-3.mp4, frame 0 → clip-3.mp4, frame 9"
    first = dict(zip(names, entries["demo"]["pictures"][0]["values"], strict=True))
    assert first["akd@mtcnn5"] == "no-face-generated"
    assert 40 < first["ssim@gauss11-valid"] < 100  # as printed, in percent
    assert entries["sees"]["pictures"][0]["values"][names.index("psnr")] is None
    shared = {picture["pair"] for picture in entries["demo"]["pictures"]}
    shared &= {picture["pair"] for picture in entries["fomm"]["pictures"]}
    assert {data["pairs"][place]["number"] for place in shared} == {0, 9, 20}
    assert [entry["ranked"] for entry in data["entries"]] == [True, True, False]


def test_pairs_of_other_frames_are_other_pairs(root: Path, tmp_path: Path) -> None:
    write(tmp_path, "here")
    write(tmp_path, "there", method="fomm@vox-256", clip="other-{}.mp4", data={"pairs_sha256": "b" * 64})
    page = build_site(load_entries(tmp_path), CARDS).render()[COMPARISON].decode()
    data = json.loads(page.split('id="data">', 1)[1].split("</script>", 1)[0])
    here, there = ({picture["pair"] for picture in entry["pictures"]} for entry in data["entries"])
    assert not here & there


def test_a_comparison_of_500_entries_stays_below_two_megabytes(tmp_path: Path) -> None:
    metrics = ["l1", "psnr", *(spec(f"metric{number}") for number in range(10))]
    clip = "id10280#Abcdefghijk#001234#00123{}.mp4"
    for number in range(2):
        write(tmp_path, f"someones-method-{number}--voxceleb1--same-identity", method=f"m{number}", metrics=metrics,
              clip=clip, pictured=range(number, number + 12))  # fmt: skip
    data = comparison_data(Site(), load_entries(tmp_path))
    assert len(json.dumps(data)) / 2 * 500 < 1_900_000


def test_error_maps_are_of_the_same_colours_as_elsewhere() -> None:
    import numpy as np

    ends = error_colours(np.linspace(0, ERROR_RANGE, len(MAGMA))[None])[0]
    magma = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in MAGMA])
    assert np.abs(ends.astype(int) - magma).max() <= 3
    assert magma_tables()["R"] == "0.000 0.318 0.718 0.988 0.988"


def test_cross_identity_has_no_error_maps(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path, name, method=name, task="cross-identity", metrics=["l1"], pictured=(0,))
    page = build_site(load_entries(tmp_path), CARDS).render()["compare/demo--cross-identity.html"]
    assert b"Error maps" not in page
    assert b"<filter" not in page


def test_every_printed_number_is_judged_once(tables: dict[str, audited.AuditTable]) -> None:
    judged = [number.cell for table in tables.values() for number in table.numbers]
    assert sorted(map(repr, judged)) == sorted(repr(cell) for cell in published.cells() if cell.value)


@pytest.mark.parametrize(
    ("table", "system", "metric", "verdict", "reason"),
    [
        ("1a", "MCNet", "L1", "yes", ""),
        ("1a", "MCNet", "SSIM", "partly", "two SSIM functions"),
        ("1a", "FOMM", "L1", "no", "copied from an earlier publication (fomm)"),
        ("1a", "face-vid2vid", "L1", "no", "origin of the number is unknown"),
        ("1a", "face-vid2vid", "LPIPS", "partly", "not by the paper's authors"),
        ("2", "MCNet, baseline", "LPIPS", "no", "its weights are not published"),
        ("s3", "MRAA", "L1", "no", "no list was released"),
        ("s4", "MRAA", "L1", "partly", "two released lists"),
        ("s5", "MCNet, split-seen-ids", "L1", "no", "neither the split nor the weights"),
    ],
)
def test_what_stands_in_the_way_of_a_number(
    tables: dict[str, audited.AuditTable], table: str, system: str, metric: str, verdict: str, reason: str
) -> None:
    judged = number(tables[table], system, metric)
    texts = dict(tables[table].reasons)
    assert judged.verdict == verdict
    assert bool(judged.marks) == bool(reason)
    assert reason in "; ".join(texts[mark] for mark in judged.marks)


def test_measured_numbers_agree_up_to_interval_and_a_unit(tables: dict[str, audited.AuditTable]) -> None:
    measured = {metric: number(tables["1a"], "MCNet", metric).measured for metric in ("L1", "LPIPS", "PSNR", "AKD")}
    assert [(item.text, item.difference, item.agrees) for item in measured["L1"]] == [("0.0331", "+0.0000", True)]
    assert [(item.text, item.difference, item.agrees) for item in measured["LPIPS"]] == [("0.300", "+0.126", False)]
    assert [(item.text, item.difference, item.agrees) for item in measured["PSNR"]] == [("31.90", "−0.04", False)]
    assert measured["AKD"] == ()
    assert (len(tables["1a"].compared), tables["1a"].agreeing) == (3, 1)


def test_a_measurement_of_another_test_is_not_compared(tables: dict[str, audited.AuditTable]) -> None:
    lone = number(tables["1a"], "FOMM", "L1").measured
    assert [(item.difference, item.agrees) for item in lone] == [("", None)]
    assert "8 pairs instead of 2083 pairs" in lone[0].reasons[0]


def test_an_unfinished_measurement_is_not_compared(tmp_path: Path) -> None:
    data = {"list_sha256": OFFICIAL_LIST, "pairs": 2083}
    write(tmp_path, "part", method="mcnet", dataset="voxceleb1", data=data, metrics=["l1"], pictured=())
    tables = {table.key: table for table in audited.audit(load_entries(tmp_path), CARDS)}
    measured = number(tables["1a"], "MCNet", "L1").measured
    assert [(item.agrees, item.reasons) for item in measured] == [(None, ("only 24 of 2083 pairs were run",))]


def test_the_audit_gives_every_contradiction_with_evidence_and_effect(text: Callable[[str], str]) -> None:
    page = text("audit.html")
    contradictions = list(audited.contradictions())
    assert [item["key"] for item in contradictions] == list(published.notes().notes)
    for item in contradictions:
        assert item["effect"]
        for said in (item["title"], item["where"], f"{item['evidence']} basis {item['basis']}", item["effect"]):
            assert " ".join(said.split()) in page
    assert "another test" in page
    assert "−0.04, differs" in page


def test_a_data_set_for_evaluation_only_is_not_shown(tmp_path: Path) -> None:
    write(tmp_path, "one", metrics=["l1"], moving=12)
    write(tmp_path, "two", metrics=["l1"], dataset="hdtf", moving=12)
    card = DatasetCard(name="demo", evaluation_only=True)
    pages = build_site(load_entries(tmp_path), Cards(datasets={"demo": card})).render()
    assert {path.split("/")[1] for path in pages if path.endswith((".webp", ".mp4"))} == {"two"}
    assert sum(path.endswith(".mp4") for path in pages) == 1, "the loop of the method's page; there is no other entry"


def test_rebuilding_gives_the_same_bytes(root: Path, files: dict[str, bytes]) -> None:
    assert build_site(load_entries(root), CARDS).render() == files


def test_texts_of_cards_and_entries_stay_texts(tmp_path: Path) -> None:
    nasty = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"
    address = "javascript:alert(3)"
    card = MethodCard(
        name="m" + nasty, title=nasty, short=nasty, authors=nasty, venue=nasty, year=2020, paper=address, code=address,
        official=False, licence=LicenceCard(code=nasty, weights=nasty), training_data=nasty, parameters=1, resolution=2,
        published=nasty, weights=CheckpointCard(file=nasty, source=nasty), variants={nasty: nasty}, notes=(nasty,),
    )  # fmt: skip
    metric = MetricCard(
        name="x" + nasty, short="x" + nasty, about=nasty, definition=(nasty,), direction="higher", unit=nasty,
        extractor=nasty,
    )  # fmt: skip
    texts = {"label": nasty[:80], "licence": nasty, "training_data": nasty, "note": nasty}
    values: dict[str, list[float | str]] = {"l1": [nasty, *[0.1] * 23]}
    for name, method in (("one", card.name), ("two", "plain")):
        write(tmp_path, name, method=method, task=nasty, clip=nasty.replace("{{7*7}}", "{}"), details=texts,
              metrics=["l1", spec(metric.name, unit=nasty, direction="higher")], values=values, moving=12)  # fmt: skip
    entries = load_entries(tmp_path)
    pages = build_site(entries, Cards({card.name: card}, {metric.name: metric})).render()
    for path, content in pages.items():
        if path.endswith(".html"):
            page = content.decode()
            scripts = {"compare": 6, "boards": 2, "methods": 3 if "<video" in page else 2}.get(path.split("/")[0], 1)
            scripts = 1 if path == "methods/index.html" else scripts
            assert page.count("<script") == page.count("</script>") == scripts, path
            assert "<img src=x" not in page
            assert "'&{{7*7}}" not in page
            assert "49}}" not in page
            assert not re.search(r"(href|src)=[\"']?\s*javascript", page)
    compared = next(content.decode() for path, content in pages.items() if path.startswith("compare/"))
    data = json.loads(compared.split('id="data">', 1)[1].split("</script>", 1)[0])
    assert data["entries"][0]["label"] == nasty[:80]
    assert data["entries"][0]["pictures"][0]["values"][0] == nasty
