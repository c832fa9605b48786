from __future__ import annotations

from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from signaling_service.sockets.stun_target import called_name, transaction_of


def request(**attributes: object) -> stun.Message:
    return stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)


def test_a_check_names_the_call_by_the_receivers_part_of_its_user_name() -> None:
    for name in ("abcd:efgh", "abcdefgh1234:x"):
        check = request(PRIORITY=5, USERNAME=name)
        check.add_message_integrity(b"secret")
        assert called_name(bytes(check)) == name.partition(":")[0].encode()
        assert transaction_of(bytes(check)) is None


def test_an_answer_names_its_transaction() -> None:
    for kind in (stun.Class.RESPONSE, stun.Class.ERROR):
        answer = stun.Message(stun.Method.BINDING, kind, attributes={"USERNAME": "abcd:efgh"})
        assert transaction_of(bytes(answer)) == answer.transaction_id
        assert called_name(bytes(answer)) is None


def test_a_request_without_a_user_name_calls_nobody() -> None:
    assert called_name(bytes(request(PRIORITY=1))) is None
    assert called_name(bytes(request())) is None


def test_every_truncation_and_a_wrong_cookie_is_no_stun() -> None:
    check = bytes(request(USERNAME="abcd:efgh"))
    wrong = [check[:size] for size in range(len(check))]
    wrong += [check[:4] + b"\0\0\0\0" + check[8:], b"\x80" + check[1:], check + b"\0"]
    for data in wrong:
        assert called_name(data) is None
        assert transaction_of(data) is None


@given(st.binary(max_size=200))
def test_nothing_that_comes_after_a_header_does_harm(attributes: bytes) -> None:
    head = bytes(request())
    for kind in (b"\x00\x01", b"\x01\x01", b"\x00\x11"):
        data = kind + len(attributes).to_bytes(2, "big") + head[4:20] + attributes
        name = called_name(data)
        assert name is None or name in attributes
        transaction_of(data)
