"""`/metrics` and `/healthz` of a worker, answered in threads of their own: no frame waits for them."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from inference_service.errors import HttpPortNotTaken
from shared import worker_metrics
from shared.wire import StatusHeader

logger = logging.getLogger(__name__)

MOST_CONNECTIONS = 16
LIMIT_S = 5.0
"""A connection is cut off after this: whoever sends half a request keeps no place."""


class HttpServer:
    """`open` binds, `close` ends; each answer is made when it is asked for."""

    def __init__(
        self, host: str, port: int, status: Callable[[], StatusHeader], is_running: Callable[[], bool]
    ) -> None:
        """`status` and `is_running` are called in the threads of requests; port 0 takes any free one."""
        self._address = (host, port)
        self._status, self._is_running = status, is_running
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> int:
        """Listen, and return the port. Raises HttpPortNotTaken."""
        host, port = self._address
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._server = _Server(found[0], found[4], self._status, self._is_running)
        except OSError as exc:
            raise HttpPortNotTaken(f"cannot listen at {host}, port {port}: {exc.strerror}") from exc
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="http", daemon=True
        )
        self._thread.start()
        taken = int(self._server.server_address[1])
        logger.info("metrics at http://%s:%d/metrics", f"[{host}]" if ":" in host else host, taken)
        return taken

    def close(self) -> None:
        """Listen no more, and cut off who is being answered; safe to call twice."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.cut_off(older_than_s=0.0)
        self._server.server_close()


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    # Else the end of the worker would wait for each connection's.
    block_on_close = False

    def __init__(
        self,
        family: int,
        address: Any,
        status: Callable[[], StatusHeader],
        is_running: Callable[[], bool],
    ) -> None:
        self.address_family = family
        self.status, self.is_running = status, is_running
        self._begun_s: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            has_place = len(self._begun_s) < MOST_CONNECTIONS
            if has_place:
                self._begun_s[request] = time.monotonic()
        if has_place:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._begun_s.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self.cut_off(older_than_s=LIMIT_S)

    def cut_off(self, older_than_s: float) -> None:
        """End connections that have lasted for longer; their threads see the end of the file."""
        with self._lock:
            for request, begun_s in self._begun_s.items():
                if time.monotonic() - begun_s >= older_than_s:
                    try:
                        request.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        continue  # Its peer was faster.

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("an HTTP request broke off")


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            made = worker_metrics.text(worker_metrics.families([self.server.status()]))
            self._answer(200, made, worker_metrics.CONTENT_TYPE)
        elif path == "/healthz":
            self._answer_health()
        else:
            self._answer(404, b'{"error": {"code": "not_found", "message": "Not Found"}}\n')

    def _answer_health(self) -> None:
        status = self.server.status()
        is_well = self.server.is_running() and not status.draining
        told = {
            "status": "ok" if is_well else "draining" if status.draining else "failed",
            "worker": status.worker,
            "device": status.device,
            "loop": status.loop_state.value,
        }
        self._answer(200 if is_well else 503, json.dumps(told).encode() + b"\n")

    def _answer(self, code: int, body: bytes, content_type: str = "application/json") -> None:
        self.send_response_only(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: these calls come every few seconds."""
