"""What callers send before their bodies are read: headers, tokens; and the keys that tokens are checked with.

The loop of these targets is their own; none of them waits for anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import time
from typing import Any

import jwt
from starlette.types import Receive, Scope, Send

from signaling_service.access.networks import network_of
from signaling_service.access.origins import Origins
from signaling_service.access.session_time import SessionTime, TimedToken
from signaling_service.access.token_keys import TokenKey, key_from_setting, keys_from_jwks
from signaling_service.access.tokens import OneKey, Tokens
from signaling_service.errors import SignalingError, TokenWrong
from signaling_service.http.proxies import TrustedProxies
from signaling_service.http.static_files import accepts_gzip
from tests.signaling_service.access.minting import SECRET

PAGE = "https://meet.example"
_PROXY = "127.0.0.1"
_OTHERS = "a secret by which no input here is signed"


def token(data: bytes) -> None:
    """A token that nobody has signed."""
    with contextlib.suppress(TokenWrong):
        run(_tokens(_OTHERS).claims(data.decode(errors="replace"), PAGE))
        raise AssertionError("a token that nobody has signed was taken")


def claims(data: bytes) -> None:
    """What a site's own server has signed, whatever it says; the session's time is reckoned with it."""
    signed = jwt.api_jws.encode(data, SECRET, "HS256")
    for may_be_over in (False, True):
        with contextlib.suppress(SignalingError):
            said = run(_tokens(SECRET).claims(signed, PAGE, may_be_over=may_be_over))
            if said.grant.max_session_s is not None:
                timed, spent = TimedToken.of(signed, said.exp, said.grant.max_session_s), SessionTime()
                spent.left_s(timed, time.monotonic())
                spent.begin(timed, time.monotonic(), time.time())
            json.dumps(said.model_dump(mode="json"), allow_nan=False)


def jwks(data: bytes) -> None:
    """The answer of `--token-jwks`: what is read of it can check tokens."""
    with contextlib.suppress(ValueError, RecursionError):
        for kid, key in keys_from_jwks(json.loads(data)).items():
            _check(kid, key)


def headers(data: bytes) -> None:
    """Headers of a request, one a line: Origin, Host, Accept-Encoding, and those of a proxy."""
    text = data.decode("latin-1")
    origin, host, accepted, prefix, address, scheme = (*text.split("\n"), *[""] * 6)[:6]
    for judge in (Origins([PAGE], ["cam.example"]), Origins(["*"])):
        judge.takes_host(host, _PROXY)
        judge.takes(origin, host, "http")
    accepts_gzip(accepted)
    network_of(address)
    given = {"prefix": prefix, "for": address, "proto": scheme}
    run(TrustedProxies(_noting, [_PROXY])(_scope(host, given), _nothing, _to_nobody))


def run(coroutine: Any) -> Any:
    """Return what a coroutine returns that waits for nothing."""
    return _loop().run_until_complete(coroutine)


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@functools.cache
def _tokens(secret: str) -> Tokens:
    return Tokens(OneKey(key_from_setting(secret)), None, "p2pcamera", needs_audience=False)


def _check(kid: str, key: TokenKey) -> None:
    assert key.algorithms
    unsigned = jwt.encode({"sub": "anna"}, SECRET, "HS256", headers={"kid": kid})
    with contextlib.suppress(jwt.PyJWTError):
        jwt.decode(unsigned, key.key, algorithms=list(key.algorithms))
        raise AssertionError("a public key was taken for a secret")


def _scope(host: str, given: dict[str, str]) -> Scope:
    named = [(f"x-forwarded-{name}".encode(), value.encode("latin-1")) for name, value in given.items()]
    return {
        "type": "http",
        "path": "/offer",
        "scheme": "http",
        "client": (_PROXY, 5),
        "headers": [(b"host", host.encode("latin-1")), *named],
    }


async def _noting(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand in for the application."""
    assert scope["path"].endswith("/offer")
    assert "//" not in scope.get("root_path", "")


async def _nothing() -> Any:
    raise AssertionError("nobody reads the body here")


async def _to_nobody(message: Any) -> None:
    raise AssertionError("nobody answers here")
