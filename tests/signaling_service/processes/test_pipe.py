from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from signaling_service.errors import InvalidParams, NoMediaProcess, PassedOn, SignalingError
from signaling_service.errors.base import MAX_TEXT
from signaling_service.processes.pipe import MAX_CALLS, MAX_MESSAGE_BYTES, MAX_UNSENT_BYTES, Pipe


class End:
    """Answers `echo`, refuses `refuse`, breaks at `break`, lets `wait` wait; notes what it is told."""

    def __init__(self, own: socket.socket) -> None:
        self.pipe = Pipe(own, self.serve, lambda name, value: self.told.append((name, value)))
        self.told: list[tuple[str, Any]] = []
        self.running: asyncio.Task[None] | None = None

    async def serve(self, name: str, value: Any) -> Any:
        if name == "tell":
            self.told.append(("called", value))
        if name == "refuse":
            raise InvalidParams("strength", "expected a number")
        if name == "break":
            raise KeyError(value)
        if name == "wait":
            await asyncio.Event().wait()
        return value

    async def open(self) -> None:
        await self.pipe.open()
        self.running = asyncio.create_task(self.pipe.run())


@asynccontextmanager
async def two_ends() -> AsyncIterator[tuple[End, End]]:
    one, other = (End(own) for own in socket.socketpair())
    await one.open()
    await other.open()
    try:
        yield one, other
    finally:
        for end in (one, other):
            assert end.running is not None
            end.running.cancel()
            await asyncio.gather(end.running, return_exceptions=True)


async def test_calls_are_answered_in_both_directions_at_once() -> None:
    async with two_ends() as (one, other):
        values: list[Any] = [{"a": [1, "ü", b"\x00", None]}, "x" * 200_000, 3]
        answers = await asyncio.gather(
            *(one.pipe.call("echo", value, 5) for value in values),
            *(other.pipe.call("echo", value, 5) for value in values),
        )
        assert answers == values + values


async def test_a_slow_call_holds_up_no_other() -> None:
    async with two_ends() as (one, _):
        slow = asyncio.create_task(one.pipe.call("wait", None, 30))
        assert await one.pipe.call("echo", 1, 5) == 1
        slow.cancel()


async def test_a_refusal_arrives_as_it_was_said() -> None:
    async with two_ends() as (one, _):
        with pytest.raises(PassedOn, match=r"params\.strength: expected a number") as caught:
            await one.pipe.call("refuse", None, 5)
    said = caught.value
    assert (said.status, said.code, said.field, said.headers) == (422, "invalid_params", "strength", {})


def test_what_a_caller_is_told_is_short_whatever_it_quotes() -> None:
    error = InvalidParams("f" * 5000, "x" * 5000)
    for said in (error.as_json(), PassedOn(error.as_map()).as_json()):
        assert all(len(said[name]) <= MAX_TEXT for name in ("message", "field"))


async def test_an_unexpected_failure_says_nothing_of_its_inside() -> None:
    async with two_ends() as (one, _):
        with pytest.raises(SignalingError, match=r"^internal error$") as caught:
            await one.pipe.call("break", "secret", 5)
        assert caught.value.status == 500
        assert await one.pipe.call("echo", 1, 5) == 1


async def test_what_waits_for_an_answer_hears_when_the_other_end_goes() -> None:
    async with two_ends() as (one, other):
        waiting = asyncio.create_task(one.pipe.call("wait", None, 30))
        await one.pipe.call("echo", None, 5)
        assert other.running is not None
        other.running.cancel()
        with pytest.raises(NoMediaProcess):
            await waiting
        assert one.running is not None
        await asyncio.wait_for(one.running, 5)
        with pytest.raises(NoMediaProcess):
            await one.pipe.call("echo", None, 5)


async def test_an_answer_that_takes_too_long_is_given_up() -> None:
    async with two_ends() as (one, _):
        with pytest.raises(NoMediaProcess):
            await one.pipe.call("wait", None, 0.01)
        assert await one.pipe.call("echo", 1, 5) == 1


async def test_calls_at_a_time_are_bounded() -> None:
    async with two_ends() as (one, _):
        waiting = [asyncio.create_task(one.pipe.call("wait", None, 30)) for _ in range(MAX_CALLS)]
        await asyncio.sleep(0)
        with pytest.raises(NoMediaProcess):
            await one.pipe.call("echo", 1, 5)
        for task in waiting:
            task.cancel()


async def test_notices_come_in_order_and_before_the_answer_behind_them() -> None:
    async with two_ends() as (one, other):
        for number in range(100):
            one.pipe.tell("count", number)
        await one.pipe.call("echo", None, 5)
        assert other.told == [("count", number) for number in range(100)]


async def test_a_notice_comes_behind_what_a_call_before_it_does_first() -> None:
    """One that gives up a session finds it, though both come in one piece."""
    async with two_ends() as (one, other):
        calls = [asyncio.create_task(one.pipe.call("tell", number, 5)) for number in range(3)]
        await asyncio.sleep(0)
        one.pipe.tell("notice", None)
        await asyncio.gather(*calls)
        assert other.told == [*(("called", number) for number in range(3)), ("notice", None)]


async def test_notices_that_nobody_reads_are_left_out() -> None:
    own, its = socket.socketpair()
    with its:
        pipe = Pipe(own, End(its).serve, lambda name, value: None)
        await pipe.open()
        for _ in range(3 * MAX_UNSENT_BYTES // 100_000):
            pipe.tell("status", b"x" * 100_000)
        assert pipe._writer is not None
        assert pipe._writer.transport.get_write_buffer_size() <= MAX_UNSENT_BYTES + 200_000
        pipe._writer.transport.abort()


@pytest.mark.parametrize("sent", [struct.pack(">I", MAX_MESSAGE_BYTES + 1), struct.pack(">I", 1) + b"\xc1"])
async def test_what_is_no_message_ends_the_pipe(sent: bytes) -> None:
    own, its = socket.socketpair()
    with its:
        pipe = Pipe(own, End(its).serve, lambda name, value: None)
        await pipe.open()
        its.sendall(sent)
        with pytest.raises(ValueError):  # noqa: PT011 - msgpack has its own text
            await asyncio.wait_for(pipe.run(), 5)
        with pytest.raises(NoMediaProcess):
            await pipe.call("echo", None, 5)


async def test_half_a_message_at_the_end_of_the_stream_is_nothing() -> None:
    own, its = socket.socketpair()
    pipe = Pipe(own, End(its).serve, lambda name, value: None)
    await pipe.open()
    its.sendall(struct.pack(">I", 50) + b"\x94")
    its.close()
    await asyncio.wait_for(pipe.run(), 5)
