from __future__ import annotations

import threading

import pytest

from inference_service.link.peers import REPLY_SILENCE_NS, LookUp, Peers, needs_look_up
from shared.endpoints import Endpoint, parse
from tests.inference_service.doubles import until


def peers(*configured):
    return Peers([parse(text) for text in configured])


def test_addresses_and_paths_are_wanted_at_once_names_when_they_are_found():
    one = peers("tcp://127.0.0.1:5556", "ipc:///run/results.ipc", "tcp://signaling:5556")
    assert one.wanted(0) == {"tcp://127.0.0.1:5556", "ipc:///run/results.ipc"}
    assert one.names == [parse("tcp://signaling:5556")]
    one.found(one.names[0], [Endpoint("tcp", "10.0.0.1", 5556), Endpoint("tcp", "10.0.0.2", 5556)])
    assert {"tcp://10.0.0.1:5556", "tcp://10.0.0.2:5556"} < one.wanted(0)
    one.found(one.names[0], [Endpoint("tcp", "10.0.0.3", 5556)])
    assert one.wanted(0) == {"tcp://127.0.0.1:5556", "ipc:///run/results.ipc", "tcp://10.0.0.3:5556"}


def test_a_name_that_is_not_found_for_a_while_keeps_its_addresses():
    one = peers("tcp://signaling:5556")
    one.found(one.names[0], [Endpoint("tcp", "10.0.0.1", 5556)])
    one.found(one.names[0], [])
    assert one.wanted(0) == {"tcp://10.0.0.1:5556"}


@pytest.mark.parametrize(
    "reply_to",
    ["tcp://10.0.0.1:6000", "tcp://signaling:6000", "tcp://10.0.0.9:1", "ipc:///run/p2p/media-2.ipc"],
)
def test_a_reply_to_the_host_or_folder_of_a_configured_service_is_taken(reply_to):
    one = peers("tcp://10.0.0.1:5556", "tcp://signaling:5556", "ipc:///run/p2p/results.ipc")
    one.found(parse("tcp://signaling:5556"), [Endpoint("tcp", "10.0.0.9", 5556)])
    assert one.saw(reply_to, 0) is True
    assert one.saw(reply_to, 0) is False
    expected = "tcp://10.0.0.9:6000" if "signaling" in reply_to else reply_to
    assert expected in one.wanted(0)
    # A name is never handed to libzmq, which would look it up while frames wait.
    assert "tcp://signaling:6000" not in one.wanted(0)


@pytest.mark.parametrize(
    "reply_to",
    [
        "tcp://10.0.0.2:5556",
        "tcp://evil:5556",
        "tcp://10.0.0.1:*",
        "ipc:///run/other/results.ipc",
        "ipc:///run/p2p/deeper/results.ipc",
        "udp://10.0.0.1:5556",
        "10.0.0.1:5556",
        "tcp://10.0.0.1:5556;evil:1",
    ],
)
def test_any_other_reply_to_is_refused(reply_to):
    one = peers("tcp://10.0.0.1:5556", "ipc:///run/p2p/results.ipc")
    before = one.wanted(0)
    assert one.saw(reply_to, 0) is None
    assert one.wanted(0) == before


def test_a_silent_reply_is_let_go():
    one = peers("tcp://10.0.0.1:5556")
    one.saw("tcp://10.0.0.1:6000", 0)
    one.saw("tcp://10.0.0.1:6001", 0)
    one.saw("tcp://10.0.0.1:6001", REPLY_SILENCE_NS)
    assert "tcp://10.0.0.1:6000" in one.wanted(REPLY_SILENCE_NS)
    assert one.wanted(REPLY_SILENCE_NS + 1) == {"tcp://10.0.0.1:5556", "tcp://10.0.0.1:6001"}


def test_replies_are_bounded_and_room_is_made_by_silence():
    one = peers("tcp://10.0.0.1:5556")
    for port in range(1, 65):
        assert one.saw(f"tcp://10.0.0.1:{port}", port) is True
    assert one.saw("tcp://10.0.0.1:65", 65) is None
    assert one.saw("tcp://10.0.0.1:64", 65) is False
    assert one.saw("tcp://10.0.0.1:65", REPLY_SILENCE_NS + 2) is True


def test_what_needs_to_be_looked_up():
    assert needs_look_up(parse("tcp://signaling:1"))
    assert needs_look_up(parse("tcp://localhost:1"))
    assert not needs_look_up(parse("tcp://10.0.0.1:1"))
    assert not needs_look_up(parse("tcp://[::1]:1"))
    assert not needs_look_up(parse("ipc:///signaling"))


def test_names_are_looked_up_again_and_again():
    one = peers("tcp://signaling:5556", "tcp://10.0.0.1:1")
    asked, found = [], threading.Event()

    def resolve(endpoint):
        asked.append(endpoint)
        # The third answer stays: another thread may see no other.
        return [Endpoint("tcp", f"10.0.1.{min(len(asked), 3)}", endpoint.port)] if len(asked) > 1 else []

    look_up = LookUp(one, found.set, resolve, every_s=0.01)
    look_up.open()
    try:
        until(lambda: "tcp://10.0.1.3:5556" in one.wanted(0))
        assert found.is_set()
        assert set(asked) == {parse("tcp://signaling:5556")}
    finally:
        look_up.close()


def test_nothing_is_looked_up_where_there_is_no_name(monkeypatch):
    monkeypatch.setattr(threading, "Thread", None)
    LookUp(peers("tcp://10.0.0.1:1"), lambda: None).open()
