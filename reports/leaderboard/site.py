"""The static site: pages from templates, with checked links, one style sheet and few scripts; builds are reproducible.

Pages need no server and no network. Style and scripts stand in each page and are allowed by their hashes alone, so the
content policy holds for ``file://`` as well; a page must have neither ``style=`` nor ``on…=`` attributes.

Where things are (all below the site's root)::

    index.html                        the data sets and tasks, `board_path`
    boards/<data set>--<task>.html
    methods/index.html, methods/<method>.html         `method_path`
    metrics/index.html, metrics/<family>.html         `metric_path`
    compare/<data set>--<task>.html#a=<entry>&b=<entry>   `comparison_path`
    audit.html
    entries/<entry>/<file>            thumbnails and clips, `Site.file`
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment
from markupsafe import Markup

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_all, write_atomic
from talkbench.core.locks import LOCK, locked
from talkbench.core.paths import inside
from talkbench.reports.numbers import ARROWS, share, unit_sign
from talkbench.reports.pages.templates import environment, policy, text

if TYPE_CHECKING:
    from talkbench.results.entries import Entry

NAVIGATION = (
    ("Leaderboards", "index.html"),
    ("Methods", "methods/index.html"),
    ("Metrics", "metrics/index.html"),
    ("Audit", "audit.html"),
)
"""Links on every page; those to pages that the site does not have are left out."""

LISTING = "talkbench-site.txt"
"""The file that lists the files of a site, so that the next build removes those that are gone, and no others."""


def slug(name: str) -> str:
    """`name` as a file name: ``mcnet@demo`` gives ``mcnet.demo``. Distinct names give distinct ones."""
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,60}(@[a-z0-9_-]{1,60})?", name):
        return name.replace("@", ".")
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{re.sub(r'[^a-z0-9_-]+', '-', name.lower())[:40].strip('-')}.{digest}.x"


def board_path(dataset: str, task: str) -> str:
    return f"boards/{slug(dataset)}--{slug(task)}.html"


def comparison_path(dataset: str, task: str) -> str:
    return f"compare/{slug(dataset)}--{slug(task)}.html"


def method_path(name: str) -> str:
    return f"methods/{slug(name)}.html"


def metric_path(name: str) -> str:
    """The page of a metric's family, on which all its variants are."""
    return f"metrics/{slug(name.lower().split('@', 1)[0])}.html"


@dataclass(frozen=True)
class _Page:
    template: str
    scripts: tuple[str, ...]
    videos: bool
    context: Mapping[str, Any]


