"""Takes the HTTP port, before anything else of a start can touch what a running service has."""

from __future__ import annotations

import errno
import logging
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

from shared.errors import P2PCameraError

logger = logging.getLogger(__name__)

BACKLOG = 128
"""Connections that wait for the event loop. It accepts so many at a time, or says as often that it cannot."""

TRY_EVERY_S = 0.05
Taken = TypeVar("Taken")

ANY_IPV4, ANY_IPV6 = "0.0.0.0", "::"  # noqa: S104 (Only where the operator has chosen it.)


class PortNotTaken(P2PCameraError):
    """The HTTP server cannot listen; the service cannot start."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on each address that `host` stands for; raises PortNotTaken. `::` stands for IPv4's too.

    They listen at once: two sockets may be bound to one port, but only one may listen. Who connects before
    the service is ready waits.
    """
    made: list[socket.socket] = []
    try:
        found = _addresses(host, port)
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
        raise PortNotTaken(f"cannot listen on {host}, port {port}: {_remedy(exc)}") from exc
    return made


def patiently(take: Callable[[], Taken], until_s: float, *faults: type[Exception]) -> Taken:
    """Return what `take` does, trying again after one of these faults until a time of the monotonic clock.

    The last fault is raised. A service that drains frees its ports one after another.
    """
    said = ""
    while True:
        try:
            return take()
        except faults as exc:
            if time.monotonic() >= until_s:
                raise
            if str(exc) != said:
                logger.info("waiting: %s", said := str(exc))
        time.sleep(TRY_EVERY_S)


def _remedy(exc: OSError) -> str:
    if exc.errno == errno.EADDRINUSE:
        return "another program has it. End that one, or choose another port: --port 8000, make run PORT=8000"
    if exc.errno == errno.EACCES:
        return "only root may have a port below 1024. Choose another one: --port 8000, make run PORT=8000"
    if exc.errno == errno.EADDRNOTAVAIL or isinstance(exc, socket.gaierror):
        return "--host is no address of this machine"
    return exc.strerror or str(exc)


def _addresses(host: str, port: int) -> list[Any]:
    host = host.removeprefix("[").removesuffix("]")
    hosts = [host, ANY_IPV4] if host == ANY_IPV6 else [host]
    return [
        found
        for name in hosts
        for found in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    ]
