"""Check a built site: links lead to files, and places in them, that are there; no page loads anything from elsewhere.

python tests/site_links.py site
"""

import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    "img": ("src",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "link": ("href",),
}
FOLLOWED = LOADED | {"a": ("href",)}


class Page(HTMLParser):
    """The links of a page by tag, and the places in it that links may name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.places = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value for name, value in attrs if value}
        self.places |= {named[name] for name in ("id", "name") if name in named}
        if named.get("rel") != "canonical":
            self.links += [(tag, named[name]) for name in FOLLOWED.get(tag, ()) if name in named]


@cache
def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def faults(site: Path) -> Iterator[str]:
    for path in sorted(site.rglob("*.html")):
        for tag, link in read(path).links:
            where = urlsplit(link)
            if where.scheme in ("data", "mailto") or where.path.startswith("//"):
                continue
            if where.scheme or where.netloc:
                if tag in LOADED:
                    yield f"{path.relative_to(site)} loads {link}"
                continue
            target = (path.parent / unquote(where.path)).resolve() if where.path else path
            if not target.is_file():
                yield f"{path.relative_to(site)} links to {link}, which is not there"
            elif target.suffix == ".html" and not _is_place(target, unquote(where.fragment)):
                yield f"{path.relative_to(site)} links to {link}, and that page has no such place"


def _is_place(page: Path, fragment: str) -> bool:
    """Places with ``=`` are read by scripts: the two entries of a comparison."""
    return fragment in read(page).places or "=" in fragment


def main() -> None:
    site = Path(sys.argv[1]).resolve()
    wrong = list(faults(site))
    pages = sum(1 for _ in site.rglob("*.html"))
    print("\n".join([*wrong, f"{pages} pages, {len(wrong)} bad links"]))
    sys.exit(bool(wrong) or not pages)


if __name__ == "__main__":
    main()
