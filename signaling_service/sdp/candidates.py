"""Candidates as SDP has them: those of a page that are worth a check, and this service's own in an answer."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

from signaling_service.errors import UnusableCandidates
from signaling_service.sdp.sdp_limits import MAX_CANDIDATES

MAX_CHECKED = 16
"""Addresses of one page that this service sends checks to before anything has come from them."""
MAX_CHECKED_IN_ALL = 64
"""The same over all restarts of ICE in a call, each of which may name others."""

LOOPBACK = "127.0.0.1"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PUBLIC, _NEVER = "public", "never"
_CANDIDATE = "a=candidate:"
_END = "a=end-of-candidates"
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10"),
    )
)
"""RFC 1918, RFC 6598, RFC 4193, RFC 3879."""
_NO_HOSTS = tuple(map(ipaddress.ip_network, ("0.0.0.0/8", "240.0.0.0/4", "::/96", "64:ff9b:1::/48")))
"""RFC 1122, broadcast with it; IPv4 addresses in forms that no page has (RFC 4291, RFC 8215)."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""A translator sends on to the IPv4 address in the last 32 bits (RFC 6052)."""
_RELATED = re.compile(r"raddr \S+ rport \d+")
_COMPONENT, _TRANSPORT, _ADDRESS, _PORT = 1, 2, 4, 5
"""Fields of a candidate (RFC 8839 section 5.1)."""


class PageCandidates:
    """What one session's page says of its addresses, in its offer and in fragments behind it.

    Browsers hide addresses behind `.local` names (draft-ietf-mmusic-mdns-ice-candidates). aioice would ask
    the local network for each and wait a second, mostly in vain. They are left out: the page checks this
    service's candidates in any case, and by its checks it is found (RFC 8445 section 7.3.1.3). For the same
    reason aioice learns that candidates have ended only where none was left out and one can be checked. It
    would give up at once otherwise, before the page's first check has come.

    An offer may name any address, and each would be sent datagrams. So only so many are passed on, and
    loopback, link-local and private ones only where this service itself has a candidate of that kind.
    """

    def __init__(self, own_addresses: Collection[str] = (), former: PageCandidates | None = None) -> None:
        """`own_addresses` are this host's that its answers will name; `former`: before ICE was restarted."""
        self._own_kinds = {_kind(address) for address in own_addresses}
        self._addresses: set[tuple[str, str]] = set()
        self._taken: set[tuple[str, str]] = set() if former is None else former._taken
        """Of all of them those that are checked, also before ICE was restarted."""
        self._trickled = 0
        self._is_hidden = False
        self._can_check = False

    def from_offer(self, sdp: str) -> str:
        """Return the offer with what aioice is to know of its candidates."""
        lines = [line for line in sdp.splitlines() if not (_is_candidate(line) and self._leaves_out(line))]
        if not self._may_end:
            lines = [line for line in lines if not line.startswith(_END)]
        return "\r\n".join(lines) + "\r\n"

    def from_fragment(
        self, fragment: str, mids: Collection[str | None], *, may_be_empty: bool = False
    ) -> tuple[list[RTCIceCandidate], bool]:
        """Return the candidates of a trickled fragment (RFC 8840 section 9), and whether they have ended.

        `mids` are the session's media sections. Raises UnusableCandidates.
        """
        mid: str | None = None
        found: list[tuple[str, RTCIceCandidate]] = []
        is_end = False
        for line in fragment.splitlines():
            if line.startswith("a=mid:"):
                mid = line.removeprefix("a=mid:").strip()
                if mid not in mids:
                    raise UnusableCandidates(f"no section with mid {mid[:16]!r}")
            elif line.startswith(_END):
                is_end = True
            elif _is_candidate(line):
                found.append((line, _parsed(line, mid)))
        if not found and not is_end and not may_be_empty:
            raise UnusableCandidates("no candidate in the fragment")
        self._trickled += len(found)
        if self._trickled > MAX_CANDIDATES:
            raise UnusableCandidates(f"at most {MAX_CANDIDATES} candidates")
        candidates = [candidate for line, candidate in found if not self._leaves_out(line)]
        return candidates, is_end and self._may_end

    @property
    def _may_end(self) -> bool:
        return self._can_check and not self._is_hidden

    def _leaves_out(self, line: str) -> bool:
        fields = line.split()
        if len(fields) <= _PORT:
            return False  # The parser says what is wrong.
        if fields[_COMPONENT] != "1":
            # RTP and RTCP share one. Some clients count from 0; the page's own checks say where it is.
            self._is_hidden = True
            return True
        if fields[_TRANSPORT].lower() == "tcp":
            return True  # This service connects to nobody: a page's check comes by a connection of its own.
        try:
            kind = _kind(fields[_ADDRESS])
        except ValueError:
            self._is_hidden = True
            return True
        address = (fields[_ADDRESS], fields[_PORT])
        self._addresses.add(address)
        has_room = address in self._taken or len(self._taken) < MAX_CHECKED_IN_ALL
        is_reachable = kind == _PUBLIC or kind in self._own_kinds
        if len(self._addresses) > MAX_CHECKED or not has_room or not is_reachable:
            self._is_hidden = True
            return True
        self._taken.add(address)
        self._can_check = self._can_check or fields[_TRANSPORT].lower() == "udp"
        return False