@dataclass
class Site:
    """Pages and files to be written together.

    Args:
        manual: where the manual is, a folder beside the pages or an address of the web; none: the pages name none.

    Templates extend ``site.html`` and fill its blocks ``title``, ``heading`` and ``content``. They know the context
    that `add` passes and these functions:

    - ``url(path)``: the address of a page or file of this site, relative to the page that is rendered; a
      `TalkbenchError` if there is none, so no link is dead;
    - ``link(path, text)``: a link, or plain text where there is no such page;
    - ``manual(page)``: the address of a page of the manual; None if the site names no manual;
    - ``external(address, text)``: a link for ``http`` and ``https``, plain text for other addresses.
    """

    manual: str = ""
    _pages: dict[str, _Page] = field(default_factory=dict)
    _files: dict[str, bytes] = field(default_factory=dict)

    def add(
        self, path: str, template: str, *, scripts: tuple[str, ...] = (), videos: bool = False, **context: Any
    ) -> None:
        """Add the page `path`, which `write` makes from a template of this folder.

        Args:
            scripts: files of this folder that the page runs after ``site.js``.
            videos: whether it has videos, for which the player stands before them.
            context: what the template names.
        """
        self._free(path)
        self._pages[path] = _Page(template, ("site.js", *scripts), videos, context)

    def asset(self, path: str, content: bytes) -> str:
        """Add a file as it is, and return its path; the same file may be added again."""
        if self._files.get(path) != content:
            self._free(path)
            self._files[path] = content
        return path

    def file(self, entry: Entry, file: str) -> str:
        """Add a picture or a clip of an entry, and return its path."""
        content = inside(entry.folder, file).read_bytes()
        return self.asset(f"entries/{entry.info.name}/{file}", content)

    def has(self, path: str) -> bool:
        return path in self._pages or path in self._files

    def render(self) -> dict[str, bytes]:
        """All files by path, in the order of their paths."""
        files = self._files | {path: self._render(path, page).encode() for path, page in self._pages.items()}
        return dict(sorted(files.items()))

    def write(self, out: Path) -> Path:
        """Write the site to `out`, whose other files stay; those of an earlier build that are gone are removed.

        Returns:
            The first page.

        Raises:
            TalkbenchError: `out` has files and is no site that this method wrote, another process writes it, or it
                cannot be written.
        """
        files = self.render()
        check_own(out)
        with locked(out, "is writing a site to", left=False):
            self._write(out, files)
        return out / "index.html"

    def _write(self, out: Path, files: dict[str, bytes]) -> None:
        listing = out / LISTING
        before = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
        write_atomic(listing, "".join(f"{path}\n" for path in sorted({*before, *files})))  # for a build that is killed
        write_all(out, {path: content for path, content in files.items() if not _has(out / path, content)})
        for path in sorted({*before} - {*files}):
            inside(out, path).unlink(missing_ok=True)
        write_atomic(listing, "".join(f"{path}\n" for path in files))

    def _free(self, path: str) -> None:
        if self.has(path):
            raise TalkbenchError(f"two things of the site are both called {path}; rename one of them")

    def _render(self, path: str, page: _Page) -> str:
        style, scripts = _text("site.css") + _text("pages.css"), [_text(name) for name in page.scripts]
        if page.videos:
            style, scripts = style + text("player.css"), [text("player.js"), *scripts]

        def url(target: str) -> str:
            where, mark, place = target.partition("#")
            if not self.has(where):
                raise TalkbenchError(f"{path} links to {where}, which the site does not have")
            return quote(posixpath.relpath(where, PurePosixPath(path).parent)) + mark + quote(place, safe="=&")

        def link(target: str, text: str) -> Markup:
            if not self.has(target.partition("#")[0]):
                return Markup("{}").format(text)
            return Markup('<a href="{}">{}</a>').format(url(target), text)

        def manual(page_of_manual: str) -> str:
            if urlsplit(self.manual).scheme in ("http", "https"):
                return f"{self.manual.rstrip('/')}/{page_of_manual}"
            return quote(posixpath.relpath(f"{self.manual}/{page_of_manual}", PurePosixPath(path).parent))

        return (
            _environment()
            .get_template(page.template)
            .render(
                path=path,
                style=Markup(style),  # noqa: S704, our own file
                scripts=[Markup(script) for script in scripts],  # noqa: S704, our own files
                policy=policy(style, scripts, videos=page.videos),
                navigation=[(label, target) for label, target in NAVIGATION if self.has(target)],
                url=url,
                link=link,
                has=self.has,
                manual=manual if self.manual else None,
                **page.context,
            )
        )


def _has(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def check_own(out: Path) -> None:
    """Refuse a folder of other files for a site; a lock is none.

    Raises:
        TalkbenchError: `out` has files and is no site that `Site.write` wrote.
    """
    others = out.is_dir() and not (out / LISTING).is_file() and any(path.name != LOCK for path in out.iterdir())
    if out.is_file() or others:
        raise TalkbenchError(f"{out} exists and was not made by bench leaderboard build; choose another --out")


def external(address: str, text: str = "") -> Markup:
    """A link to another place in the web; text where the address is not one (``javascript:``, "none is public")."""
    try:
        safe = urlsplit(address).scheme in ("http", "https") and not re.search(r"[\s\x00-\x1f]", address)
    except ValueError:
        safe = False
    if not safe:
        return Markup("{}").format(address)
    return Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(address, text or address)


def millions(count: int | None) -> str:
    """A number of parameters: ``101.8 M``."""
    return "–" if count is None else f"{count / 1e6:.1f} M"


@cache
def _environment() -> Environment:
    templates = environment(Path(__file__).parent)
    templates.globals.update(
        external=external,
        arrows=ARROWS,
        share=share,
        unit_sign=unit_sign,
        millions=millions,
        board_path=board_path,
        comparison_path=comparison_path,
        method_path=method_path,
        metric_path=metric_path,
    )
    return templates


@cache
def _text(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
