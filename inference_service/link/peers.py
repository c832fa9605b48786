"""To whom the PUB connects: every address of each configured service, and the places that frames name.

A frame's `reply_to` counts only where its transport and host are those of a configured service, else any
sender could point a worker at any machine.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from shared import endpoints
from shared.endpoints import Endpoint
from shared.errors import EndpointError

logger = logging.getLogger(__name__)

MAX_REPLIES = 64
REPLY_SILENCE_NS = 60_000_000_000
LOOK_UP_EVERY_S = 5.0


@dataclass(slots=True)
class _Reply:
    endpoint: Endpoint
    seen_ns: int


class Peers:
    """Safe for the receiver's, the publisher's and the looking-up thread."""

    def __init__(self, configured: Sequence[Endpoint]) -> None:
        self._addresses: dict[Endpoint, tuple[Endpoint, ...]] = {
            one: () if needs_look_up(one) else (one,) for one in configured
        }
        self._replies: dict[str, _Reply] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[Endpoint]:
        """The configured endpoints whose addresses must be looked up."""
        return [one for one in self._addresses if needs_look_up(one)]

    def found(self, configured: Endpoint, addresses: Iterable[Endpoint]) -> None:
        """Take the addresses that a name stands for now; none keeps those known, DNS may be away."""
        if addresses := tuple(addresses):
            with self._lock:
                self._addresses[configured] = addresses

    def saw(self, reply_to: str, now_ns: int) -> bool | None:
        """Take the `reply_to` of a frame: True where it is new, None where it is refused."""
        with self._lock:
            known = self._replies.get(reply_to)
            if known is not None:
                known.seen_ns = now_ns
                return False
            self._forget_silent(now_ns)
            if len(self._replies) >= MAX_REPLIES:
                return None
            try:
                endpoint = endpoints.parse(reply_to)
            except EndpointError:
                return None
            if (endpoint.transport == "tcp" and not endpoint.port) or not self._is_configured(endpoint):
                return None
            self._replies[reply_to] = _Reply(endpoint, now_ns)
            return True

    def wanted(self, now_ns: int) -> set[str]:
        """Return what the PUB should be connected to; replies that fell silent are let go."""
        with self._lock:
            self._forget_silent(now_ns)
            wanted = {str(address) for found in self._addresses.values() for address in found}
            for reply in self._replies.values():
                wanted.update(str(address) for address in self._addresses_of(reply.endpoint))
        return wanted

    def _is_configured(self, endpoint: Endpoint) -> bool:
        return any(
            endpoints.same_place(endpoint, known)
            for configured, found in self._addresses.items()
            for known in (configured, *found)
        )

    def _addresses_of(self, reply: Endpoint) -> list[Endpoint]:
        if not needs_look_up(reply):
            return [reply]
        # libzmq would look the name up itself, in the thread that carries all frames, and take one address.
        return [
            Endpoint("tcp", address.host, reply.port)
            for configured, found in self._addresses.items()
            if endpoints.same_place(configured, reply)
            for address in found
        ]

    def _forget_silent(self, now_ns: int) -> None:
        silent = [text for text, reply in self._replies.items() if now_ns - reply.seen_ns > REPLY_SILENCE_NS]
        for text in silent:
            del self._replies[text]


class LookUp:
    """Looks names up every few seconds in a thread of its own, since that can take as long as DNS likes."""

    def __init__(
        self,
        peers: Peers,
        on_found: Callable[[], None],
        resolve: Callable[[Endpoint], list[Endpoint]] = endpoints.resolve,
        every_s: float = LOOK_UP_EVERY_S,
    ) -> None:
        self._peers = peers
        self._on_found = on_found
        self._resolve = resolve
        self._every_s = every_s
        self._ended = threading.Event()

    def open(self) -> None:
        if self._peers.names:
            threading.Thread(target=self._run, name="look-up", daemon=True).start()

    def close(self) -> None:
        """Ask the thread to end; a look-up that hangs is not waited for."""
        self._ended.set()

    def _run(self) -> None:
        missing: set[Endpoint] = set()
        while not self._ended.is_set():
            for name in self._peers.names:
                addresses = self._resolve(name)
                if not addresses and name not in missing:
                    logger.warning("signaling %s: the name is not known yet", name)
                missing = missing - {name} if addresses else missing | {name}
                self._peers.found(name, addresses)
            self._on_found()
            self._ended.wait(self._every_s)


def needs_look_up(endpoint: Endpoint) -> bool:
    """It is a DNS name, neither an address nor a path."""
    if endpoint.transport == "ipc":
        return False
    try:
        ipaddress.ip_address(endpoint.host)
    except ValueError:
        return True
    return False
