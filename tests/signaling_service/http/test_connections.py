"""Connections that send half a request or read no answer, and more of them than there is room for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from harness.certificate import write_certificate
from signaling_service.http import connections
from signaling_service.http.certificate import Certificate
from signaling_service.http.connections import BoundedConnection, EventLoop
from signaling_service.http.listening import listen

REQUEST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
LONG = 16 * 1024 * 1024
"""More than the system keeps for one that does not read."""
SHORT_S = 0.2
END_S = 20.0


@asynccontextmanager
async def serving(
    longer: int = 0, *, reads: bool = True
) -> AsyncIterator[tuple[Callable[[], Any], asyncio.Event]]:
    """Serve an application that answers with the body once the event is set; gives what connects to it.

    So many bytes follow the body in the answer. Without `reads` it answers at once, and does not wait for a
    body.
    """
    may_answer = asyncio.Event()
    may_answer.set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, has_more = b"" if reads else b"done", reads
        while has_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, has_more = body + message["body"], message.get("more_body", False)
        await may_answer.wait()
        headers = [(b"content-length", b"%d" % (4 + longer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body + bytes(longer)})

    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=BoundedConnection,
            lifespan="off",
            log_config=None,
            timeout_keep_alive=0,  # Not heeded: connections are kept as long as ours says.
            timeout_graceful_shutdown=1,
        )
    )
    listening = listen("127.0.0.1", 0)
    port = listening[0].getsockname()[1]
    task = asyncio.create_task(server._serve(listening))
    try:
        yield lambda: asyncio.open_connection("127.0.0.1", port), may_answer
    finally:
        may_answer.set()
        server.should_exit = True
        await task


async def ended(reader: asyncio.StreamReader) -> bool:
    """Wait until the server has closed the connection; returns whether it had sent nothing."""
    try:
        return await asyncio.wait_for(reader.read(), END_S) == b""
    except ConnectionResetError:
        return True


async def answered(reader: asyncio.StreamReader) -> bool:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), END_S)
    return head.startswith(b"HTTP/1.1 200") and await reader.readexactly(4) == b"done"


@pytest.mark.parametrize("half", [b"", b"POST / HT", REQUEST[:-2], REQUEST, REQUEST + b"don"])
async def test_half_a_request_is_not_held(monkeypatch: pytest.MonkeyPatch, half: bytes) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", SHORT_S)
    monkeypatch.setattr(connections, "BODY_S", SHORT_S)
    async with serving() as (connect, _):
        reader, writer = await connect()
        writer.write(half)
        assert await ended(reader)
        writer.close()


CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b"\x16\x03\x01\x02\x00\r\n\r\n"),
        (b"", b"GET / HTTP/1.1\r\n\r\n"),
        (b"", CHUNKED + b"-1\r\n"),
        (CHUNKED, b"-1\r\n"),
        (CHUNKED, b"4\r\ndone\r\nz\r\n"),
        (REQUEST + b"done", b"\x00\r\n\r\n"),
        (b"", REQUEST + b"done\x00\r\n\r\n"),
        (REQUEST, b"done and more\x00\r\n\r\n"),
    ],
)
async def test_what_is_no_http_is_an_error_like_others_and_leaves_no_traceback(
    caplog: pytest.LogCaptureFixture, first: bytes, then: bytes, reads: bool
) -> None:
    """Before a request, within it, behind it, and where its answer has begun or is over."""
    async with serving(reads=reads) as (connect, _):
        reader, writer = await connect()
        writer.write(first)
        if first.endswith(b"done") or (first and not reads):
            assert await answered(reader)
        writer.write(then)
        said = await asyncio.wait_for(reader.read(), END_S)
        head, _, body = said[said.rfind(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 400"):
            assert b"nosniff" in head
            assert json.loads(body)["error"]["code"] == "malformed"
        else:
            # Nothing more is said behind an answer that had begun before.
            assert body.endswith(b"done") or not said
        writer.close()
    assert not [record for record in caplog.records if record.exc_info]


async def test_bytes_that_trickle_in_do_not_extend_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", SHORT_S)
    async with serving() as (connect, _):
        reader, writer = await connect()
        ending = asyncio.create_task(ended(reader))
        for byte in b"POST / HTTP/1.1\r\nX: " + b"y" * 2_000:
            writer.write(bytes([byte]))
            await asyncio.sleep(SHORT_S / 10)
            if ending.done():
                break
        assert ending.done()
        assert ending.result()
        writer.close()


async def test_an_answer_may_take_its_time_and_the_connection_is_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", SHORT_S)
    monkeypatch.setattr(connections, "BODY_S", SHORT_S)
    async with serving() as (connect, may_answer):
        may_answer.clear()
        reader, writer = await connect()
        writer.write(REQUEST + b"done")
        await asyncio.sleep(3 * SHORT_S)
        may_answer.set()
        assert await answered(reader)
        writer.write(REQUEST + b"done")
        assert await answered(reader)
        # The next one is half again.
        writer.write(REQUEST)
        assert await ended(reader)
        writer.close()


async def test_a_connection_is_kept_between_requests_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as (connect, _):
        reader, writer = await connect()
        for _ in range(2):
            writer.write(REQUEST + b"done")
            assert await answered(reader)
            await asyncio.sleep(SHORT_S)
        writer.close()
        monkeypatch.setattr(connections, "KEEP_ALIVE_S", SHORT_S)
        reader, writer = await connect()
        writer.write(REQUEST + b"done")
        assert await answered(reader)
        assert await ended(reader)
        writer.close()


async def test_so_is_one_whose_request_was_refused_before_its_body_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", SHORT_S)
    async with serving(reads=False) as (connect, _):
        reader, writer = await connect()
        writer.write(REQUEST)
        assert await answered(reader)
        writer.write(b"done")
        await asyncio.sleep(3 * SHORT_S)
        writer.write(REQUEST)
        assert await answered(reader)
        writer.close()


async def test_of_too_many_the_one_that_waits_longest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 3)
    async with serving() as (connect, _):
        half = [await connect() for _ in range(3)]
        for _, writer in half:
            writer.write(REQUEST)
            await writer.drain()
        reader, writer = await connect()
        writer.write(REQUEST + b"done")
        assert await answered(reader)
        assert await ended(half[0][0])
        assert not half[1][0].at_eof()
        for _, each in (*half, (reader, writer)):
            each.close()


async def test_an_answer_that_is_not_read_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_S", SHORT_S)
    async with serving(LONG) as (connect, _):
        # A StreamReader reads no more than twice its limit in advance.
        reader, writer = await connect()
        writer.write(REQUEST + b"done")
        await asyncio.sleep(3 * SHORT_S)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(LONG), END_S)
        writer.close()


async def test_one_that_does_not_read_makes_room_for_a_newcomer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 2)
    async with serving(LONG) as (connect, _):
        unread = [await connect() for _ in range(2)]
        for reader, writer in unread:
            writer.write(REQUEST + b"done")
            await reader.readuntil(b"done")
        reader, writer = await connect()
        writer.write(REQUEST + b"done")
        assert await answered(reader)
        assert len(await asyncio.wait_for(reader.readexactly(LONG), END_S)) == LONG
        for _, each in (*unread, (reader, writer)):
            each.close()


async def test_a_newcomer_goes_where_all_are_being_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 2)
    async with serving() as (connect, may_answer):
        may_answer.clear()
        busy = [await connect() for _ in range(2)]
        for _, writer in busy:
            writer.write(REQUEST + b"done")
            await writer.drain()
        await asyncio.sleep(SHORT_S)
        reader, writer = await connect()
        assert await ended(reader)
        may_answer.set()
        for one, _ in busy:
            assert await answered(one)
        for _, each in (*busy, (reader, writer)):
            each.close()


def test_half_a_handshake_is_not_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(connections, "TLS_S", SHORT_S)
    certificate = Certificate(*write_certificate(tmp_path))

    async def call() -> bool:
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, "127.0.0.1", 0, ssl=certificate.context
        )
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            # The head of a record (RFC 8446 section 5.1) whose rest never comes.
            writer.write(b"\x16\x03\x01\x02\x00")
            try:
                return await ended(reader)
            finally:
                writer.close()

    with asyncio.Runner(loop_factory=EventLoop) as runner:
        assert runner.run(call())
