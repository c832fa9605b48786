from __future__ import annotations

import http.client
import json
import socket
import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from inference_service.errors import HttpPortNotTaken
from inference_service.link import http_server
from inference_service.link.http_server import HttpServer
from tests.shared.test_wire import STATUS

LIMIT_S = 20.0


class Told:
    """What a server tells, as a test wants it."""

    status = STATUS
    is_running = True


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def port(told):
    server = HttpServer("127.0.0.1", 0, lambda: told.status, lambda: told.is_running)
    yield server.open()
    server.close()
    server.close()


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read()
    finally:
        connection.close()


def test_metrics_are_those_of_the_status(port):
    code, content_type, body = get(port, "/metrics")
    assert (code, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b'p2pcamera_worker_busy_ratio{worker="w1"} 0.5\n' in body


def test_a_worker_is_healthy_while_it_filters_and_says_why_it_is_not(port, told):
    assert get(port, "/healthz")[0] == 200
    told.status = replace(STATUS, draining=True)
    code, _, body = get(port, "/healthz")
    assert (code, json.loads(body)["status"]) == (503, "draining")
    told.status, told.is_running = STATUS, False
    code, _, body = get(port, "/healthz")
    assert (code, json.loads(body)["status"]) == (503, "failed")


def test_other_paths_and_methods_are_refused(port):
    assert get(port, "/")[0] == 404
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as peer:
        peer.sendall(b"POST /metrics HTTP/1.0\r\n\r\n")
        assert b" 501 " in peer.recv(100)


def test_half_requests_are_cut_off_and_leave_room(port, monkeypatch):
    half = [socket.create_connection(("127.0.0.1", port), LIMIT_S) for _ in range(20)]
    for one in half:
        one.sendall(b"GET /metr")
    monkeypatch.setattr(http_server, "LIMIT_S", 0.3)
    for one in half:
        assert one.recv(1) == b""
        one.close()
    assert get(port, "/healthz")[0] == 200


def test_a_port_that_is_taken_is_one_sentence(port):
    with pytest.raises(HttpPortNotTaken, match=f"cannot listen at 127.0.0.1, port {port}: Address already"):
        HttpServer("127.0.0.1", port, lambda: STATUS, lambda: True).open()


def test_the_end_waits_for_nobody(told):
    server = HttpServer("127.0.0.1", 0, lambda: told.status, lambda: True)
    port = server.open()
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as peer:
        peer.sendall(b"GET /")
        ending = threading.Thread(target=server.close)
        ending.start()
        ending.join(LIMIT_S)
        assert not ending.is_alive()
        # Where the end comes before the request is read, the system tells that it is lost.
        with suppress(ConnectionResetError):
            assert peer.recv(1) == b""
