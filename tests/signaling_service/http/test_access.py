"""Calls with tokens: what they may do, and on whose sessions."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import Request

from shared.log_ids import Ids
from signaling_service.access.token_keys import key_from_setting
from signaling_service.access.tokens import LEEWAY_S, OneKey, Tokens
from signaling_service.http.access import Access
from tests.signaling_service.access.minting import SECRET, minted
from tests.signaling_service.calling import Page, Running, page, running, until
from tests.signaling_service.making import WireWorker, served


@pytest.fixture
async def guarded(results: str) -> AsyncIterator[Running]:
    """A service that takes tokens, and a key beside them."""
    async with running(results, token_key=SECRET, api_key="the key") as service:
        with WireWorker(results, filters=(served("ink"), served("invert"), served("face"))):
            await service.has_worker()
            yield service


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def offered(service: Running, caller: Page, token: str, **body: Any) -> httpx.Response:
    offer = {"type": "offer", "sdp": await caller.offer(), **body}
    return await service.http.post("/offer", json=offer, headers=bearing(token))


async def test_tokens_and_the_key_open_and_nothing_else_does(guarded: Running) -> None:
    for token in (minted(), "the key"):
        assert (await guarded.http.get("/filters", headers=bearing(token))).status_code == 200
    assert code_of(await guarded.http.get("/filters")) == (401, "unauthorized")
    for token in ("other", minted("another secret of thirty-two bytes.")):
        assert code_of(await guarded.http.get("/filters", headers=bearing(token))) == (403, "forbidden")
    over = await guarded.http.get("/filters", headers=bearing(minted(exp=int(time.time()) - 60)))
    assert code_of(over) == (401, "token_expired")
    assert over.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_session_of_another_subject_is_one_that_never_was(guarded: Running, method: str) -> None:
    async with page() as caller:
        opened = await offered(guarded, caller, minted())
        path = f"/sessions/{opened.json()['session']}"
        for other in (minted(sub="ben"), "the key"):
            foreign = await guarded.http.request(method, path, json={}, headers=bearing(other))
            none = await guarded.http.request(
                method, "/sessions/" + "0" * 32, json={}, headers=bearing(other)
            )
            assert code_of(foreign) == code_of(none) == (404, "unknown_session")
            said = foreign.json()["error"]["message"].replace(opened.json()["session"], "0" * 32)
            assert said == none.json()["error"]["message"]
        # Of the same subject, and that which opened it, though it has expired since.
        over = minted(exp=int(time.time()) - 60)
        for own in (minted(filters=["face"]), over):
            same = await guarded.http.patch(path, json={}, headers=bearing(own))
            assert same.status_code == 200
        assert (await guarded.http.delete(path, headers=bearing(over))).status_code == 200
        # Its end may be asked for once more, but by no one else.
        assert (await guarded.http.delete(path, headers=bearing(over))).status_code == 200
        assert (await guarded.http.delete(path, headers=bearing("the key"))).status_code == 404


async def test_a_token_s_filters_are_all_that_there_are(guarded: Running) -> None:
    token = minted(filters=["invert", "face"])
    listed = (await guarded.http.get("/filters", headers=bearing(token))).json()
    assert ([one["name"] for one in listed["filters"]], listed["default"]) == (["face", "invert"], "face")
    async with page() as caller:
        refused = await offered(guarded, caller, token, filter="ink")
        assert code_of(refused) == (403, "filter_not_allowed")
    async with page() as caller:
        opened = await offered(guarded, caller, token, filter="invert")
        await caller.take(opened.json())
        path = f"/sessions/{opened.json()['session']}"
        # A token of the same subject that allows more does not widen a session.
        changed = await guarded.http.patch(path, json={"filter": "ink"}, headers=bearing(minted()))
        assert code_of(changed) == (403, "filter_not_allowed")


async def test_a_subject_has_as_many_sessions_as_its_token_says(guarded: Running) -> None:
    token = minted(max_sessions=1)
    async with page() as first, page() as second, page() as other:
        await first.take((await offered(guarded, first, token)).json())
        refused = await offered(guarded, second, token)
        assert code_of(refused) == (429, "too_many_sessions")
        assert refused.headers["retry-after"]
        assert (await offered(guarded, other, minted(sub="ben", max_sessions=1))).status_code == 200


async def test_a_session_lasts_as_long_as_its_token_says_and_the_page_is_told(guarded: Running) -> None:
    async with page() as caller:
        opened = await offered(guarded, caller, minted(max_session_s=0.5))
        await caller.take(opened.json())
        assert (await caller.has_heard("error"))["error"]["code"] == "time_over"
        await until(lambda: guarded.metric("sessions") == 0)


async def test_a_token_whose_time_is_over_opens_no_other_session(guarded: Running) -> None:
    claims: dict[str, Any] = {"max_session_s": 0.5, "max_sessions": 2}
    token = minted(**claims)
    async with page() as caller:
        await caller.take((await offered(guarded, caller, token)).json())
        assert (await caller.has_heard("error"))["error"]["code"] == "time_over"
        await until(lambda: guarded.metric("sessions") == 0)
    async with page() as again:
        assert code_of(await offered(guarded, again, token)) == (401, "token_spent")
    assert (await guarded.http.get("/filters", headers=bearing(token))).status_code == 200
    async with page() as again:
        assert (await offered(guarded, again, minted(iat=1, **claims))).status_code == 200


async def test_a_connection_that_is_made_anew_has_what_is_left_of_the_time(
    guarded: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    granted: list[float | None] = []
    sessions = guarded.service.sessions
    open_ = sessions.open

    async def noting(offer: Any, caller: Any) -> Any:
        granted.append(caller.grant.max_session_s)
        return await open_(offer, caller)

    monkeypatch.setattr(sessions, "open", noting)
    token = minted(max_session_s=60)
    async with page() as first, page() as second, page() as refused:
        # What is not answered takes no time.
        assert (await offered(guarded, refused, token, filter="unknown")).status_code == 404
        assert (await offered(guarded, first, token)).status_code == 200
        assert (await offered(guarded, second, token)).status_code == 200
    assert granted[:2] == [60, 60]
    assert granted[2] is not None
    assert 0 < granted[2] < 60


async def test_the_time_of_a_token_is_remembered_as_long_as_the_token_is_taken() -> None:
    ends_s = int(time.time()) + 60
    tokens = Tokens(OneKey(key_from_setting(SECRET)), None, "p2pcamera", needs_audience=False)
    access = Access(None, tokens)
    bearer = b"Bearer " + minted(exp=ends_s, max_session_s=60).encode()
    scope = {"type": "http", "headers": [(b"authorization", bearer)], "client": ("127.0.0.1", 1)}
    request = Request(scope)
    await access.check_for_offer(request)
    access.note_answered(request)
    ((_, forgotten_s),) = access._time._begun.values()
    assert forgotten_s == ends_s + LEEWAY_S


async def test_a_picture_over_the_token_s_size_ends_its_session(guarded: Running) -> None:
    async with page() as caller:
        opened = await offered(guarded, caller, minted(max_width=128, max_height=96))
        await caller.begin(opened.json())
        assert (await caller.has_heard("error"))["error"]["code"] == "picture_too_large"


async def test_a_token_for_some_pages_is_of_no_use_to_others(guarded: Running) -> None:
    token = bearing(minted(origins=["https://meet.example"]))
    for origin, status in (("https://meet.example", 200), ("https://evil.example", 403)):
        answer = await guarded.http.get("/filters", headers={**token, "origin": origin})
        assert answer.status_code == status


async def test_no_log_line_holds_a_token_a_description_or_an_address(
    guarded: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "signaling_service")
    caplog.handler.addFilter(Ids())
    token = minted()
    async with page() as caller:
        opened = await offered(guarded, caller, token, params={"strength": 0.5})
        await caller.take(opened.json())
        await caller.shows(1)
        path = f"/sessions/{opened.json()['session']}"
        secret_picture = "c2VjcmV0IHBpY3R1cmU"
        await guarded.http.patch(path, json={"params": {"strength": secret_picture}}, headers=bearing(token))
        await offered_wrong(guarded, token)
        await guarded.http.delete(path, headers=bearing(token))
    await asyncio.sleep(0)
    own = [record for record in caplog.records if record.name.startswith("signaling_service")]
    lines = "\n".join(f"{record.__dict__['ids']}{record.getMessage()}" for record in own)
    assert opened.json()["session"] in lines
    ufrag = opened.json()["sdp"].partition("a=ice-ufrag:")[2].split()[0]
    for secret in (token, SECRET, secret_picture, "a=candidate", "m=video", ufrag, "127.0.0.1", "the key"):
        assert secret not in lines


async def offered_wrong(service: Running, token: str) -> None:
    sdp = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"
    answer = await service.http.post("/offer", json={"type": "offer", "sdp": sdp}, headers=bearing(token))
    assert answer.status_code == 422
