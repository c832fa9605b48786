"""Takes the HTTP port, before anything else of a start can touch what a running service has."""

from __future__ import annotations

import socket

from shared.errors import P2PCameraError

BACKLOG = 128
"""Connections that wait for the event loop. It accepts so many at a time, or says as often that it cannot."""


class PortNotTaken(P2PCameraError):
    """The HTTP server cannot listen; the service cannot start."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on each address that `host` stands for; raises PortNotTaken.

    They listen at once: two sockets may be bound to one port, but only one may listen. Who connects before
    the service is ready waits.
    """
    made: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            made.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(BACKLOG)
    except OSError as exc:
        for one in made:
            one.close()
        raise PortNotTaken(f"cannot listen on {host}, port {port}: {exc.strerror}") from exc
    return made
