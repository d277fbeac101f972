"""`bench leaderboard`: the site from the command line."""

import re
import subprocess
import sys
import urllib.request

from site_entries import write

from talkbench.results import entries


def test_a_site_is_built_from_entries_and_again_the_same(bench, place):
    root = place / "results" / "entries"
    write(root, "one", method="mcnet@demo", metrics=["l1"])
    built = bench("leaderboard", "build", "--out", "page")
    assert built.code == 0
    assert "(1 entry;" in built.out
    first = {path: path.read_bytes() for path in (place / "page").rglob("*") if path.is_file()}
    assert place / "page" / "boards" / "demo--same-identity.html" in first
    assert bench("leaderboard", "build", "--out", "page").code == 0
    assert {path: path.read_bytes() for path in (place / "page").rglob("*") if path.is_file()} == first


def test_without_entries_the_published_tables_are_shown(bench, place):
    (place / "results" / "entries").mkdir(parents=True)
    built = bench("leaderboard", "build")
    assert "(no entries in results/entries: published tables alone;" in built.out
    assert (place / "site" / "boards" / "voxceleb1--same-identity.html").is_file()


def test_without_a_folder_of_entries_those_that_ship_are_shown(bench, place, tmp_path_factory, monkeypatch):
    """Small ones; the test of the wheel builds the site of the real ones."""
    shipped = tmp_path_factory.mktemp("shipped")
    for name in ("one", "other"):
        write(shipped, name, method=name, metrics=["l1"])
    monkeypatch.setattr(entries, "SHIPPED", shipped)
    built = bench("leaderboard", "build")
    assert "(2 entries that ship;" in built.out
    assert (place / "site" / "boards" / "demo--same-identity.html").is_file()


def test_what_cannot_be_built_or_served_is_said_in_one_line(bench, place):
    assert "nowhere" in bench("leaderboard", "build", "--entries", "nowhere").complaint()
    (place / "full").mkdir()
    (place / "full" / "thesis.tex").write_text("x")
    assert "choose another --out" in bench("leaderboard", "build", "--out", "full").complaint()
    assert "bench leaderboard build" in bench("leaderboard", "serve", "--site", "nowhere").complaint()


def test_the_site_is_served_to_this_machine(tmp_path):
    (tmp_path / "index.html").write_text("here it is")
    program = "from talkbench.benchmark.cli.main import main; main()"
    command = [sys.executable, "-uc", program, "leaderboard", "serve", "--site", tmp_path, "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline()).group()
            with urllib.request.urlopen(address, timeout=20) as page:  # noqa: S310
                assert page.read() == b"here it is"
        finally:
            server.terminate()
