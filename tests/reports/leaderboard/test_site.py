"""The leaderboard's pages as files: what is ranked with what, and what no file can smuggle in."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from site_entries import CARDS, crowd, spec, write

from talkbench.core.cards import MetricCard
from talkbench.core.dataset_cards import DatasetCard, ListCard
from talkbench.core.errors import TalkbenchError
from talkbench.core.locks import locked
from talkbench.reports.cards import Cards
from talkbench.reports.leaderboard.board import BARS, BoardCell, BoardColumn, compared
from talkbench.reports.leaderboard.board_pages import add_boards, shown_pair
from talkbench.reports.leaderboard.boards import boards
from talkbench.reports.leaderboard.build import build_site
from talkbench.reports.leaderboard.comparison_pages import comparison_data
from talkbench.reports.leaderboard.plot import plot_of
from talkbench.reports.leaderboard.site import Site, external, slug
from talkbench.results.entries import load_entries

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"
DEMO = "boards/demo--same-identity.html"


class Elements(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Entries of one test, except the last, which is of another motion."""
    root = tmp_path_factory.mktemp("entries")
    speed = {"frames_per_second": 30.0, "device": "a GPU"}
    metrics = ["l1", "akd@mtcnn5", "psnr@uint8-wrap"]
    write(root, "good", method="good", level=0.2, metrics=metrics, details=speed)
    write(root, "close", method="close", level=0.2, seed=1, metrics=metrics, details={**speed, "frames_per_second": 60})
    write(root, "bad", method="bad", level=0.8, seed=2, metrics=metrics, pictured=())
    write(root, "sees", method="sees", level=0, metrics=metrics, info={"ranked": False})
    write(root, "faceless", method="faceless", level=0.9, metrics=metrics,
          values={"akd@mtcnn5": ["no-face-generated"] * 4 + [0.1] * 20})  # fmt: skip
    other = [spec("l1", version=2), "akd@mtcnn5", "psnr@uint8-wrap"]
    write(root, "other-version", method="other", level=0, metrics=other)
    write(root, "half", method="half", level=0, metrics=metrics, data={"pairs": 24}, pairs=24,
          values={name: [0.1] * 12 for name in metrics})  # fmt: skip
    write(root, "relative", method="good", level=0, metrics=["l1"], data={"motion": "relative-first"})
    return root


@pytest.fixture(scope="module")
def all_boards(root):
    return boards(load_entries(root), CARDS)


@pytest.fixture(scope="module")
def site(all_boards):
    site = Site()
    add_boards(site, all_boards)
    return site


def group_of(all_boards, number=0):
    demo = next(board for board in all_boards if board.dataset == "demo")
    return demo.groups[number]


def column(group, name):
    place = [column.name for column in group.columns].index(name)
    return {line.key or line.label: line.cells[place] for line in group.lines}


def test_each_test_has_its_own_group(all_boards):
    assert [(group.title, len(group.lines)) for group in next(b for b in all_boards if b.dataset == "demo").groups] == [
        ("Absolute motion, 24 pairs", 7),
        ("Relative-first motion, 24 pairs", 1),
    ]


def test_measured_and_published_numbers_never_share_a_group(all_boards, tmp_path):
    write(tmp_path, "vox", method="mcnet", dataset="voxceleb1", metrics=["l1"])
    board = next(b for b in boards(load_entries(tmp_path), CARDS) if b.path == "boards/voxceleb1--same-identity.html")
    assert {group.kind for group in board.groups} == {"measured", "published"}
    for group in board.groups:
        assert all(bool(line.key) == (group.kind == "measured") for line in group.lines)


def test_methods_that_cannot_be_told_apart_share_the_best_rank(all_boards):
    cells = column(group_of(all_boards), "l1")
    assert cells["good"].best
    assert cells["close"].best
    assert not cells["bad"].best
    assert cells["bad"].ranks[0] > 1
    assert [name for name, cell in cells.items() if cell.leads] == [
        min(("good", "close"), key=lambda n: cells[n].value)
    ]
    assert re.fullmatch(r"0\.\d{4} – 0\.\d{4}", cells["good"].interval)


