"""The health check of the signaling container, as the container calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from harness.services import free_port
from tests.deploy.compose import ROOT


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Serve `status` at /healthz and 404 elsewhere; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def check(**environment: str) -> int:
    script = ROOT / "deploy" / "signaling_health.py"
    return subprocess.run([sys.executable, script], env={**os.environ, **environment}).returncode


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_service_that_answers_is_healthy(host: str) -> None:
    with answering(200) as port:
        assert check(SIGNALING_HOST=host, SIGNALING_PORT=str(port)) == 0


def test_service_that_answers_with_an_error_is_not_healthy() -> None:
    with answering(503) as port:
        assert check(SIGNALING_PORT=str(port)) == 1


def test_service_that_is_not_there_is_not_healthy() -> None:
    assert check(SIGNALING_PORT=str(free_port())) == 1


def test_proxy_of_the_host_is_not_asked() -> None:
    with answering(200) as port:
        assert check(SIGNALING_PORT=str(port), http_proxy=f"http://127.0.0.1:{free_port()}") == 0


def test_service_with_a_certificate_is_asked_over_https() -> None:
    with answering(200) as port:
        assert check(SIGNALING_PORT=str(port), SIGNALING_SSL_CERTFILE="fullchain.pem") == 1
