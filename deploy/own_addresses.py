"""The addresses under which other devices of the same network reach this machine."""

from __future__ import annotations

import ipaddress
import socket

import ifaddr

VIRTUAL = ("docker", "br-", "veth", "virbr", "vmnet", "cni", "podman")
"""How the names of interfaces begin that lead to containers and virtual machines of this host alone."""
ELSEWHERE = ("192.0.2.1", 9)
"""An address of documentation (RFC 5737): a socket that is connected to it sends nothing."""


def own_addresses() -> list[str]:
    """Return IPv4 addresses first, and of these that of the default route; IPv6 addresses are global ones."""
    found = [
        ipaddress.ip_address(address.ip if isinstance(address.ip, str) else address.ip[0])
        for adapter in ifaddr.get_adapters()
        if not adapter.name.startswith(VIRTUAL)
        for address in adapter.ips
    ]
    reachable = [one for one in found if not (one.is_loopback or one.is_link_local)]
    primary = _primary()
    return [str(one) for one in sorted(reachable, key=lambda one: (one.version, str(one) != primary))]


def _primary() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)
        except OSError:
            return ""
        return str(probe.getsockname()[0])
