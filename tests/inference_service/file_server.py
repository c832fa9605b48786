"""A small HTTP server for downloads that go well, break off, lie or hang."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What the server answers with, and what it was asked."""

    content: bytes
    knows_ranges: bool = True
    says_length: bool = True
    status: int = 200
    location: str = ""
    """Where to send the caller on to, with a status of 3xx."""
    cuts: list[int] = field(default_factory=list)
    """How many bytes of the body each answer breaks off after, the first request's first."""
    go_on: threading.Event = field(default_factory=threading.Event)
    pause_after: int | None = None
    """Bytes of the body after which the answer waits for `go_on`."""
    asked: list[str | None] = field(default_factory=list)
    """The Range header of every request."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """All headers of every request, names in small letters."""
    url: str = ""


@contextmanager
def serving(content: bytes) -> Iterator[Served]:
    """Serve `content` under every path of 127.0.0.1, in threads of this process."""
    served = Served(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            served.asked.append(wanted)
            served.headers.append({name.lower(): value for name, value in self.headers.items()})
            if self.path != "/here" and served.location:
                self._send(302, {"Location": served.location}, b"")
            elif served.status >= 400:
                self._send(served.status, {}, b"no")
            elif wanted and served.knows_ranges:
                self._send_range(int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]))  # type: ignore[index]
            else:
                self._send(200, {}, served.content)

        def _send_range(self, start: int) -> None:
            total = len(served.content)
            if start >= total:
                self._send(416, {"Content-Range": f"bytes */{total}"}, b"")
                return
            self._send(206, {"Content-Range": f"bytes {start}-{total - 1}/{total}"}, served.content[start:])

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if served.says_length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = served.cuts.pop(0) if served.cuts and body else len(body)
            pause = min(cut, len(body) if served.pause_after is None else served.pause_after)
            try:
                self.wfile.write(body[:pause])
                if served.pause_after is not None:
                    served.go_on.wait(20)
                self.wfile.write(body[pause:cut])
            except OSError:
                pass  # The caller has gone, as some tests want.

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_port}/file.pkl"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield served
        finally:
            served.go_on.set()
            server.shutdown()
            thread.join()
