"""Keys from an address, which a server of this test serves on the loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from signaling_service.access import jwks
from signaling_service.access.jwks import Jwks
from signaling_service.access.tokens import Tokens
from signaling_service.errors import TokenKeysAway, TokenWrong
from tests.signaling_service.access.minting import minted, private_key, public_jwk


class Publisher:
    """Serves what `answer` says, and counts how often."""

    def __init__(self) -> None:
        self.status, self.body = 200, json.dumps({"keys": [public_jwk("ec", kid="one")]}).encode()
        self.asked = 0
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked += 1
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
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


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
    keys._fetched_s -= jwks.AGAIN_AFTER_S
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
    keys._fetched_s -= jwks.KEPT_S
    assert await keys.key("one") is not None
    assert publisher.asked == 2
    with pytest.raises(TokenKeysAway):
        await Jwks(publisher.url).key("one")