def test_across_identities_both_roles_count_and_intervals_stay_in_the_range(tmp_path):
    few = {"l1": [float(pair in (3, 30, 55)) for pair in range(90)]}
    for name, more in (("one", {"sources": 10}), ("two", {"sources": 4, "data": {"motion": "relative-first"}})):
        write(tmp_path, name, task="cross-identity", pairs=90, clips=9, metrics=["l1"], values=few, pictured=(), **more)
    cards = Cards(metrics={"l1": MetricCard(name="l1", range=(0.0, 1.0))})
    board = next(b for b in boards(load_entries(tmp_path), cards) if b.task == "cross-identity" and b.entries)
    of_ten, of_four = (group for group in board.groups if group.kind == "measured")
    assert of_ten.facts[-1] == "10 source clips and 9 driving clips"
    assert of_four.facts[-1].startswith("4 source clips and 9 driving clips, too few for intervals and tests")
    (cell,) = column(of_ten, "l1").values()
    assert 0 < cell.ends[0] < cell.value < cell.ends[1] < 1
    (bare,) = column(of_four, "l1").values()
    assert bare.ends is None


def test_numbers_on_other_data_share_the_column_with_a_mark_and_no_rank(tmp_path):
    """Two labs' copies of one data set have one protocol id and two data ids; records older than these have none."""
    for name, data_id in (("here", "a" * 12), ("here-too", "a" * 12), ("there", "b" * 12), ("older", "")):
        write(tmp_path, name, metrics=["l1"], data={"data_id": data_id}, info={"settings": {"x": name}}, level=0.5,
              pictured=(3,))  # fmt: skip
    board = next(b for b in boards(load_entries(tmp_path), CARDS) if b.entries)
    (group,) = (group for group in board.groups if group.kind == "measured")
    cells = column(group, "l1")
    assert {name: cell.marks for name, cell in cells.items()} == {
        "here": "",
        "here-too": "",
        "there": "¶",
        "older": "¶",
    }
    assert {name for name, cell in cells.items() if cell.ranks} == {"here", "here-too"}
    assert cells["there"].note == "data id bbbbbbbbbbbb"
    assert "older than data ids" in cells["older"].note
    assert "¶" in dict(group.legend)
    assert "data id aaaaaaaaaaaa and bbbbbbbbbbbb and none" in group.facts
    site = Site()
    pairs = comparison_data(site, board.entries)["pairs"]
    assert [pair["number"] for pair in pairs] == [3, 3, 3]


def test_where_nothing_is_told_apart_nothing_is_the_best():
    ranks = [(1, 2), (1, 2)], [(1, 1), (2, 2)]
    tied, apart = (
        compared([BoardCell(str(v), v, compared=True, ranks=r) for v, r in zip((1.0, 2.0), pairs, strict=True)],
                 BoardColumn("l1", "lower"))
        for pairs in ranks
    )  # fmt: skip
    assert [(cell.best, cell.leads) for cell in tied] == [(False, True), (False, False)]
    assert [(cell.best, cell.leads) for cell in apart] == [(True, True), (False, False)]


@pytest.mark.parametrize(
    ("name", "metric", "mark"),
    [("other-version", "l1", "†"), ("faceless", "akd@mtcnn5", "‡"), ("half", "l1", "§"), ("sees", "l1", "")],
)
def test_numbers_that_do_not_compare_are_marked_and_not_ranked(all_boards, name, metric, mark):
    group = group_of(all_boards)
    cell = column(group, metric)[name]
    assert cell.value is not None
    assert (cell.marks, cell.ranks, cell.compared, cell.leads, cell.bar) == (mark, None, False, False, None)
    assert not mark or mark in dict(group.legend)


def test_a_metric_that_is_not_monotone_ranks_nothing(all_boards):
    group = group_of(all_boards)
    assert not any(cell.ranks or cell.leads for cell in column(group, "psnr@uint8-wrap").values())
    assert group.columns[group.main].name == "l1"


def test_published_numbers_rank_only_where_one_group_measured(all_boards):
    table = next(
        g for b in all_boards if b.dataset == "voxceleb1" for g in b.groups if g.title == "Table 1a of the MCNet paper"
    )
    l1, psnr = column(table, "L1"), column(table, "PSNR")
    assert l1["FOMM"].marks
    assert l1["FOMM"].ranks is None
    assert l1["MCNet"].ranks == (1, 1)
    assert l1["MCNet"].leads
    assert not any(cell.ranks for cell in psnr.values())
    assert "not-reported" not in str(l1["MarioNETte"])
    assert l1["MarioNETte"].value is None


