"""The keys of `--token-jwks`: fetched when a token needs one, and kept for a while."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import time
import urllib.error
import urllib.request
from typing import Any, NoReturn

from signaling_service.access.token_keys import TokenKey, keys_from_jwks
from signaling_service.errors import TokenKeysAway

logger = logging.getLogger(__name__)

KEPT_S = 300.0
"""A key that its publisher has withdrawn is taken for so long."""
AGAIN_AFTER_S = 10.0
"""The shortest time between two fetches, however many tokens name a key that is not there."""
FETCH_LIMIT_S = 5.0
MAX_BYTES = 256 * 1024


class Jwks:
    """Keys by `kid`; event loop only. Old keys stay where the address does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, TokenKey] | None = None
        self._fetched_s = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> TokenKey | None:
        """Return a key; None where there is none of that name. Raises TokenKeysAway without any keys."""
        if not self._is_known(kid) or self._age_s() > KEPT_S:
            async with self._lock:
                # Whoever had the lock before may have fetched it.
                if not self._is_known(kid) or self._age_s() > KEPT_S:
                    await self._fetch()
        if self._keys is None:
            raise TokenKeysAway
        if not kid and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _is_known(self, kid: str) -> bool:
        return self._keys is not None and (kid in self._keys or (not kid and len(self._keys) == 1))

    def _age_s(self) -> float:
        return time.monotonic() - self._fetched_s

    async def _fetch(self) -> None:
        if self._age_s() < AGAIN_AFTER_S:
            return
        self._fetched_s = time.monotonic()
        try:
            self._keys = keys_from_jwks(json.loads(await asyncio.to_thread(_read, self._url)))
        except (OSError, ValueError, RecursionError, http.client.HTTPException) as exc:
            # Its name alone: an address may carry a secret.
            logger.error("--token-jwks: the keys cannot be fetched (%s)", type(exc).__name__)


def _read(url: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(url, timeout=FETCH_LIMIT_S) as answer:
        content: bytes = answer.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError("the set of keys is too long")
    return content


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The keys come from the address that was named, and from no other."""

    def redirect_request(self, req: Any, fp: Any, code: int, *rest: Any) -> NoReturn:
        raise urllib.error.HTTPError(req.full_url, code, "redirects are not followed", rest[1], fp)
