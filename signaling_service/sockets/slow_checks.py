"""Checks to addresses that have not answered, one after another and slowly.

An offer names any addresses, and a connectivity check (RFC 8445) goes to each from every socket of the call,
and again where none answers. aioice begins one every 20 ms and repeats each on its own, so an offer could aim
a burst at strangers. Here all such datagrams of one call take turns. What goes to an address that has proved
to be the page's waits for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aioice.ice
from aioice import stun

TURN_S = 0.05
"""Ta of RFC 8445 section 14.2: the least time between two checks of one agent."""

Address = tuple[str, int]
Check = tuple[aioice.ice.StunProtocol, Address]


def slowed(original: Any) -> Callable[..., None]:
    """Return `StunProtocol.send_stun` that lets checks to unproved addresses take turns."""

    def send_stun(self: aioice.ice.StunProtocol, message: stun.Message, addr: Address) -> None:
        if _is_check(message) and not _is_proved(self.receiver, addr):
            _turns(self.receiver, original).take(self, message, addr)
        else:
            original(self, message, addr)

    return send_stun


class Turns:
    """The checks of one call that wait; of each pair of addresses the newest datagram alone."""

    def __init__(self, send: Callable[..., None]) -> None:
        """`send` takes a protocol, a message and an address."""
        self._send = send
        self._waiting: dict[Check, stun.Message] = {}
        self._timer: asyncio.TimerHandle | None = None

    def take(self, protocol: aioice.ice.StunProtocol, message: stun.Message, address: Address) -> None:
        """Send now, where nothing was sent within the last turn, else when its turn has come."""
        self._waiting[(protocol, address)] = message
        if self._timer is None:
            self._next()

    def _next(self) -> None:
        self._timer = None
        for protocol, address in list(self._waiting):
            message = self._waiting.pop((protocol, address))
            # Answered or given up while it waited.
            if message.transaction_id not in protocol.transactions:
                continue
            is_proved = _is_proved(protocol.receiver, address)
            if not is_proved and self._timer is not None:
                self._waiting[(protocol, address)] = message
                continue
            self._send(protocol, message, address)
            if not is_proved:
                self._timer = asyncio.get_running_loop().call_later(TURN_S, self._next)


def _is_check(message: stun.Message) -> bool:
    """Tell a check from a question to a STUN server, which names no user."""
    return message.message_class is stun.Class.REQUEST and "USERNAME" in message.attributes


def _is_proved(connection: aioice.ice.Connection, address: Address) -> bool:
    """Tell whether the page has proved at any socket of the call that the address is its own."""
    return any(address in getattr(protocol, "known_addresses", ()) for protocol in connection._protocols)


def _turns(connection: aioice.ice.Connection, send: Callable[..., None]) -> Turns:
    if (turns := getattr(connection, "turns", None)) is None:
        turns = connection.turns = Turns(send)  # type: ignore[attr-defined]
    return turns
