"""A hub on 127.0.0.1: small files from itself, large ones by a redirect to another port, as the real one."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.inference_service.file_server import Served, serving

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the hub has, and what it was asked."""

    store: Served
    """Where the bytes of the large file lie; its content may differ from what the hub says."""
    large: bytes
    small: bytes
    commit: str = COMMIT
    headers: dict[str, str] = field(default_factory=dict)
    """Said in place of the true ones; an empty one is left out."""
    status: int = 0
    """Answered to everything, if not 0."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request."""
    asked_with: list[dict[str, str]] = field(default_factory=list)
    """The headers of every request, names in small letters."""
    url: str = ""

    def address(self, name: str) -> str:
        """Return where `large` or `small` is, as it is declared."""
        return f"{self.url}/owner/model/resolve/{COMMIT}/{name}"


@contextmanager
def hub_of(large: bytes, small: bytes) -> Iterator[Hub]:
    """Serve both until the end."""
    with serving(large) as store:
        hub = Hub(store, large, small)

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._answer(b"")

            def do_GET(self) -> None:
                self._answer(hub.small)

            def _answer(self, body: bytes) -> None:
                hub.asked.append((self.command, self.path))
                hub.asked_with.append({name.lower(): value for name, value in self.headers.items()})
                if hub.status:
                    self._send(hub.status, {}, b"")
                elif self.path.endswith("/large"):
                    self._send(302, {**self._said_of_large(), **hub.headers}, b"")
                else:
                    blob = hashlib.sha1(b"blob %d\0" % len(hub.small) + hub.small).hexdigest()
                    said = {"ETag": f'"{blob}"', "Content-Length": str(len(hub.small))}
                    self._send(200, {"X-Repo-Commit": hub.commit, **said, **hub.headers}, body)

            def _said_of_large(self) -> dict[str, str]:
                return {
                    "Location": hub.store.url,
                    "X-Repo-Commit": hub.commit,
                    "X-Linked-Etag": f'"{hashlib.sha256(hub.large).hexdigest()}"',
                    "X-Linked-Size": str(len(hub.large)),
                    "ETag": '"of the redirect"',
                }

            def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            hub.url = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield hub
            finally:
                server.shutdown()
                thread.join()
