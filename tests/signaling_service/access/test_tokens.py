from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from signaling_service.access.caller import Grant
from signaling_service.access.token_keys import key_from_setting
from signaling_service.access.tokens import MAX_TOKEN_CHARS, OneKey, Tokens
from signaling_service.errors import OriginRefused, TokenExpired, TokenWrong
from tests.signaling_service.access.minting import SECRET, minted, private_key, public_pem

MEET = "https://meet.example"


def tokens(key: str = SECRET, issuer: str | None = None, *, needs_audience: bool = False) -> Tokens:
    return Tokens(OneKey(key_from_setting(key)), issuer, "p2pcamera", needs_audience=needs_audience)


async def test_a_token_says_whose_it_is_and_what_it_allows() -> None:
    token = minted(
        filters=["ink"],
        max_sessions=2,
        max_session_s=60,
        max_width=640,
        max_height=480,
        publish=["anna-1"],
        other={"of": "others"},
    )
    claims = await tokens().claims(token, None)
    assert claims.sub == "anna"
    none: frozenset[str] = frozenset()
    streams = {"publish": frozenset({"anna-1"}), "watch": none}
    assert claims.grant == Grant(frozenset({"ink"}), 2, 60, 640, 480, **streams)
    assert (await tokens().claims(minted(), MEET)).grant == Grant(publish=none, watch=none)


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("rsa", "RS256"), ("rsa", "PS512"), ("ec", "ES256"), ("ed25519", "EdDSA")],
)
async def test_a_public_key_is_enough_to_check(kind: str, algorithm: str) -> None:
    checking = tokens(public_pem(kind))
    assert (await checking.claims(minted(private_key(kind), algorithm), None)).sub == "anna"
    one_line = tokens(public_pem(kind).replace("\n", "\\n"))
    assert (await one_line.claims(minted(private_key(kind), algorithm), None)).sub == "anna"


def by_hand(header: dict[str, Any], secret: bytes, **claims: Any) -> str:
    """A token that no library would make."""

    def packed(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    said = {"sub": "anna", "exp": int(time.time()) + 60, **claims}
    head = f"{packed(json.dumps(header).encode())}.{packed(json.dumps(said).encode())}"
    made = hmac.new(secret, head.encode(), hashlib.sha256).digest() if secret else b""
    return f"{head}.{packed(made)}"


@pytest.mark.parametrize("kind", ["rsa", "ec", "ed25519"])
async def test_a_public_key_is_never_taken_for_a_secret(kind: str) -> None:
    forged = by_hand({"alg": "HS256"}, public_pem(kind).encode())
    with pytest.raises(TokenWrong, match="algorithm"):
        await tokens(public_pem(kind)).claims(forged, None)


@pytest.mark.parametrize("algorithm", ["none", "None", "RS256", "HS1", ""])
async def test_the_token_does_not_choose_how_it_is_checked(algorithm: str) -> None:
    for secret in (b"", SECRET.encode()):
        with pytest.raises(TokenWrong):
            await tokens().claims(by_hand({"alg": algorithm}, secret), None)


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": None}, {"exp": None}, {"sub": ""}, {"sub": 5}, {"sub": "x" * 257}, {"exp": "soon"},
        {"nbf": int(time.time()) + 3600}, {"aud": "others"}, {"aud": ["a", "b"]}, {"filters": "ink"},
        {"filters": [1]}, {"max_sessions": 0}, {"max_sessions": "2"}, {"max_sessions": True},
        {"max_sessions": 2**64}, {"max_height": 10**30}, {"max_session_s": -1}, {"max_width": 1.5},
        {"origins": ["meet.example"]}, {"publish": "all"}, {"watch": 1},
    ],
)  # fmt: skip
async def test_a_token_that_is_not_as_it_must_be_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenWrong) as refused:
        await tokens().claims(by_exp("soon") if claims.get("exp") else minted(**claims), MEET)
    assert SECRET not in str(refused.value)


def by_exp(value: Any) -> str:
    return by_hand({"alg": "HS256"}, SECRET.encode(), exp=value)


@pytest.mark.parametrize(
    "token", ["", "x", "a.b", "a.b.c", ".." * 9, "\x00", "é", "x" * (MAX_TOKEN_CHARS + 1)]
)
async def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(TokenWrong):
        await tokens().claims(token, None)


async def test_a_valid_token_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(TokenWrong, match="too long"):
        await tokens().claims(minted(more="x" * MAX_TOKEN_CHARS), MEET)


async def test_another_key_and_a_changed_token_are_refused() -> None:
    token = minted()
    head, body, signature = token.split(".")
    longer = by_hand({"alg": "HS256"}, b"", sub="ben").split(".")[1]
    for wrong in (minted("another secret of thirty-two bytes."), f"{head}.{longer}.{signature}", token[:-4]):
        with pytest.raises(TokenWrong):
            await tokens().claims(wrong, None)
    assert body != longer


async def test_an_expired_token_is_told_apart_and_may_still_end_its_session() -> None:
    over = minted(exp=int(time.time()) - 60)
    with pytest.raises(TokenExpired):
        await tokens().claims(over, None)
    assert (await tokens().claims(over, None, may_be_over=True)).sub == "anna"
    with pytest.raises(TokenWrong):
        await tokens().claims(minted("another secret of thirty-two bytes."), None, may_be_over=True)
    assert await tokens().claims(minted(exp=int(time.time()) - 5), None)  # Clocks differ.


async def test_issuer_and_audience_are_checked_where_they_are_set() -> None:
    assert await tokens(issuer="https://site").claims(minted(iss="https://site"), None)
    for wrong in ("https://other", None):
        with pytest.raises(TokenWrong):
            await tokens(issuer="https://site").claims(minted(iss=wrong), None)
    for audience in ("p2pcamera", ["a", "p2pcamera"]):
        assert await tokens(needs_audience=True).claims(minted(aud=audience), None)
    with pytest.raises(TokenWrong, match="audience"):
        await tokens(needs_audience=True).claims(minted(), None)


async def test_a_token_may_be_for_pages_of_some_origins() -> None:
    token = minted(origins=["https://meet.example/", "http://localhost:80"])
    for origin in (MEET, "http://localhost", None):
        assert await tokens().claims(token, origin)
    for origin in ("https://evil.example", "null", "https://meet.example.evil.example"):
        with pytest.raises(OriginRefused):
            await tokens().claims(token, origin)


@pytest.mark.parametrize("claims", [{"exp": float("inf")}, {"max_session_s": float("inf")}])
async def test_a_token_has_an_end(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenWrong, match="finite"):
        await tokens().claims(minted(**claims), None, may_be_over=True)