def test_the_printed_board_has_own_names_notes_with_their_basis_and_no_rank_for_a_copied_number(all_boards):
    groups = {g.title: g for b in all_boards if b.dataset == "voxceleb1" for g in b.groups if g.kind == "published"}
    table = groups["Table 1a of the MCNet paper"]
    legend = dict(table.legend)
    named = {line.label: legend[line.marks] for line in table.lines if line.marks}
    assert named == {
        "X2Face": 'printed as "X2face"',
        "MarioNETte": 'printed as "marioNETte"',
        "TPSM": 'printed as "TPSN"',
        "MCNet": 'printed as "MCNet (Ours)"',
    }
    for group, metric, system, source in (
        (table, "PSNR", "FOMM", "30.18"),
        (table, "SSIM", "MarioNETte", "74.4"),
        (groups["Table 2 of the MCNet paper"], "PSNR", "FOMM", "30.18"),
    ):
        cell = column(group, metric)[system]
        assert (cell.ranks, cell.leads, cell.best, cell.compared) == (None, False, False, False)
        assert dict(group.legend)[cell.marks].endswith(f"the source prints {source} (printed); not ranked")
    assert any("PSNR 30.39 (printed): 30.39 is MeshG's own PSNR" in remark for remark in table.remarks)
    assert "inferred: a reading of what is printed" in table.remarks[-1]


@pytest.mark.parametrize(
    ("said", "trained", "held_out", "expected"),
    [
        (None, "demo", False, True),
        (None, "demo", True, False),
        (None, "voxceleb1", False, None),
        (None, "", False, None),
        (False, "demo", False, False),
        (True, "voxceleb1", True, True),
    ],
)
def test_what_was_seen_in_training_is_flagged(tmp_path, said, trained, held_out, expected):
    write(tmp_path, "one", metrics=["l1"], pairs=2, pictured=(), data={"list_sha256": "b" * 64},
          details={"leakage": said, "training_data": trained})  # fmt: skip
    official = ListCard(task="same-identity", sha256="b" * 64, held_out=held_out)
    card = DatasetCard(name="demo", lists={"official": official})
    (board, *_) = boards(load_entries(tmp_path), Cards(datasets={"demo": card}))
    assert board.groups[0].lines[0].leakage is expected


