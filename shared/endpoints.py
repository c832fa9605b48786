"""ZeroMQ endpoints: what is accepted, and which addresses a name stands for."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Literal

from shared.errors import EndpointError

IPC_PATH_BYTES = 107
"""Longest path of a Unix socket on Linux (sun_path of unix(7), less its end)."""
_EXPECTED = "tcp://HOST:PORT or ipc://PATH"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`tcp://host:port` (port 0: any free one, written `*`) or `ipc://path`."""

    transport: Literal["tcp", "ipc"]
    host: str
    """Name or address for tcp; the path for ipc."""
    port: int = 0

    def __str__(self) -> str:
        if self.transport == "ipc":
            return f"ipc://{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port or '*'}"

    @property
    def is_loopback_only(self) -> bool:
        """Nothing beyond this host can reach it."""
        if self.transport == "ipc" or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse(text: str) -> Endpoint:
    """Read an endpoint; raises EndpointError, which says what was expected."""
    transport, separator, rest = text.partition("://")
    if not separator or not rest:
        raise EndpointError(text, _EXPECTED)
    if transport == "ipc":
        # Neither one that depends on where a process was started, nor ipc://@name, which everybody may open.
        if not rest.startswith("/"):
            raise EndpointError(text, "an absolute path")
        if (size := len(rest.encode())) > IPC_PATH_BYTES:
            raise EndpointError(text, f"a path of at most {IPC_PATH_BYTES} bytes (unix(7)), not {size}")
        return Endpoint("ipc", rest)
    if transport != "tcp":
        raise EndpointError(text, _EXPECTED)
    host, separator, port_text = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or any(c.isspace() or c in "/;@" for c in host):
        raise EndpointError(text, _EXPECTED)
    if port_text == "*":
        return Endpoint("tcp", host)
    if not port_text.isascii() or not port_text.isdigit() or not 0 < int(port_text) <= 65535:
        raise EndpointError(text, "a port in 1..65535, or *")
    return Endpoint("tcp", host, int(port_text))


def resolve(endpoint: Endpoint) -> list[Endpoint]:
    """Return one endpoint for each address of a DNS name, since libzmq itself uses only the first.

    Blocks while the name is looked up. An unknown name gives an empty list: it may be known later.
    """
    if endpoint.transport == "ipc" or endpoint.host == "*":
        return [endpoint]
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    hosts = dict.fromkeys(str(address[0]) for *_, address in found)
    return [Endpoint("tcp", host, endpoint.port) for host in hosts]


def same_place(one: Endpoint, other: Endpoint) -> bool:
    """Both are on the same host (tcp, any port) or in the same folder (ipc)."""
    if one.transport != other.transport:
        return False
    if one.transport == "tcp":
        return one.host == other.host
    return one.host.rpartition("/")[0] == other.host.rpartition("/")[0]
