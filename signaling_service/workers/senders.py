"""Which connection speaks for which worker, and where a worker may want its frames.

A status names its worker, and whoever can connect can write any name. So a worker's name belongs to the
connection that used it first, for as long as that goes on saying so: nobody else can say that it drains.
One connection has one name, so many workers need many connections.

Frames go only to where the status came from: an ipc socket in the folder of the results' own, or a port of
the host at the other end of the connection. Event loop only.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from dataclasses import dataclass

from shared import endpoints
from shared.endpoints import Endpoint
from shared.errors import EndpointError
from shared.wire import StatusHeader

logger = logging.getLogger(__name__)

SILENT_S = 1.0
"""A name whose connection was silent for so long is free: the worker may have connected anew."""
LOOK_UP_EVERY_S = 30.0
MAX_NAMES = 1024
"""Of workers, and of hosts."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection, as this end knows it."""

    connection: str
    """A name of this one connection (gate.py)."""
    address: str
    """Its IP address; of an ipc socket something else."""


@dataclass(slots=True)
class _Holder:
    connection: str
    heard_s: float


@dataclass(slots=True)
class _Host:
    addresses: frozenset[str]
    asked_s: float


class Senders:
    """The rules of one socket for results."""

    def __init__(self, results: Endpoint) -> None:
        self._results = results
        self._holders: dict[str, _Holder] = {}
        self._worker_of: dict[str, str] = {}
        self._hosts: dict[str, _Host] = {}
        self._past: frozenset[str] = frozenset()
        self.come_again: set[str] = set()
        """Workers that have spoken on a second connection while their first one held their name."""
        self._looking_up: set[asyncio.Task[None]] = set()

    def why_refused(self, status: StatusHeader, peer: Peer, now_s: float) -> str | None:
        """Return why this status is not to be believed, None where it is. `now_s`: monotonic clock."""
        if not self._is_at(status.frames_endpoint, peer, now_s):
            return "frames_endpoint"
        if peer.connection in self._past:
            return "foreign_worker"
        holder = self._holders.get(status.worker)
        if holder is None or now_s - holder.heard_s > SILENT_S:
            if self._worker_of.get(peer.connection, status.worker) != status.worker:
                return "foreign_worker"
            if holder is None and len(self._holders) >= MAX_NAMES:
                self._forget_silent(now_s)
            if holder is not None:
                self._worker_of.pop(holder.connection, None)
            self._holders[status.worker] = _Holder(peer.connection, now_s)
            self._worker_of[peer.connection] = status.worker
        elif holder.connection != peer.connection:
            if peer.connection not in self._worker_of:
                self.come_again.add(status.worker)
            return "foreign_worker"
        else:
            holder.heard_s = now_s
        return None

    def begin_anew(self) -> None:
        """Believe no connection any more that has spoken so far: their endpoint is another service's."""
        self._past = frozenset(self._worker_of)
        self._holders.clear()
        self._worker_of.clear()
        self.come_again.clear()

    def _forget_silent(self, now_s: float) -> None:
        for worker, holder in list(self._holders.items()):
            if now_s - holder.heard_s > SILENT_S:
                del self._holders[worker]
                self._worker_of.pop(holder.connection, None)

    def _is_at(self, frames_endpoint: str, peer: Peer, now_s: float) -> bool:
        try:
            endpoint = endpoints.parse(frames_endpoint)
        except EndpointError:
            return False
        if endpoint.transport == "ipc" or self._results.transport == "ipc":
            return endpoints.same_place(endpoint, self._results)
        if not endpoint.port:
            return False
        address = _plain(peer.address)
        if _is_address(endpoint.host):
            return _plain(endpoint.host) == address
        return address in self._addresses_of(endpoint, now_s)

    def _addresses_of(self, endpoint: Endpoint, now_s: float) -> frozenset[str]:
        """Of a DNS name, as far as they are known yet: a status comes again soon."""
        host = self._hosts.get(endpoint.host)
        if host is None or now_s - host.asked_s > LOOK_UP_EVERY_S:
            known = host.addresses if host is not None else frozenset()
            if host is None and len(self._hosts) >= MAX_NAMES:
                return known
            host = self._hosts[endpoint.host] = _Host(known, now_s)
            task = asyncio.get_running_loop().create_task(self._look_up(endpoint, host))
            self._looking_up.add(task)
            task.add_done_callback(self._looking_up.discard)
        return host.addresses

    async def _look_up(self, endpoint: Endpoint, host: _Host) -> None:
        found = await asyncio.to_thread(endpoints.resolve, endpoint)
        if found:
            host.addresses = frozenset(_plain(one.host) for one in found)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _plain(address: str) -> str:
    """An IPv4 address as such, which libzmq writes as IPv6: ::ffff:127.0.0.1."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)
