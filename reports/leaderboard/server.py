"""Serves a site to browsers of this machine, and nothing else of the machine to anyone."""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
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
        path = Path(self.translate_path(self.path))
        if not self._is_of_the_site(path):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        asked = re.fullmatch(r"bytes=(\d{1,18})-(\d{0,18})", self.headers.get("Range", ""))
        if asked and path.is_file():
            return self._part(path, int(asked[1]), int(asked[2] or 10**18))
        return super().send_head()  # type: ignore[return-value]

    def _part(self, path: Path, first: int, last: int) -> BinaryIO | None:
        """Bytes `first` to `last` of a file, without which no browser finds a moment of a video."""
        content = path.read_bytes()
        part = content[first : last + 1]
        if not part:
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return None
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        return BytesIO(part)

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Accept-Ranges", "bytes")
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
