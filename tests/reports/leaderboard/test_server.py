"""`bench leaderboard serve` gives the site's files to this machine's browsers, and nothing else to anyone."""

import http.client
import threading

import pytest

from talkbench.reports.leaderboard.server import site_server


@pytest.fixture
def ask(tmp_path):
    """Asks a server for a path; returns status, headers and content."""
    site = tmp_path / "site"
    (site / "boards").mkdir(parents=True)
    (site / "index.html").write_text("<p>first")
    (site / "boards" / "a.html").write_text("<p>board")
    (site / ".lock").write_text("hidden")
    (tmp_path / "secret.txt").write_text("secret")
    (site / "leak.txt").symlink_to(tmp_path / "secret.txt")
    (site / "out").symlink_to(tmp_path)
    server = site_server(site, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def request(path, host=None, method="GET", part=None):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", f"127.0.0.1:{server.server_port}" if host is None else host)
        if part:
            connection.putheader("Range", part)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    yield request
    server.shutdown()
    server.server_close()


def test_pages_are_served(ask):
    assert ask("/")[::2] == (200, b"<p>first")
    status, headers, content = ask("/boards/a.html?x=1#y")
    assert (status, content) == (200, b"<p>board")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask("/boards/a.html", method="HEAD")[::2] == (200, b"")


@pytest.mark.parametrize(
    "path",
    ["/boards/", "/boards", "/.lock", "/leak.txt", "/out/secret.txt", "/../secret.txt", "/%2e%2e/secret.txt",
     "//etc/passwd", "/no.html", "/index.html%00.txt", "/boards/..%2f..%2fsecret.txt"],
)  # fmt: skip
def test_nothing_else_is(ask, path):
    status, _, content = ask(path)
    assert status == 404
    assert b"secret" not in content
    assert b"a.html" not in content


@pytest.mark.parametrize(
    ("part", "status", "content", "place"),
    [
        ("bytes=0-1", 206, b"<p", "bytes 0-1/8"),
        ("bytes=3-", 206, b"board", "bytes 3-7/8"),
        ("bytes=3-99", 206, b"board", "bytes 3-7/8"),
        ("bytes=8-", 416, None, None),
        ("bytes=5-3", 416, None, None),
        ("bytes=-3", 200, b"<p>board", None),
        ("bytes=0-1,3-4", 200, b"<p>board", None),
        ("bytes=" + "9" * 400 + "-", 200, b"<p>board", None),
        ("lines=1-2", 200, b"<p>board", None),
    ],
)
def test_a_part_of_a_file_is_served_as_videos_need_it(ask, part, status, content, place):
    answer, headers, body = ask("/boards/a.html", part=part)
    assert (answer, headers["Content-Range"]) == (status, place)
    assert content in (None, body)
    assert ask("/boards/a.html", method="HEAD", part="bytes=0-1")[::2] == (206, b"")
    assert ask("/leak.txt", part="bytes=0-3")[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""])
def test_a_page_elsewhere_cannot_ask_under_its_own_name(ask, host):
    assert ask("/", host=host)[0] == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_takes_nothing(ask, method):
    assert ask("/", method=method)[0] == 501
