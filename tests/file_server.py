"""A web server on this machine that publishes files as the big ones do: with ranges, tags, and sometimes badly."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """What is published, and what was asked for.

    Attributes:
        files: contents by path, ``/a.pth``.
        cut: number of bytes after which the next answer breaks off; None: it is whole.
        kind: the content type.
        headers: what all answers with contents say besides.
        tagged: whether answers carry an ETag.
        refusals: the status of the next answers, one each; 0: the connection is closed without one.
        retry_after: what these answers say of when to come back; "" nothing.
        requests: path and range of every request.
        sent: bytes sent in all.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.cut: int | None = None
        self.kind = "application/octet-stream"
        self.headers: dict[str, str] = {}
        self.tagged = True
        self.refusals: list[int] = []
        self.retry_after = ""
        self.requests: list[tuple[str, str | None]] = []
        self.sent = 0


class Handler(BaseHTTPRequestHandler):
    published: FileServer

    def do_GET(self) -> None:
        server = self.published
        wanted = self.headers.get("Range")
        server.requests.append((self.path, wanted))
        if server.refusals:
            self._refuse(server.refusals.pop(0), server.retry_after)
            return
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path not in server.files:
            self.send_error(404)
            return
        content = server.files[self.path]
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        start = 0
        if wanted and self.headers.get("If-Range", tag) == tag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if server.tagged:
            self.send_header("ETag", tag)
        for header in {
            "Content-Type": server.kind,
            "Content-Length": str(len(content) - start),
            **server.headers,
        }.items():
            self.send_header(*header)
        self.end_headers()
        if self.command == "HEAD":
            return
        body = content[start:] if server.cut is None else content[start : start + server.cut]
        server.cut = None
        self.wfile.write(body)
        server.sent += len(body)

    do_HEAD = do_GET

    def _refuse(self, status: int, retry_after: str) -> None:
        self.close_connection = True
        if status:
            self.send_response(status)
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Standard error is for the command under test."""


@contextmanager
def serving() -> Iterator[FileServer]:
    """A running server."""
    handler = type("Published", (Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        handler.published = FileServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield handler.published
        finally:
            server.shutdown()
            thread.join()
