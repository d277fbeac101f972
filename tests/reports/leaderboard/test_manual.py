"""The links from the leaderboard's pages to the manual."""

import pytest

from talkbench.reports.leaderboard.site import Site

BOARD = "boards/demo--same-identity.html"


def page(manual: str) -> str:
    site = Site(manual)
    for path in ("index.html", BOARD):
        site.add(path, "site.html")
    return site.render()[BOARD].decode()


@pytest.mark.parametrize(
    ("manual", "address"),
    [("manual", "../manual/"), ("a b", "../a%20b/"), ("https://example.org/docs/", "https://example.org/docs/")],
)
def test_every_page_links_to_the_manual(manual, address):
    text = page(manual)
    assert all(f'href="{address}{name}"' in text for name in ("index.html", "tutorials/board.html"))


def test_no_page_links_to_a_manual_that_is_not_named():
    assert "Manual" not in page("")
