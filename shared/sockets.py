"""The four sockets of the design, each with every option set before it is bound or connected.

Those that are bound (PULL, SUB) take a gate (gate.py), which says who may connect; those that connect take
the keys with which they prove who they are.

An option set later is silently ignored by libzmq, so nothing outside this file sets one. A socket belongs to
the thread that uses it: ZeroMQ sockets are not thread-safe.
"""

from __future__ import annotations

import zmq

from shared.gate import Gate, present
from shared.link_keys import LinkKeys
from shared.wire import MAX_MESSAGE_BYTES

FRAMES_RECEIVE_HIGH_WATER = 64
"""Per camera lane. The receiver drains without pause, so this only rides out a descheduled thread."""
RESULTS_HIGH_WATER = 64
"""About twice the sessions of a process; the default of 1000 let a worker's PUB grow to 440 MiB."""
SUBSCRIPTION_BYTES = 1024
"""Only subscriptions and the handshake's commands come to a PUB."""
KEEPALIVE_IDLE_S = 5
KEEPALIVE_EVERY_S = 2
KEEPALIVE_TRIES = 3
RECONNECT_MS = 100
RECONNECT_MAX_MS = 250
"""Pages wait for a service that has started again until workers have found it. Attempts cost next to nothing;
by 1000 ms they were found 0.5 s later at the median, 1.0 s at most, by 250 ms 0.13 and 0.26."""


def push_frames(context: zmq.Context[zmq.Socket[bytes]], keys: LinkKeys | None = None) -> zmq.Socket[bytes]:
    """A lane's PUSH: keeps the newest frame alone, and takes none while no worker is connected."""
    socket = _socket(context, zmq.PUSH)
    present(socket, keys)
    socket.setsockopt(zmq.CONFLATE, 1)
    socket.setsockopt(zmq.IMMEDIATE, 1)
    return socket


def pull_frames(context: zmq.Context[zmq.Socket[bytes]], gate: Gate | None = None) -> zmq.Socket[bytes]:
    """A worker's PULL, to be drained without pause by one thread."""
    socket = _socket(context, zmq.PULL)
    if gate is not None:
        gate.guard(socket)
    socket.setsockopt(zmq.RCVHWM, FRAMES_RECEIVE_HIGH_WATER)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    return socket


def pub_results(context: zmq.Context[zmq.Socket[bytes]], keys: LinkKeys | None = None) -> zmq.Socket[bytes]:
    """A worker's PUB of results and status, touched by its publisher thread alone."""
    socket = _socket(context, zmq.PUB)
    present(socket, keys)
    socket.setsockopt(zmq.SNDHWM, RESULTS_HIGH_WATER)
    socket.setsockopt(zmq.MAXMSGSIZE, SUBSCRIPTION_BYTES)
    return socket


def sub_results(context: zmq.Context[zmq.Socket[bytes]], gate: Gate | None = None) -> zmq.Socket[bytes]:
    """A signaling process's SUB of results and status, drained by its event loop."""
    socket = _socket(context, zmq.SUB)
    if gate is not None:
        gate.guard(socket)
    socket.setsockopt(zmq.RCVHWM, RESULTS_HIGH_WATER)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    return socket


def _socket(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.IPV6, 1)
    # No ZMTP heartbeats: with them libzmq 4.3.5 aborts the process (stream_engine_base.cpp:310) when a peer
    # dies whose messages wait at the receive mark: 5 of 18 runs, 0 of 18 without. Status tells who is alive;
    # the kernel's probes end connections to hosts that have vanished.
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_EVERY_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, KEEPALIVE_TRIES)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
    return socket
