"""Keys from an address, which a server of this test serves on the loopback."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from signaling_service.access import jwks
from signaling_service.access.jwks import Jwks
from signaling_service.access.tokens import Tokens
from signaling_service.errors import TokenKeysAway, TokenWrong
from tests.signaling_service.access.minting import minted, private_key, public_jwk

LIMIT_S = 20.0


class Publisher:
    """Serves what `answer` says, and counts how often."""

    def __init__(self) -> None:
        self.status, self.body = 200, json.dumps({"keys": [public_jwk("ec", kid="one")]}).encode()
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked += 1
                publisher.may_answer.wait(LIMIT_S)
                self.send_response(publisher.status)
                if publisher.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(publisher.body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def later(keys: Jwks, passed_s: float) -> None:
    """Let time have passed."""
    keys._fetched_s -= passed_s
    keys._asked_s -= passed_s


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    made = Publisher()
    yield made
    made.close()


async def test_a_token_is_checked_by_the_key_that_it_names(publisher: Publisher) -> None:
    tokens = Tokens(Jwks(publisher.url), None, "p2pcamera", needs_audience=True)
    token = minted(private_key("ec"), "ES256", kid="one", aud="p2pcamera")
    for _ in range(5):
        assert (await tokens.claims(token, None)).sub == "anna"
    assert publisher.asked == 1
    with pytest.raises(TokenWrong):
        await tokens.claims(minted(private_key("rsa"), "RS256", kid="one", aud="p2pcamera"), None)


async def test_unknown_names_make_few_fetches(publisher: Publisher) -> None:
    keys = Jwks(publisher.url)
    assert await keys.key("one") is not None
    for number in range(50):
        assert await keys.key(f"unknown {number}") is None
    assert publisher.asked == 1
    later(keys, jwks.AGAIN_AFTER_S)
    publisher.body = json.dumps({"keys": [public_jwk("ec", kid="two")]}).encode()
    assert await keys.key("two") is not None
    assert await keys.key("one") is None
    assert publisher.asked == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (302, b""), (200, b"no JSON"), (200, b"{}"), (200, b"[" * 100_000), (200, b"x" * 300_000)],
    ids=["500", "redirect", "no JSON", "no keys", "deep", "long"],
)
async def test_without_keys_callers_are_told_to_come_back_and_old_ones_stay(
    publisher: Publisher, status: int, body: bytes
) -> None:
    keys = Jwks(publisher.url)
    assert await keys.key("one") is not None
    publisher.status, publisher.body = status, body
    later(keys, jwks.KEPT_S)
    assert await keys.key("one") is not None
    assert publisher.asked == 2
    with pytest.raises(TokenKeysAway):
        await Jwks(publisher.url).key("one")


async def test_a_new_name_is_no_wrong_token_where_the_address_does_not_answer(publisher: Publisher) -> None:
    keys = Jwks(publisher.url)
    assert await keys.key("one") is not None
    publisher.status = 500
    later(keys, jwks.AGAIN_AFTER_S)
    for _ in range(3):
        with pytest.raises(TokenKeysAway):
            await keys.key("two")
    assert publisher.asked == 2


async def test_a_slow_address_is_asked_once_and_keeps_few_waiting(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "WAIT_S", 0.1)
    keys = Jwks(publisher.url)
    publisher.may_answer.clear()
    answers = await asyncio.gather(*(keys.key("one") for _ in range(50)), return_exceptions=True)
    assert {type(one) for one in answers} == {TokenKeysAway}
    later(keys, jwks.AGAIN_AFTER_S)
    # Longer than callers wait for, and still no other fetch: whoever comes now is refused without a wait.
    calling = keys.key("one")
    with pytest.raises(TokenKeysAway):
        calling.send(None)
    assert publisher.asked == 1
    publisher.may_answer.set()
    assert keys._answer is not None
    await keys._answer
    assert await keys.key("one") is not None
    assert publisher.asked == 1


async def test_known_keys_are_taken_without_a_wait_while_the_address_is_slow(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "WAIT_S", 0.1)
    keys = Jwks(publisher.url)
    assert await keys.key("one") is not None
    publisher.status = 500
    later(keys, jwks.KEPT_S)
    assert await keys.key("one") is not None
    publisher.may_answer.clear()
    later(keys, jwks.AGAIN_AFTER_S)
    calling = keys.key("one")
    with pytest.raises(StopIteration) as returned:
        calling.send(None)
    assert returned.value.value is not None
    assert keys._is_fetching


def test_an_answer_that_is_too_long_is_no_set_of_keys(publisher: Publisher) -> None:
    assert jwks._keys_at(publisher.url) is not None
    publisher.body += b" " * jwks.MAX_BYTES
    assert jwks._keys_at(publisher.url) is None


def test_the_log_does_not_tell_the_address(caplog: pytest.LogCaptureFixture) -> None:
    """It may carry a secret, and what cannot be read of it is told by the library."""
    assert jwks._keys_at("http://127.0.0.1:1/keys?secret=a b") is None
    assert "--token-jwks" in caplog.text
    assert "secret" not in caplog.text


def test_an_answer_that_comes_in_drops_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "FETCH_LIMIT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def drip() -> None:
            to, _ = server.accept()
            with to:
                to.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                until_s = time.monotonic() + LIMIT_S
                while not ended.wait(0.1) and time.monotonic() < until_s:
                    try:
                        to.sendall(b" ")
                    except OSError:
                        return

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert jwks._keys_at(f"http://127.0.0.1:{server.getsockname()[1]}/") is None
            assert dripping.is_alive()
        finally:
            ended.set()
            dripping.join()
