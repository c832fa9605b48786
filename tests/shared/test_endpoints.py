from __future__ import annotations

import pytest

from shared.endpoints import parse, resolve, same_place
from shared.errors import EndpointError


@pytest.mark.parametrize(
    "text",
    ["tcp://127.0.0.1:5556", "tcp://*:5556", "tcp://signaling:*", "tcp://[::1]:5556", "ipc:///run/a.ipc"],
)
def test_a_good_endpoint_reads_back_the_same(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "127.0.0.1:5556", "udp://a:1", "tcp://a", "tcp://:1", "tcp://a:0", "tcp://a:65536", "tcp://a:x",
     "tcp://a b:1", "tcp://a/b:1", "tcp://e;a:1", "ipc://", "ipc:///" + "x" * 107, "ipc://relative", "ipc://@name",
     "inproc://a", "tcp://a:²"],
)  # fmt: skip
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(EndpointError, match="expected"):
        parse(text)


def test_an_address_resolves_to_itself_and_an_unknown_name_to_nothing() -> None:
    assert resolve(parse("tcp://127.0.0.1:1")) == [parse("tcp://127.0.0.1:1")]
    assert resolve(parse("ipc:///a")) == [parse("ipc:///a")]
    assert resolve(parse("tcp://no-such-name.invalid:1")) == []


def test_a_place_is_a_host_or_a_folder() -> None:
    assert same_place(parse("tcp://10.0.0.1:1"), parse("tcp://10.0.0.1:2"))
    assert not same_place(parse("tcp://10.0.0.1:1"), parse("tcp://10.0.0.2:1"))
    assert same_place(parse("ipc:///run/a"), parse("ipc:///run/b"))
    assert not same_place(parse("ipc:///run/a"), parse("ipc:///tmp/a"))
    assert not same_place(parse("tcp://a:1"), parse("ipc:///a"))


@pytest.mark.parametrize(
    ("text", "loopback"),
    [("tcp://127.0.0.1:1", True), ("tcp://localhost:1", True), ("tcp://[::1]:1", True), ("ipc:///a", True),
     ("tcp://*:1", False), ("tcp://0.0.0.0:1", False), ("tcp://10.0.0.1:1", False)],
)  # fmt: skip
def test_what_only_this_host_reaches(text: str, loopback: bool) -> None:
    assert parse(text).is_loopback_only is loopback
