"""A web server on the loopback interface, with index pages as `python -m http.server` gives them, and faults."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import unquote, urlsplit

ALWAYS = math.inf


class Web:
    """What a server serves, how it misbehaves, and what it was asked for.

    Attributes:
        folder: What it serves.
        url: Its address, with a slash at the end.
        etag: Send an ETag, the digest of the content.
        dates: Send Last-Modified.
        length: Send Content-Length with an answer to HEAD.
        breaks: Path -> how many more times a download breaks off in the middle.
        how: How it breaks off: `length`, with Content-Length sent; `chunked`; `close`, with neither;
            `silence`, the connection stays open until the server stops.
        pages: Path -> text to send as a page of HTML.
        statuses: Path -> status to answer with, and how many more times.
        redirects: Path -> address to send to.
        asked: How often each method and path was asked for.
        targets: Paths with their queries, as they were sent.
        encodings: What was accepted as encoding of the content.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}/"
        self.etag = True
        self.dates = True
        self.length = True
        self.breaks: dict[str, float] = {}
        self.how = "length"
        self.pages: dict[str, str] = {}
        self.statuses: dict[str, tuple[int, float]] = {}
        self.redirects: dict[str, str] = {}
        self.asked: Counter[tuple[str, str]] = Counter()
        self.targets: set[str] = set()
        self.encodings: set[str | None] = set()
        self.stopping = Event()

    def downloads(self) -> dict[str, int]:
        """How often each file, index pages not counted, was sent, by its decoded path; forgotten afterwards."""
        sent = {unquote(path): n for (method, path), n in self.asked.items() if method == "GET" and path[-1] != "/"}
        self.asked.clear()
        return sent


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    web: Web

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, with_body):
        path = urlsplit(self.path).path
        self.web.asked[self.command, path] += 1
        self.web.targets.add(self.path)
        self.web.encodings.add(self.headers["Accept-Encoding"])
        status, times = self.web.statuses.get(path, (0, 0))
        if times > 0:
            self.web.statuses[path] = (status, times - 1)
            self.send_error(status)
        elif path in self.web.redirects:
            self._head(302, {"Location": self.web.redirects[path], "Content-Length": 0})
        elif path in self.web.pages:
            self._send(self.web.pages[path].encode(), {"Content-Type": "text/html"}, with_body)
        else:
            self._send_from_disk(with_body)

    def _send_from_disk(self, with_body):
        path = Path(self.translate_path(self.path))
        if path.is_file():
            self._send_file(path, with_body)
            return
        page = self.send_head()  # of the standard library: an index, a redirect to it, or 404
        if page is not None:
            with page:
                if with_body:
                    self.wfile.write(page.read())

    def _send_file(self, path, with_body):
        content = path.read_bytes()
        headers = {"Content-Type": self.guess_type(str(path))}
        if self.web.etag:
            headers["ETag"] = f'"{hashlib.md5(content).hexdigest()}"'
        if self.web.dates:
            headers["Last-Modified"] = self.date_time_string(path.stat().st_mtime)
        if with_body and self.web.breaks.get(self.path, 0) > 0:
            self.web.breaks[self.path] -= 1
            self._break_off(content, headers)
        else:
            self._send(content, headers, with_body)

    def _send(self, content, headers, with_body):
        if self.web.length or not with_body:
            self._head(200, headers | ({"Content-Length": len(content)} if self.web.length else {}))
            if with_body:
                self.wfile.write(content)
        else:
            self._head(200, headers | {"Transfer-Encoding": "chunked"})
            self.wfile.write(self._chunk(content) + b"0\r\n\r\n")

    def _break_off(self, content, headers):
        half = content[: len(content) // 2]
        framing = {
            "length": {"Content-Length": len(content)},
            "chunked": {"Transfer-Encoding": "chunked"},
            "close": {"Connection": "close"},
            "silence": {"Content-Length": len(content)},
        }
        self._head(200, headers | framing[self.web.how])
        self.wfile.write(self._chunk(half) if self.web.how == "chunked" else half)
        self.close_connection = True
        if self.web.how == "silence":
            self.web.stopping.wait(self.timeout)

    @staticmethod
    def _chunk(content):
        return b"%x\r\n%b\r\n" % (len(content), content) if content else b""

    def _head(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()


@contextmanager
def serve(folder: Path) -> Iterator[Web]:
    """A server of `folder` on a free port, stopped at the end."""

    class Handler(_Handler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.web = Web(folder, server.server_address[1])
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Handler.web
        finally:
            Handler.web.stopping.set()
            server.shutdown()
            thread.join()
