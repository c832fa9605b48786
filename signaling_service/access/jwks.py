"""The keys of `--token-jwks`: fetched when a token needs one, and kept for a while."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any, NoReturn

from signaling_service.access.token_keys import TokenKey, keys_from_jwks
from signaling_service.errors import TokenKeysAway

logger = logging.getLogger(__name__)

KEPT_S = 300.0
"""A key that its publisher has withdrawn is taken for so long."""
AGAIN_AFTER_S = 10.0
"""The shortest time between two fetches, however many tokens name a key that is not there."""
FETCH_LIMIT_S = 5.0
WAIT_S = 2.0
"""So long after a fetch has begun callers wait for its answer, and later ones for none."""
MAX_BYTES = 256 * 1024


class Jwks:
    """Keys by `kid`; event loop only. Old keys stay where the address does not answer.

    One fetch at a time, in a thread of its own: it may hang for as long as a name is looked up.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, TokenKey] | None = None
        self._fetched_s = float("-inf")
        """When the keys that are kept were asked for."""
        self._asked_s = float("-inf")
        """When the address was last asked."""
        self._answer: asyncio.Future[None] | None = None

    async def key(self, kid: str) -> TokenKey | None:
        """Return a key; None where there is none of that name.

        Raises TokenKeysAway where that cannot be known now.
        """
        now_s = time.monotonic()
        found = self._find(kid)
        if found is not None and now_s - self._fetched_s <= KEPT_S:
            return found
        has_failed = self._asked_s > self._fetched_s and not self._is_fetching
        if not self._is_fetching and now_s - self._asked_s >= AGAIN_AFTER_S:
            self._fetch(now_s)
        # What is kept is good enough where the address has not answered before.
        if self._is_fetching and (found is None or not has_failed):
            await self._wait(self._asked_s + WAIT_S - now_s)
        found = self._find(kid)
        if found is None and self._asked_s > self._fetched_s:
            raise TokenKeysAway
        return found

    @property
    def _is_fetching(self) -> bool:
        return self._answer is not None and not self._answer.done()

    def _find(self, kid: str) -> TokenKey | None:
        keys = self._keys or {}
        return next(iter(keys.values())) if not kid and len(keys) == 1 else keys.get(kid)

    def _fetch(self, now_s: float) -> None:
        loop = asyncio.get_running_loop()
        answer = self._answer = loop.create_future()
        self._asked_s = now_s

        def take(keys: dict[str, TokenKey] | None) -> None:
            if keys is not None:
                self._keys, self._fetched_s = keys, now_s
            if not answer.done():
                answer.set_result(None)

        def fetch() -> None:
            keys = _keys_at(self._url)
            # The service may have ended meanwhile.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(take, keys)

        threading.Thread(target=fetch, name="jwks", daemon=True).start()

    async def _wait(self, limit_s: float) -> None:
        if self._answer is not None and limit_s > 0:
            await asyncio.wait([self._answer], timeout=limit_s)


def _keys_at(url: str) -> dict[str, TokenKey] | None:
    """Return the keys; None where they cannot be had, which is logged."""
    try:
        return keys_from_jwks(json.loads(_read(url)))
    except (OSError, ValueError, RecursionError, http.client.HTTPException) as exc:
        # Its name alone: an address may carry a secret.
        logger.error("--token-jwks: the keys cannot be fetched (%s)", type(exc).__name__)
    except Exception as exc:
        logger.error("--token-jwks: the keys cannot be read (%s)", type(exc).__name__)
    return None


def _read(url: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirect)
    until_s = time.monotonic() + FETCH_LIMIT_S
    content = b""
    with opener.open(url, timeout=FETCH_LIMIT_S) as answer:
        # The limit above is for each piece alone.
        while piece := answer.read1(MAX_BYTES):
            content += piece
            if len(content) > MAX_BYTES:
                raise ValueError("the set of keys is too long")
            if time.monotonic() > until_s:
                raise TimeoutError
    return content


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The keys come from the address that was named, and from no other."""

    def redirect_request(self, req: Any, fp: Any, code: int, *rest: Any) -> NoReturn:
        raise urllib.error.HTTPError(req.full_url, code, "redirects are not followed", rest[1], fp)
