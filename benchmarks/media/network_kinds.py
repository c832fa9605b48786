"""Networks of many kinds: a page, two routers and the services in a namespace each, and their cables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from harness.delay import delayed
from harness.namespaces import HERE, Network, cable, network

SERVICE, RELAY, SERVICE_6 = "10.89.0.1", "10.89.0.2", "fd89::1"
_NAT = "-t nat -A POSTROUTING -o {wan} -j MASQUERADE --random-fully"
_ONLY_443 = ("-P OUTPUT DROP", "-A OUTPUT -o lo -j ACCEPT", "-A OUTPUT -p tcp --dport 443 -j ACCEPT")
_NO_UDP = ("-A OUTPUT -p udp -j DROP",)


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of network."""

    name: str
    page: tuple[str, ...] = ()
    """Rules of the page's own firewall."""
    lossy: float = 0.0
    """Share of all packets that the first router drops, each way."""
    up_bits_per_s: int = 0
    down_bits_per_s: int = 0
    """Widths of the ways from the page and to it; 200 ms of each wait at most."""
    is_own: bool = False
    """The limits stand at the senders' own interfaces, where what waits fills their sockets."""
    delay_ms: float = 0.0
    """Each way."""
    nats: int = 0
    """There is no IPv6 beside them, which would be a way round."""
    rebinds: bool = False
    """In the middle of the call the NAT beside the page gives its flows another address and other ports."""
    has_relay: bool = False
    is_ipv6: bool = False


CASES = (
    Case("open"),
    Case("udp-blocked", _NO_UDP),
    Case("only-443", _ONLY_443, has_relay=True),
    Case("double-nat", nats=2),
    Case("double-nat-udp-blocked", _NO_UDP, nats=2),
    Case("nat-rebinding", nats=2, rebinds=True),
    Case("ipv6-only", is_ipv6=True),
    Case("round-trip-300", delay_ms=150.0),
    Case("loss-2", lossy=0.02),
    Case("loss-2-tcp", _NO_UDP, lossy=0.02),
    Case("loss-10", lossy=0.1),
    Case("loss-10-tcp", _NO_UDP, lossy=0.1),
    Case("narrow-4-4", up_bits_per_s=4_000_000, down_bits_per_s=4_000_000),
    Case("narrow-1-10", up_bits_per_s=1_000_000, down_bits_per_s=10_000_000),
    Case("narrow-10-1", up_bits_per_s=10_000_000, down_bits_per_s=1_000_000),
    Case("narrow-0.6-0.6", up_bits_per_s=600_000, down_bits_per_s=600_000),
    Case("own-4-4", up_bits_per_s=4_000_000, down_bits_per_s=4_000_000, is_own=True),
    Case("narrow-10-1-tcp", _NO_UDP, up_bits_per_s=10_000_000, down_bits_per_s=1_000_000),
    Case("narrow-0.6-0.6-tcp", _NO_UDP, up_bits_per_s=600_000, down_bits_per_s=600_000),
)


@contextmanager
def between(case: Case, https_port: int) -> Iterator[tuple[Network, Network]]:
    """Lay the cables as the case says; gives the namespaces of the page and of the router beside it."""
    with network() as outer, network() as inner, network() as far, ExitStack() as way:
        cable((HERE, "s0", f"{SERVICE}/24"), (outer, "o0", "10.89.0.254/24"))
        cable((outer, "o1", "10.90.0.1/24"), (inner, "i0", "10.90.0.254/24"))
        cable((inner, "i1", "10.91.0.1/24"), (far, "f0", "10.91.0.9/24"))
        HERE.run("ip", "address", "add", f"{RELAY}/24", "dev", "s0")
        ends = [(HERE, "s0", SERVICE_6), (outer, "o0", "fd89::fe"), (outer, "o1", "fd90::1")]
        ends += [(inner, "i0", "fd90::fe"), (inner, "i1", "fd91::1"), (far, "f0", "fd91::9")]
        for at, name, address in ends:
            at.run("ip", "address", "add", f"{address}/64", "dev", name, "nodad")
        for at, to_page, to_service in (
            (HERE, ("10.89.0.254", "fd89::fe"), None),
            (outer, ("10.90.0.254", "fd90::fe"), None),
            (inner, None, ("10.90.0.1", "fd90::1")),
            (far, None, ("10.91.0.1", "fd91::1")),
        ):
            at.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
            at.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
            for gateway in to_page or ():
                net = "fd90::/15" if ":" in gateway else "10.90.0.0/15"
                at.run("ip", "route", "add", net, "via", gateway)
            for gateway in to_service or ():
                at.run("ip", "-6" if ":" in gateway else "-4", "route", "add", "default", "via", gateway)
        for at, wan in ((outer, "o0"), (inner, "i0"))[: case.nats]:
            at.run("iptables", *_NAT.format(wan=wan).split())
        for rule in case.page:
            for program in ("iptables", "ip6tables"):
                far.run(program, *rule.split())
        if case.is_ipv6 or case.nats:
            for rule in ("-A OUTPUT -o lo -j ACCEPT", "-P OUTPUT DROP"):
                far.run("iptables" if case.is_ipv6 else "ip6tables", *rule.split())
        if case.lossy:
            rule = f"-A FORWARD -m statistic --mode random --probability {case.lossy} -j DROP"
            outer.run("iptables", *rule.split())
        up, down = ((far, "f0"), (HERE, "s0")) if case.is_own else ((outer, "o0"), (outer, "o1"))
        waits = "limit 100mb" if case.is_own else "latency 200ms"
        for (at, name), bits_per_s in ((up, case.up_bits_per_s), (down, case.down_bits_per_s)):
            if bits_per_s:
                shape = f"dev {name} root tbf rate {bits_per_s}bit burst 5kb {waits}"
                at.run("tc", "qdisc", "add", *shape.split())
        if case.delay_ms:
            way.enter_context(delayed(outer, ("o0", "o1"), case.delay_ms))
        redirect = f"PREROUTING -i s0 -p tcp --dport 443 -j REDIRECT --to-ports {https_port}".split()
        tables = {"iptables": ["-d", SERVICE], "ip6tables": ["-d", SERVICE_6]}
        for program, to in tables.items():
            HERE.run(program, "-t", "nat", "-A", *redirect, *to)
        try:
            yield far, inner
        finally:
            for program, to in tables.items():
                HERE.run(program, "-t", "nat", "-D", *redirect, *to)


def rebind(router: Network) -> None:
    """Give the router another address: with the old one its masqueraded flows go, and their ports."""
    # One command, for the shortest time without an address.
    router.run(
        "sh",
        "-c",
        "ip -4 address flush dev i0 && ip address add 10.90.0.253/24 dev i0"
        " && ip route add default via 10.90.0.1",
    )
