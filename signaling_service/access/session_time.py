"""How long the sessions of one token may still last: `max_session_s` of its claims, for all of them together.

The time begins with the first offer that is answered. A connection that is lost may be made anew within it.
When it is over, a page that called again with the same token would go on for ever. So only another token
opens a session: the site's own server decides.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from signaling_service.errors import TokenSpent

MAX_TOKENS = 16 * 1024
"""That are remembered until they expire; beyond, the one that began first is forgotten."""


@dataclass(frozen=True, slots=True)
class TimedToken:
    """A token that limits its sessions."""

    digest: bytes
    expires_s: float
    """Unix time."""
    limit_s: float

    @classmethod
    def of(cls, token: str, expires_s: float, limit_s: float) -> TimedToken:
        """Return it by what was signed: of one text there are several valid signatures (ECDSA)."""
        signed = token.rpartition(".")[0]
        return cls(hashlib.blake2b(signed.encode(), digest_size=16).digest(), expires_s, limit_s)


class SessionTime:
    """When the time of each token began."""

    def __init__(self) -> None:
        self._begun: dict[bytes, tuple[float, float]] = {}
        """By digest: monotonic time of the beginning, Unix time of the token's own end."""

    def left_s(self, token: TimedToken, now_s: float) -> float:
        """Return how long a session may last that begins now; raises TokenSpent. `now_s`: monotonic."""
        begun = self._begun.get(token.digest)
        left_s = token.limit_s if begun is None else begun[0] + token.limit_s - now_s
        if left_s <= 0:
            raise TokenSpent
        return left_s

    def begin(self, token: TimedToken, now_s: float, unix_s: float) -> None:
        """Let the time begin, where it has not yet."""
        if token.digest in self._begun:
            return
        if len(self._begun) >= MAX_TOKENS:
            self._begun = {key: one for key, one in self._begun.items() if one[1] > unix_s}
        if len(self._begun) >= MAX_TOKENS:
            del self._begun[next(iter(self._begun))]
        self._begun[token.digest] = (now_s, token.expires_s)
