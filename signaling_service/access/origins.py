"""From where a call without a key is taken: the `Origin` of its page, and the `Host` that it was sent to.

A browser lets any page send requests to any address, so a service on loopback is within reach of every page
that its user opens. The page's origin is in `Origin` (RFC 6454 section 7). DNS rebinding makes a foreign
page's origin look like the service's own: the foreign name then stands in `Host` too, and is refused there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

ANY = "*"
EXTENSIONS = ("chrome-extension", "moz-extension", "safari-web-extension")
_WEB = ("http", "https")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s/?#@:*\[\]\\]+)(:\d{1,5})?")
"""`HOST[:PORT]` (RFC 9110 section 7.2), without a user: of one, readers see different hosts."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://" + _HOST.pattern)


class Origins:
    """Judges the two headers. `named` are those of `--origins`; hosts are this service's own."""

    def __init__(self, named: Sequence[str] = (), hosts: Sequence[str] = ()) -> None:
        self.takes_all = ANY in named
        self._named = {origin for origin in named if origin != ANY}
        self._hosts = {host.lower().strip("[]") for host in hosts}
        self._hosts |= {host_of(_split(origin)[1]) for origin in self._named}

    def takes_host(self, host: str, reached_at: str) -> bool:
        """Tell whether a `Host` header names this service, which a connection reached at an own address."""
        if self.takes_all:
            return True
        if _HOST.fullmatch(host.strip().lower()) is None:
            return False
        name = host_of(host)
        return is_loopback(name) or name == reached_at.lower() or name in self._hosts

    def takes(self, origin: str | None, host: str, scheme: str) -> bool:
        """Tell whether calls of a page are taken; programs name no origin. `null` is never one of ours.

        `host` is the call's own `Host`, already taken, and `scheme` what this service itself speaks.
        """
        if origin is None or self.takes_all:
            return True
        if _ORIGIN.fullmatch(origin.lower()) is None:
            return False
        its_scheme, netloc = _split(origin)
        if its_scheme in EXTENSIONS or origin.lower() in self._named:
            return True
        if its_scheme not in _WEB:
            return False
        # A proxy may speak HTTPS in front of a service that does not.
        is_own = netloc == host.lower() and (scheme == "http" or its_scheme == scheme)
        return is_own or is_on_loopback(origin)


def checked(origin: str) -> str:
    """Return an origin as browsers write it, or `*`; raises ValueError for anything else."""
    text = origin.strip().rstrip("/").lower()
    if text == ANY:
        return text
    if _ORIGIN.fullmatch(text) is None:
        raise ValueError(f"{origin!r}: expected SCHEME://HOST[:PORT], or {ANY} for every page")
    default = {"http": ":80", "https": ":443"}.get(_split(text)[0], "")
    return text.removesuffix(default) if default else text


def is_on_loopback(origin: str | None) -> bool:
    """Tell whether a page's origin is a host of this machine's loopback."""
    scheme, netloc = _split(origin or "")
    return scheme in _WEB and is_loopback(host_of(netloc))


def is_loopback(host: str) -> bool:
    """Tell whether a name or an address is the loopback's (RFC 6761 section 6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def host_of(netloc: str) -> str:
    """Return the host of `HOST[:PORT]` in lower case, an IPv6 address without its brackets."""
    netloc = netloc.strip().lower().rpartition("@")[2]
    if netloc.startswith("["):
        address, _, rest = netloc[1:].partition("]")
        return address if rest == "" or rest.startswith(":") else netloc
    return netloc.partition(":")[0].rstrip(".")


def _split(origin: str) -> tuple[str, str]:
    scheme, _, netloc = origin.lower().partition("://")
    return scheme, netloc
