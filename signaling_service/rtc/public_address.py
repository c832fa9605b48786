"""The address under which others see this host: what a STUN server says of it (RFC 8489)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from aioice import stun
from aiortc.rtcicetransport import parse_stun_turn_uri

from shared.errors import P2PCameraError
from signaling_service.setting_types import IceServer

TRIES = 5
TRY_S = 0.6


class NoPublicAddress(P2PCameraError):
    """No STUN server told an address."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(
            "--public-ip / SIGNALING_PUBLIC_IP: auto has found no address; "
            f"name it, or another stun: server ({'; '.join(faults)})"
        )


def public_address(servers: Sequence[IceServer], ice_addresses: Sequence[str] = ()) -> str:
    """Return this host's public IPv4 address, asked of one `stun:` server after the other.

    Media will come to `ice_addresses`, so that one of them asks. Blocks, 3 s per server at most. Raises
    NoPublicAddress.
    """
    own = [a for a in ice_addresses if _can_ask(a)]
    faults: list[str] = []
    for url in [url for server in servers for url in server.stun_urls]:
        try:
            place = parse_stun_turn_uri(url)
            return _asked((place["host"], place["port"]), own[0] if own else "")
        except TimeoutError:
            faults.append(f"{url} does not answer")
        except (OSError, ValueError) as exc:
            faults.append(f"{url}: {exc}")
    raise NoPublicAddress(faults)


def _can_ask(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return parsed.version == 4 and not parsed.is_loopback


def _asked(server: tuple[str, int], bind: str) -> str:
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    address = socket.getaddrinfo(*server, socket.AF_INET, socket.SOCK_DGRAM)[0][4]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind((bind, 0))
        # Then only what this server sends is received, and a refusal is an error at once.
        asking.connect(address)
        asking.settimeout(TRY_S)
        for _ in range(TRIES):
            asking.send(bytes(request))
            try:
                answer = stun.parse_message(asking.recv(2048))
            except TimeoutError:
                continue
            mapped = answer.attributes.get("XOR-MAPPED-ADDRESS")
            if answer.transaction_id == request.transaction_id and mapped is not None:
                return str(mapped[0])
    raise TimeoutError