def with_public_addresses(answer_sdp: str, public: Sequence[str]) -> str:
    """Announce the address of `public` in place of this host's own of the same family, as 1:1 NAT maps them.

    `public` has at most one address of each family. Loopback stays as it is: no NAT maps it. Sockets of
    several addresses may then share one candidate; it is named once.
    """
    by_version: dict[int, str] = {ipaddress.ip_address(one).version: one for one in public}
    lines: list[str] = []
    named: set[tuple[str, str, str]] = set()
    for line in answer_sdp.split("\r\n"):
        if line.startswith("m="):
            named.clear()
        elif line.startswith("c=IN IP"):
            host = line.split()[-1]
            line = line.replace(host, _mapped(host, by_version))
        elif _is_candidate(line):
            fields = line.split()
            if "typ host" in line:
                fields[_ADDRESS] = _mapped(fields[_ADDRESS], by_version)
                line = " ".join(fields)
            place = (fields[_TRANSPORT], fields[_ADDRESS], fields[_PORT])
            if place in named:
                continue
            named.add(place)
        lines.append(line)
    return "\r\n".join(lines)


def with_loopback_alone(answer_sdp: str) -> str:
    """Leave this host's addresses out, but for loopback: candidates, and what others are related to.

    What a STUN server has told stays. The service's own checks still go out from every address.
    """
    lines: list[str] = []
    for line in answer_sdp.split("\r\n"):
        if line.startswith("c=IN IP"):
            line = f"c=IN IP4 {LOOPBACK}"
        elif _is_candidate(line):
            fields = line.split()
            if "typ host" in line and not ipaddress.ip_address(fields[_ADDRESS]).is_loopback:
                continue
            line = _RELATED.sub("raddr 0.0.0.0 rport 9", line)
        lines.append(line)
    return "\r\n".join(lines)


def _mapped(host: str, by_version: Mapping[int, str]) -> str:
    address = ipaddress.ip_address(host)
    is_mapped = not address.is_loopback and not address.is_unspecified
    return by_version.get(address.version, host) if is_mapped else host


def _kind(text: str) -> str:
    """Of which part of the network an address is; raises ValueError for what is none."""
    address = _reached(ipaddress.ip_address(text))
    if address.is_loopback:
        return "loopback"
    if address.is_multicast or any(address in network for network in _NO_HOSTS):
        return _NEVER
    if address.is_link_local:
        return "link-local"
    return "private" if any(address in network for network in _PRIVATE) else _PUBLIC


def _reached(address: Address) -> Address:
    """Return the IPv4 address to which one of IPv6 leads, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_candidate(line: str) -> bool:
    return line.startswith(_CANDIDATE)


def _parsed(line: str, mid: str | None) -> RTCIceCandidate:
    try:
        candidate = candidate_from_sdp(line.removeprefix(_CANDIDATE))
    except (ValueError, AssertionError, IndexError) as exc:
        raise UnusableCandidates(f"not a candidate: {line[:80]!r}") from exc
    if mid is None:
        raise UnusableCandidates("a=mid is missing before the first candidate")
    candidate.sdpMid = mid
    return candidate
