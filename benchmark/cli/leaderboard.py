"""`bench leaderboard`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.groups import CONTEXT, NearestGroup
from talkbench.benchmark.cli.options import ENTRIES, PATH
from talkbench.core.errors import TalkbenchError

SITE = Path("site")


@click.group(cls=NearestGroup, context_settings=CONTEXT)
def command() -> None:
    """Build and show the leaderboard, a site of plain files.

    \b
    bench leaderboard build
    bench leaderboard serve
    """


@command.command()
@click.option("--out", type=PATH, default=SITE, show_default=True, help="Folder of the site.")
@click.option("--entries", type=PATH, help=f"Folder of the entries.  [default: {ENTRIES}, else those that ship]")
@click.option(
    "--manual", default="", help="Where the manual is, for links to it: a folder that will be in OUT, or an address."
)
def build(out: Path, entries: Path | None, manual: str) -> None:
    """Write the site from entries and the published tables.

    The site has a page for each data set and task, each method and each metric, and one that compares two methods pair
    by pair and, where entries have clips, in motion. The pages need no server and no network, and the same entries give
    the same bytes. Entries are written by bench results export. With contest.webp and contest-still.webp beside them,
    made by bench figure --video, the site opens with that moving picture; who wants no motion sees the still one.

    \b
    bench leaderboard build --out site
    bench leaderboard build --out site --manual manual
    """
    from talkbench.benchmark.cards import all_cards
    from talkbench.benchmark.sharing.clusters import clusters_of
    from talkbench.reports.leaderboard.build import build_site
    from talkbench.reports.leaderboard.site import check_own
    from talkbench.results.entries import SHIPPED, load_entries

    check_own(out)  # before the seconds that the site takes
    folder = entries or (ENTRIES if ENTRIES.is_dir() else SHIPPED)
    listed = load_entries(folder)
    clusters = {name: clusters_of(name) for name in {entry.record.dataset.name for entry in listed}}
    first = build_site(listed, all_cards(), clusters, folder, manual).write(out)
    count = f"{len(listed)} {'entry' if len(listed) == 1 else 'entries'}{' that ship' if folder == SHIPPED else ''}"
    what = count if listed else f"no entries in {folder}: published tables alone"
    click.echo(f"site    {first}   ({what}; open it in a browser)")


@command.command()
@click.option("--site", type=PATH, default=SITE, show_default=True, help="Folder that bench leaderboard build wrote.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to serve on; 0: any free one."
)
@click.option("--open/--no-open", "open_", default=True, show_default=True, help="Open the site in the browser.")
def serve(site: Path, port: int, open_: bool) -> None:
    """Serve the site until Ctrl+C, to browsers on this machine alone: its pages and files, no lists of folders, nothing
    hidden and nothing outside it."""
    import webbrowser

    from talkbench.reports.leaderboard.server import site_server

    if not (site / "index.html").is_file():
        raise TalkbenchError(f"{site} is no site; make one with bench leaderboard build --out {site}")
    try:
        server = site_server(site, port)
    except OSError as error:
        raise TalkbenchError(f"cannot serve on port {port} ({error.strerror}); choose another --port") from error
    address = f"http://127.0.0.1:{server.server_port}/"
    click.echo(f"serving {address}   (Ctrl+C ends it)")
    if open_:
        webbrowser.open(address)
    with server:
        server.serve_forever()
