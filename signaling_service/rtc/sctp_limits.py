"""What a page may tell by SCTP: aiortc does all that a packet asks for, however long that takes.

- A parameter of length 0 is read for ever, and each time kept: one packet stopped a process.
- An acknowledgement names ranges of numbers (gap blocks), and each number in them is noted: 1,400 bytes held
  up all calls for seconds.
- What came ahead of its turn is sorted anew with each chunk, and each stream that is named is kept for ever.

Whoever keeps to RFC 9260 and RFC 3758 loses nothing here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiortc.rtcsctptransport import padl
from aiortc.utils import uint32_gt

MAX_STREAMS = 64
"""One for each data channel; the shim has two."""
MAX_PARTS = 1024
"""That wait together. A window of 1 MB full of whole packets has fewer."""
_HEAD_BYTES = 4
_NUMBERS = 1 << 32

Receive = Callable[..., Awaitable[None]]


def with_an_end(_: Any) -> Callable[[bytes], list[tuple[int, bytes]]]:
    """Return `decode_params` that stops at a parameter which is shorter than its own head."""

    def decode_params(body: bytes) -> list[tuple[int, bytes]]:
        found, at = [], 0
        while at <= len(body) - _HEAD_BYTES:
            kind, length = (int.from_bytes(body[place : place + 2]) for place in (at, at + 2))
            if length < _HEAD_BYTES:
                break
            found.append((kind, body[at + _HEAD_BYTES : at + length]))
            at += length + padl(length)
        return found

    return decode_params


def within_window(original: Receive) -> Receive:
    """Return `RTCSctpTransport._receive_data_chunk` that takes no more than the page was told it may send.

    What is beyond is not acknowledged, so it comes again (RFC 9260 section 6.2).
    """

    async def receive(self: Any, chunk: Any) -> None:
        streams, ahead = self._inbound_streams, self._sack_misordered
        has_room = len(chunk.user_data) <= self._advertised_rwnd
        is_known = chunk.stream_id in streams or len(streams) < MAX_STREAMS
        waiting = max(sum(len(one.reassembly) for one in streams.values()), len(ahead))
        # What all the others wait for.
        fills_gap = ahead and (chunk.tsn - self._last_received_tsn) % _NUMBERS == 1
        if has_room and is_known and waiting < (2 * MAX_PARTS if fills_gap else MAX_PARTS):
            await original(self, chunk)
        else:
            self._sack_needed = True

    return receive


def of_what_was_sent(original: Receive) -> Receive:
    """Return `RTCSctpTransport._receive_sack_chunk` that drops acknowledgements of what was never sent."""

    async def receive(self: Any, chunk: Any) -> None:
        last = (self._local_tsn - 1) % _NUMBERS
        if uint32_gt(chunk.cumulative_tsn, last):
            return
        on_way = (last - chunk.cumulative_tsn) % _NUMBERS
        # Blocks do not overlap (RFC 9260 section 3.3.4), so together they name no more than there is.
        is_old = uint32_gt(self._last_sacked_tsn, chunk.cumulative_tsn)
        if is_old or sum(max(0, end - begin + 1) for begin, end in chunk.gaps) <= on_way:
            await original(self, chunk)

    return receive


def of_few_streams(original: Receive) -> Receive:
    """Return `RTCSctpTransport._receive_forward_tsn_chunk` that makes no more than `MAX_STREAMS`."""

    async def receive(self: Any, chunk: Any) -> None:
        known = set(self._inbound_streams)
        kept = []
        for stream_id, number in chunk.streams:
            if stream_id in known or len(known) < MAX_STREAMS:
                known.add(stream_id)
                kept.append((stream_id, number))
        chunk.streams = kept
        await original(self, chunk)

    return receive