def test_bars_go_from_the_worst_to_the_best():
    cells = [BoardCell(str(v), v, compared=v < 9) for v in (1.0, 2.0, 3.0, 9.0)]
    assert [cell.bar for cell in compared(cells, BoardColumn("l1", "lower"))] == [BARS, BARS // 2, 0, None]
    assert [cell.bar for cell in compared(cells, BoardColumn("psnr", "higher"))] == [0, BARS // 2, BARS, None]
    assert [cell.bar for cell in compared(cells[:1], BoardColumn("l1", "lower"))] == [BARS]


def test_rebuilding_gives_the_same_bytes(root, site, tmp_path):
    again = Site()
    add_boards(again, boards(list(reversed(load_entries(root))), CARDS))
    first, second = site.render(), again.render()
    assert list(first) == list(second)
    assert {path for path in first if first[path] != second[path]} == set()
    site.write(tmp_path / "a")
    site.write(tmp_path / "a")
    assert {p.relative_to(tmp_path / "a").as_posix() for p in (tmp_path / "a").rglob("*") if p.is_file()} == {
        *first,
        "talkbench-site.txt",
    }


def test_what_is_gone_is_removed_and_what_is_not_ours_stays(site, tmp_path):
    out = tmp_path / "site"
    site.write(out)
    (out / "CNAME").write_text("example.org")
    smaller = Site()
    add_boards(smaller, [])
    smaller.write(out)
    left = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert left == {"CNAME", "index.html", "talkbench-site.txt"}


def test_a_folder_of_other_things_is_not_written_to(site, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(TalkbenchError, match="choose another --out"):
        site.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_processes_do_not_write_one_site(site, tmp_path):
    with (
        locked(tmp_path / "site", "is here"),
        pytest.raises(TalkbenchError, match=r"^process \d+ is writing a site to "),
    ):
        site.write(tmp_path / "site")
    site.write(tmp_path / "site")
    assert not (tmp_path / "site" / ".lock").exists()


def test_a_listing_cannot_remove_what_is_outside(site, tmp_path):
    out = tmp_path / "site"
    site.write(out)
    (tmp_path / "mine.txt").write_text("x")
    (out / "talkbench-site.txt").write_text("index.html\n../mine.txt\n")
    with pytest.raises(TalkbenchError, match="leaves"):
        site.write(out)
    assert (tmp_path / "mine.txt").exists()


def test_text_of_files_stays_text(tmp_path):
    details = {"label": NASTY[:80], "licence": NASTY, "training_data": NASTY, "note": NASTY, "device": NASTY,
               "frames_per_second": 3.0}  # fmt: skip
    for name in ("one", "two"):
        write(tmp_path, name, method=name + NASTY, dataset=NASTY, task=NASTY, clip=NASTY.replace("{{7*7}}", "{}"),
              metrics=["l1", spec("x" + NASTY, direction="higher", unit=NASTY)], details=details,
              data={"motion": NASTY})  # fmt: skip
    for path, page in build_site(load_entries(tmp_path), CARDS).render().items():
        if not path.endswith(".html"):
            continue
        assert re.fullmatch(r"[a-z0-9/._-]+", path)
        elements = Elements(page)
        policy = next(m["content"] for m in elements.named("meta") if m.get("http-equiv") == "Content-Security-Policy")
        assert "unsafe" not in policy
        for text in re.findall(rb"<script>(.*?)</script>", page, re.DOTALL):
            assert base64.b64encode(hashlib.sha256(text).digest()).decode() in policy
        assert len(elements.named("script")) == page.count(b"<script>") + page.count(b'<script type="application/json"')
        for tag, attributes in elements.tags:
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (path, tag)
            assert not str(attributes.get("src")).startswith("x")
        assert b"alert(1)</script>" not in page
        assert b"49" not in page.partition(b"onerror")[2][:40]


def test_pages_load_nothing_from_elsewhere(site):
    for path, page in site.render().items():
        if path.endswith(".html"):
            for tag, attributes in Elements(page).tags:
                if tag != "a":
                    links = [attributes.get(name) or "" for name in ("src", "href", "srcset", "data")]
                    assert not any("//" in link for link in links), (path, tag)


@pytest.mark.parametrize(
    ("address", "linked"),
    [
        ("https://example.org/a?b=c&d", True),
        ("http://example.org", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("data:text/html,x", False),
        ("https://a b", False),
        ("http://[bad", False),
        ("none is public", False),
        ("", False),
    ],
)
def test_only_addresses_of_the_web_are_links(address, linked):
    assert ("<a href" in external(address, "code")) is linked


def test_file_names_of_distinct_names_are_distinct():
    names = ["mcnet", "mcnet@demo", "mcnet.demo", "MCNET", "mcnet demo", "mcnet-demo", "", "..", "a/b", "é", "x" * 300]
    slugs = [slug(name) for name in names]
    assert len({text.lower() for text in slugs}) == len(names)
    assert slugs[:2] == ["mcnet", "mcnet.demo"]
    assert all(re.fullmatch(r"[a-z0-9_-][a-z0-9._-]*|\.[a-z0-9.]+", text) and len(text) < 130 for text in slugs)


def test_no_link_is_dead(site):
    pages = site.render()
    assert DEMO in pages
    lost = Site()
    lost.add(DEMO, "site.html")
    with pytest.raises(TalkbenchError, match=r"links to index\.html"):
        lost.render()
    with pytest.raises(TalkbenchError, match="both called"):
        lost.add(DEMO, "site.html")


def test_a_page_of_500_entries_is_below_two_megabytes(all_boards):
    site = Site()
    add_boards(site, [replace(all_boards[0], groups=(crowd(500),), entries=())])
    assert len(site.render()[all_boards[0].path]) < 2_000_000


def test_the_pair_that_is_shown_is_the_one_that_systems_differ_on(site, tmp_path):
    for name, value in (("one", 0.1), ("two", 0.6)):
        write(tmp_path, name, metrics=["l1"], pairs=6, pictured=(0, 1, 5), method=name,
              values={"l1": [0.2, value, 0.2, 0.9 * value, 0.2, 0.2]})  # fmt: skip
    (board, *_) = boards(load_entries(tmp_path), CARDS)
    pair = shown_pair(site, board)
    assert (pair.pair, pair.metric) == (1, "L1")
    assert pair.source == "entries/one/thumbnails/000001-source.webp"
    assert [label for label, _ in pair.outputs] == ["one", "two"]


def test_plot_puts_the_better_end_up_and_marks_what_no_other_beats(all_boards):
    plot = plot_of(group_of(all_boards))
    good, close = (next(p for p in plot.points if p.label == name) for name in ("good", "close"))
    assert close.x > good.x
    cells = column(group_of(all_boards), "l1")
    assert (good.y < close.y) == (cells["good"].value < cells["close"].value)
    assert all(plot.left <= p.x <= plot.right and plot.top <= p.y <= plot.bottom for p in plot.points)
    assert plot_of(group_of(all_boards, 1)) is None


def test_labels_of_a_crowded_plot_do_not_cover_each_other():
    plot = plot_of(crowd(60))
    labels = [(p.text_x, p.text_y) for p in plot.points if p.anchor]
    assert len(plot.points) == 60
    assert 0 < len(labels) < 60
