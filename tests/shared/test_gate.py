from __future__ import annotations

import socket as plain
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import zmq

from shared import link_keys, sockets
from shared.gate import Gate
from shared.link_keys import LinkKeys

Context = zmq.Context[zmq.Socket[bytes]]
POLL_MS = 5000
TCP = "tcp://127.0.0.1:*"
ZMTP_1_GREETING = b"\x01\x00"
"""An anonymous peer's, RFC 13; it may send messages at once."""
ZMTP_2_GREETING = b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x05\x00\x00"
"""Of a PULL without an identity, RFC 15."""
HTTP = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n\x01\x00\x02\x00x"


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, LinkKeys]:
    link_keys.make(tmp_path / "keys")
    link_keys.make(tmp_path / "others")
    return {
        "service": link_keys.load(tmp_path / "keys", "service"),
        "worker": link_keys.load(tmp_path / "keys", "worker"),
        "other worker": link_keys.load(tmp_path / "others", "worker"),
    }


@contextmanager
def frames(endpoint: str, keys: LinkKeys | None) -> Iterator[tuple[zmq.Socket[bytes], str, Gate]]:
    """A worker's PULL behind a gate."""
    context: Context = zmq.Context()
    gate = Gate(context, keys)
    gate.open()
    pull = sockets.pull_frames(context, gate)
    pull.bind(endpoint)
    yield pull, pull.getsockopt_string(zmq.LAST_ENDPOINT).replace("[::ffff:127.0.0.1]", "127.0.0.1"), gate
    gate.close()
    gate.close()
    context.destroy(linger=0)


def test_who_has_the_key_gets_through(context: Context, keys: dict[str, LinkKeys]) -> None:
    with frames(TCP, keys["worker"]) as (pull, endpoint, gate):
        push = sockets.push_frames(context, keys["service"])
        push.connect(endpoint)
        assert push.poll(POLL_MS, zmq.POLLOUT)
        push.send(b"frame")
        assert pull.poll(POLL_MS)
        assert pull.recv() == b"frame"
        assert gate.refused == 0


@pytest.mark.parametrize("whose", [None, "worker", "other worker"])
def test_who_lacks_the_key_gets_no_frame_in(
    context: Context, keys: dict[str, LinkKeys], whose: str | None
) -> None:
    with frames(TCP, keys["worker"]) as (pull, endpoint, _):
        own = None
        if whose is not None:
            # It knows the public key, as everybody may.
            own = LinkKeys(keys[whose].public, keys[whose].secret, keys["service"].peer_public)
        push = sockets.push_frames(context, own)
        push.connect(endpoint)
        assert not push.poll(700, zmq.POLLOUT)
        assert not pull.poll(0)


def test_a_gate_with_the_wrong_key_gets_no_frame_out(context: Context, keys: dict[str, LinkKeys]) -> None:
    with frames(TCP, keys["other worker"]) as (pull, endpoint, _):
        push = sockets.push_frames(context, keys["service"])
        push.connect(endpoint)
        assert not push.poll(700, zmq.POLLOUT)
        assert not pull.poll(0)


@pytest.mark.parametrize("greeting", [ZMTP_1_GREETING + b"\x06\x00frame", ZMTP_2_GREETING, HTTP])
@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_old_protocols_and_http_are_refused(
    folder: Path, keys: dict[str, LinkKeys], transport: str, greeting: bytes
) -> None:
    endpoint = TCP if transport == "tcp" else f"ipc://{folder}/frames.ipc"
    with frames(endpoint, keys["worker"] if transport == "tcp" else None) as (pull, bound, _):
        if transport == "tcp":
            peer = plain.create_connection(("127.0.0.1", int(bound.rpartition(":")[2])))
        else:
            peer = plain.socket(plain.AF_UNIX, plain.SOCK_STREAM)
            peer.connect(f"{folder}/frames.ipc")
        with peer:
            peer.settimeout(5)
            peer.sendall(greeting)
            with suppress(ConnectionResetError):
                while peer.recv(1024):
                    pass
        assert not pull.poll(300)


def test_without_keys_each_connection_has_a_name_of_its_own(context: Context, folder: Path) -> None:
    with frames(f"ipc://{folder}/frames.ipc", None) as (pull, endpoint, _):
        names = []
        for _ in range(2):
            push = sockets.push_frames(context)
            push.connect(endpoint)
            assert push.poll(POLL_MS, zmq.POLLOUT)
            push.send(b"frame")
            assert pull.poll(POLL_MS)
            names.append(pull.recv(copy=False).get("User-Id"))
        assert len(set(names)) == 2
        assert all(names)


def test_a_gate_without_keys_refuses_a_peer_that_wants_them(
    context: Context, folder: Path, keys: dict[str, LinkKeys]
) -> None:
    with frames(f"ipc://{folder}/frames.ipc", None) as (pull, endpoint, _):
        push = sockets.push_frames(context, keys["service"])
        push.connect(endpoint)
        assert not push.poll(500, zmq.POLLOUT)
        assert not pull.poll(0)
