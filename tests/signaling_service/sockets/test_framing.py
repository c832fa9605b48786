from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling_service.sockets.framing import MAX_DATAGRAM_BYTES, DatagramTooLong, Deframer, framed

datagrams = st.lists(st.binary(max_size=300), max_size=6)


@given(datagrams, st.integers(1, 700))
def test_datagrams_come_out_as_they_went_in_however_the_stream_is_cut(said: list[bytes], size: int) -> None:
    stream = b"".join(map(framed, said))
    deframer = Deframer()
    heard = [one for at in range(0, len(stream), size) for one in deframer.feed(stream[at : at + size])]
    assert heard == [one for one in said if one]


def test_the_longest_is_taken_and_a_longer_one_refused_before_it_has_come() -> None:
    assert list(Deframer().feed(framed(bytes(MAX_DATAGRAM_BYTES)))) == [bytes(MAX_DATAGRAM_BYTES)]
    with pytest.raises(DatagramTooLong):
        list(Deframer().feed(framed(bytes(MAX_DATAGRAM_BYTES + 1))[:2]))


@given(st.lists(st.binary(min_size=1, max_size=5000), max_size=5))
def test_less_than_a_datagram_is_held_of_any_bytes(read: list[bytes]) -> None:
    deframer = Deframer()
    for data in read:
        try:
            list(deframer.feed(data))
        except DatagramTooLong:
            return
        assert len(deframer._rest) < 2 + MAX_DATAGRAM_BYTES
