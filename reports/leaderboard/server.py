"""Serves a site to browsers of this machine, and nothing else of the machine to anyone."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

LOCAL = ("127.0.0.1", "localhost")


class SiteHandler(SimpleHTTPRequestHandler):
    """Answers with the files of a site.

    Refused are requests that name another host, as a page elsewhere sends whose name was made to point here; hidden
    files, and links that lead out of the site. Folders are not listed.
    """

    def send_head(self) -> BinaryIO | None:  # type: ignore[override]  # the base calls it io.BytesIO or a file
        """The file that a request asks for, with the headers sent; None if there is none."""
        if self.headers.get("Host", "") not in self._hosts():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "This site answers to the address that bench printed")
            return None
        if not self._is_of_the_site(Path(self.translate_path(self.path))):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()  # type: ignore[return-value]

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        super().end_headers()

    def _is_of_the_site(self, path: Path) -> bool:
        root = Path(self.directory)
        try:
            file = (path / "index.html" if path.is_dir() else path).resolve()
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        except (OSError, ValueError):  # no name of a file, such as one with a zero byte
            return False
        return not hidden and file.is_relative_to(root.resolve()) and file.is_file()

    def _hosts(self) -> set[str]:
        assert isinstance(self.server, ThreadingHTTPServer)
        port = self.server.server_port
        return {f"{host}:{port}" for host in LOCAL} | (set(LOCAL) if port == 80 else set())


def site_server(site: Path, port: int) -> ThreadingHTTPServer:
    """A server of the site in a folder, on this machine's own address; an `OSError` if the port is taken.

    Args:
        port: 0: any free one.
    """
    return ThreadingHTTPServer((LOCAL[0], port), partial(SiteHandler, directory=str(site.absolute())))
