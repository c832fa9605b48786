"""Packets wait as long as they are told to, in order, and only so many of them."""

from __future__ import annotations

import socket
import time

import pytest

from harness.delay import Line, delayed
from harness.namespaces import HERE, cable, network


def taken(line: Line, now_s: float) -> list[bytes]:
    return list(iter(lambda: line.take(now_s), None))


def test_each_packet_waits_for_the_same_time_and_keeps_its_place() -> None:
    line = Line(0.25)
    line.put(b"first", 10.0)
    line.put(b"second", 10.125)
    assert line.wait_s(10.125) == 0.125
    assert taken(line, 10.2) == []
    assert taken(line, 10.25) == [b"first"]
    assert taken(line, 20.0) == [b"second"]
    assert line.wait_s(20.0) is None


def test_a_late_reader_waits_for_no_packet_whose_time_has_come() -> None:
    line = Line(0.25)
    line.put(b"late", 10.0)
    assert line.wait_s(11.0) == 0.0


def test_a_full_line_drops_what_comes() -> None:
    line = Line(1.0, most=2)
    for packet in (b"first", b"second", b"third"):
        line.put(packet, 0.0)
    assert taken(line, 1.0) == [b"first", b"second"]
    line.put(b"fourth", 1.0)
    assert taken(line, 2.0) == [b"fourth"]


@pytest.mark.namespace
def test_a_router_delays_both_ways_in_both_versions_of_ip_until_it_is_told_to_stop() -> None:
    with network() as router, network() as far:
        cable((HERE, "late0", "10.97.1.1/24"), (router, "late1", "10.97.1.2/24"))
        cable((router, "late2", "10.97.2.1/24"), (far, "late3", "10.97.2.2/24"))
        ends = [(HERE, "late0", "fd97:1::1"), (router, "late1", "fd97:1::2")]
        ends += [(router, "late2", "fd97:2::1"), (far, "late3", "fd97:2::2")]
        for at, name, address in ends:
            at.run("ip", "address", "add", f"{address}/64", "dev", name, "nodad")
        router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
        for at, net, gateway in (
            (HERE, "10.97.2.0/24", "10.97.1.2"),
            (HERE, "fd97:2::/64", "fd97:1::2"),
            (far, "default", "10.97.2.1"),
            (far, "default", "fd97:2::1"),
        ):
            at.run("ip", "-6" if ":" in gateway else "-4", "route", "add", net, "via", gateway)
        with delayed(router, ("late1", "late2"), 40.0):
            assert shortest_ms("10.97.2.2") >= 80.0
            assert shortest_ms("fd97:2::2") >= 80.0
        # The device went, and packets go their usual way.
        assert round_trip_ms("10.97.2.2") > 0
        assert not router.can("ip", "link", "show", "delay0")


def shortest_ms(address: str) -> float:
    # The first one also waits until the routers know one another, which may take longer than the delay.
    return min(round_trip_ms(address) for _ in range(3))


def round_trip_ms(address: str) -> float:
    """Send a datagram to a port where nobody listens, and wait until its host says so."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(20.0)
        sender.connect((address, 9))
        began_s = time.monotonic()
        sender.send(b"is anybody there?")
        with pytest.raises(ConnectionRefusedError):
            sender.recv(1)
        return 1e3 * (time.monotonic() - began_s)
