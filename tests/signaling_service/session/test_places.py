from __future__ import annotations

import pytest

from signaling_service.access.caller import Caller, Grant
from signaling_service.errors import TooManySessions
from signaling_service.session.places import MAX_CONNECTING, MAX_SETTLING, SETTLING_S, Places

ONE, OTHER = Caller("192.0.2.1"), Caller("192.0.2.2")


def test_the_oldest_offer_of_an_address_is_given_up_for_its_newest() -> None:
    places = Places(2)
    assert [places.take(name, ONE) for name in "abc"] == [[], [], ["a"]]
    places.leave("a")
    assert places.take("x", OTHER) == []
    assert places.take("d", ONE) == ["b"]


def test_a_network_of_ipv6_is_one_address_and_ipv4_within_it_is_itself() -> None:
    places = Places(2)
    network = [Caller(f"2001:db8::{host}") for host in ("1", "2:0:0:3")]
    assert [places.take(name, caller) for name, caller in zip("ab", network, strict=True)] == [[], []]
    assert places.take("c", Caller("2001:db8:0:1::1")) == []
    assert places.take("d", Caller("2001:db8::4")) == ["a"]
    mapped = [Caller(f"::ffff:192.0.2.{host}") for host in (1, 2, 1)]
    assert [places.take(name, caller) for name, caller in zip("xyz", mapped, strict=True)] == [[], [], []]
    assert places.take("e", ONE) == ["x"]


def test_what_is_connected_is_never_given_up() -> None:
    places = Places(1)
    for name in "abc":
        assert places.take(name, ONE) == []
        places.note_connected(name)
    assert places.connected == 3
    places.take("d", ONE)
    assert places.take("e", ONE) == ["d"]


def test_of_too_many_offers_in_all_the_address_with_most_loses_its_oldest() -> None:
    places = Places(1000)
    assert places.take("calm", OTHER) == []
    for number in range(MAX_CONNECTING - 1):
        assert places.take(f"{number}", ONE) == []
    assert places.take("third", Caller("192.0.2.3")) == ["0"]


def test_a_subject_has_as_many_sessions_as_its_token_allows() -> None:
    caller, peer = (Caller(a, "anna", Grant(max_sessions=2)) for a in ("192.0.2.1", "192.0.2.2"))
    places = Places(8)
    assert places.take("a", caller) == places.take("b", peer) == []
    assert places.take("c", caller) == ["a"]
    places.leave("a")
    for name in "bc":
        places.note_connected(name)
    with pytest.raises(TooManySessions, match="2 sessions"):
        places.take("d", peer)
    assert places.take("e", Caller("192.0.2.1", "ben", Grant(max_sessions=1))) == []
    assert [places.owner(name) for name in "bex"] == ["anna", "ben", None]
    places.leave("b")
    assert places.take("d", peer) == []


def test_only_who_was_overtaken_may_be_one_too_many() -> None:
    places = Places(8)
    for name in "ab":
        places.take(name, ONE)
    assert not places.was_overtaken("a")
    places.note_connected("a")
    assert places.was_overtaken("b")
    assert not places.was_overtaken("nobody")


def test_what_a_network_has_offered_lately_counts_for_its_next_offer() -> None:
    now_s = [100.0]
    places = Places(2, clock=lambda: now_s[0])
    for name in "abc":
        places.take(name, ONE)
    places.leave("a")  # Its answer took as much as the others.
    assert (places.settling(ONE), places.settling(OTHER)) == (3, 0)
    places.note_connected("b")  # It counts as connected from now on.
    assert places.settling(ONE) == 2
    now_s[0] += SETTLING_S + 0.1
    assert places.settling(ONE) == 0


def test_what_is_remembered_of_offers_is_bounded() -> None:
    places = Places(2, clock=lambda: 100.0)
    for number in range(2 * MAX_SETTLING):
        places.take(str(number), ONE)
        places.leave(str(number))
    assert len(places._taken) == MAX_SETTLING
