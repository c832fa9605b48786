from __future__ import annotations

import socket
from contextlib import ExitStack

from harness.udp_ports import claim_udp_ports


def test_two_who_look_for_ports_before_either_binds_get_others() -> None:
    with ExitStack() as one, ExitStack() as other:
        assert set(claim_udp_ports(3, one)).isdisjoint(claim_udp_ports(3, other))


def test_a_port_that_somebody_has_is_left_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        with ExitStack() as claims:
            (taken,) = claim_udp_ports(1, claims)
            bound.bind(("127.0.0.1", taken))
        with ExitStack() as claims:
            assert taken not in claim_udp_ports(4, claims)
