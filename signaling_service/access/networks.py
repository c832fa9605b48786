"""Whom an address stands for, where each caller has a share."""

from __future__ import annotations

import ipaddress

HOST_BITS = 64
"""Of IPv6: what one network leaves to its host (RFC 4291 section 2.5.4), who may take any of them."""


def network_of(address: str) -> str:
    """Return the part of an address that its holder cannot change: of IPv6 the network, of IPv4 all of it.

    What is no address is returned as it is.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(parsed) >> HOST_BITS << HOST_BITS))
