"""Who has a place: sessions that are connected, and offers that wait to be.

Anybody can make offers that never connect. They have a budget of their own, so they take no place of a call.
A newer offer takes the turn of the oldest of its address, or of the address that has most of them. What an
address has offered lately counts where its next offer is judged by the measured load. Here all addresses of
one network of IPv6 are one: its holder may take any of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from signaling_service.access.caller import Caller
from signaling_service.access.networks import network_of
from signaling_service.errors import TooManySessions

MAX_CONNECTING = 64
"""Offers that wait at a time, of all addresses: each holds sockets."""
SETTLING_S = 3.0
"""What a session costs is known after so long (load.WINDOW_S)."""
MAX_SETTLING = 1024


@dataclass(slots=True)
class Place:
    """What is remembered of one session."""

    address: str
    subject: str
    before: int
    """How many sessions were connected when it was entered."""
    is_connected: bool = False
    is_over: bool = False
    """A newer offer has its turn; it is about to leave."""


class Places:
    """The sessions of a service by name, the oldest first."""

    def __init__(self, max_connecting_per_address: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_address = max_connecting_per_address
        self._clock = clock
        self._places: dict[str, Place] = {}
        self._taken: dict[str, tuple[float, str]] = {}
        """When an offer was taken, and of whom, unless it is connected; the oldest first."""

    @property
    def connected(self) -> int:
        return sum(place.is_connected for place in self._places.values())

    @property
    def is_empty(self) -> bool:
        return not self._places

    def settling(self, caller: Caller) -> int:
        """Return how many offers of the caller's network were taken lately and never connected.

        Those that have ended since are among them: answering each took as much.
        """
        since_s, network = self._clock() - SETTLING_S, network_of(caller.address)
        return sum(of == network and at_s > since_s for at_s, of in self._taken.values())

    def owner(self, name: str) -> str | None:
        """Return the subject that has opened a session; None for one that is not here."""
        place = self._places.get(name)
        return None if place is None else place.subject

    def take(self, name: str, caller: Caller) -> list[str]:
        """Enter a session that is about to connect; return those whose turn is over.

        Raises TooManySessions where its subject has as many connected as its token allows.
        """
        over = self._of_its_subject(caller)
        network = network_of(caller.address)
        own = [one for one in self._waiting() if network_of(self._places[one].address) == network]
        over += own[: max(0, len(own) + 1 - self._per_address)]
        left = [one for one in self._waiting() if one not in over]
        if len(left) >= MAX_CONNECTING:
            addresses = [network_of(self._places[one].address) for one in left]
            most = max(addresses, key=addresses.count)
            over.append(left[addresses.index(most)])
        self._places[name] = Place(caller.address, caller.subject, self.connected)
        self._note_taken(name, network)
        for one in over:
            self._places[one].is_over = True
        return list(dict.fromkeys(over))

    def was_overtaken(self, name: str) -> bool:
        """Tell whether more are connected than when this session was entered: it may be one too many."""
        place = self._places.get(name)
        return place is not None and self.connected > place.before

    def note_connected(self, name: str) -> None:
        if (place := self._places.get(name)) is not None:
            place.is_connected = True
            self._taken.pop(name, None)

    def leave(self, name: str) -> None:
        self._places.pop(name, None)

    def _note_taken(self, name: str, network: str) -> None:
        now_s = self._clock()
        for known, (at_s, _) in list(self._taken.items()):
            if at_s > now_s - SETTLING_S and len(self._taken) < MAX_SETTLING:
                break
            del self._taken[known]
        self._taken[name] = (now_s, network)

    def _waiting(self) -> list[str]:
        return [name for name, place in self._places.items() if not (place.is_connected or place.is_over)]

    def _of_its_subject(self, caller: Caller) -> list[str]:
        most = caller.grant.max_sessions
        if most is None:
            return []
        own = [place for place in self._places.values() if place.subject == caller.subject]
        connected = sum(place.is_connected for place in own)
        if connected >= most:
            raise TooManySessions(most)
        waiting = [name for name in self._waiting() if self._places[name].subject == caller.subject]
        return waiting[: max(0, connected + len(waiting) + 1 - most)]
