"""Tokens that a page may carry: JSON Web Tokens (RFC 7519), minted by the site's own server.

| claim | meaning |
| --- | --- |
| `exp`, `sub` | when it ends, and whose it is; both must be there |
| `nbf`, `iss`, `aud` | as RFC 7519 has them |
| `filters`, `origins` | what may be used, and from which pages |
| `max_sessions`, `max_session_s`, `max_width`, `max_height` | see `caller.Grant` |
| `publish`, `watch` | names of streams that may be published and watched, `*` for all; else none |
"""

from __future__ import annotations

from typing import Annotated, Protocol

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from signaling_service.access.caller import Grant
from signaling_service.access.origins import checked
from signaling_service.access.token_keys import TokenKey
from signaling_service.errors import OriginRefused, TokenExpired, TokenWrong

MAX_TOKEN_CHARS = 8 * 1024
LEEWAY_S = 10
"""The clocks of two hosts differ."""

MOST = 2**53 - 1
"""Of whole numbers: the largest of a mint in JavaScript, and one that processes can tell each other."""

Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=100)]


class Claims(BaseModel):
    """What a token says, besides what the library checks itself; unknown claims are others' business."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    sub: str = Field(min_length=1, max_length=256)
    exp: float = Field(allow_inf_nan=False)
    filters: Names | None = None
    origins: Names | None = None
    max_sessions: int | None = Field(None, ge=1, le=MOST)
    max_session_s: float | None = Field(None, gt=0, allow_inf_nan=False)
    max_width: int | None = Field(None, ge=1, le=MOST)
    max_height: int | None = Field(None, ge=1, le=MOST)
    publish: Names = []
    watch: Names = []

    @property
    def grant(self) -> Grant:
        return Grant(
            None if self.filters is None else frozenset(self.filters),
            self.max_sessions,
            self.max_session_s,
            self.max_width,
            self.max_height,
            frozenset(self.publish),
            frozenset(self.watch),
        )


class Keys(Protocol):
    """Where the key of a token comes from."""

    async def key(self, kid: str) -> TokenKey | None:
        """Return the key of this name; None where there is none."""


class OneKey:
    """The key of `--token-key`, whatever name a token gives it."""

    def __init__(self, key: TokenKey) -> None:
        self._key = key

    async def key(self, kid: str) -> TokenKey:
        return self._key


class Tokens:
    """Checks tokens. `audience` must be among a token's; `needs_audience`: and it must name some."""

    def __init__(self, keys: Keys, issuer: str | None, audience: str, *, needs_audience: bool) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._needs_audience = needs_audience

    async def claims(self, token: str, origin: str | None, *, may_be_over: bool = False) -> Claims:
        """Return what a valid token says, brought by a page of `origin` or by a program (None).

        Raises TokenWrong, OriginRefused, TokenKeysAway, or TokenExpired unless it `may_be_over`.
        """
        if len(token) > MAX_TOKEN_CHARS:
            raise TokenWrong("it is too long")
        try:
            kid = jwt.get_unverified_header(token).get("kid", "")
            key = await self._keys.key(kid)
            if key is None:
                raise TokenWrong("no key is known by which it could be checked")
            said = jwt.decode(
                token,
                key.key,
                algorithms=list(key.algorithms),
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "sub"], "verify_aud": False, "verify_exp": not may_be_over},
            )
            claims = Claims.model_validate(said)
        except jwt.ExpiredSignatureError as exc:
            raise TokenExpired from exc
        except ValidationError as exc:
            raise TokenWrong(f"claim {exc.errors()[0]['loc'][0]}: {exc.errors()[0]['msg']}") from exc
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as exc:
            raise TokenWrong(_WHY.get(type(exc), "")) from exc
        self._check_audience(said.get("aud"))
        self._check_origin(claims, origin)
        return claims

    def _check_audience(self, audience: object) -> None:
        if audience is None and not self._needs_audience:
            return
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenWrong("it is for another audience")

    def _check_origin(self, claims: Claims, origin: str | None) -> None:
        if claims.origins is None or origin is None:
            return
        try:
            named = {checked(one) for one in claims.origins}
        except ValueError as exc:
            raise TokenWrong(f"claim origins: {exc}") from exc
        if origin.lower() not in named and "*" not in named:
            raise OriginRefused(origin)


_WHY = {
    jwt.InvalidIssuerError: "it is of another issuer",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAlgorithmError: "its algorithm is not that of the key",
    jwt.MissingRequiredClaimError: "exp and sub must be there",
}
"""What its bearer may know; of others it is told that the token is not valid."""
