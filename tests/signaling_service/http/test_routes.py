from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from itertools import product
from typing import Any

import httpx
import psutil
import pytest

from signaling_service.config import Settings
from signaling_service.http import body_limit
from signaling_service.http.app import create_app
from signaling_service.http.body_limit import MAX_BODY_BYTES, SMALL_BYTES
from signaling_service.http.static_files import accepts_gzip
from signaling_service.service import Service
from signaling_service.session.requests import MAX_PARAMS_BYTES
from tests.signaling_service.calling import HeldAnswers, Page, Running, page, running, until
from tests.signaling_service.making import WireWorker, served


@pytest.fixture
async def bare(results: str) -> AsyncIterator[Running]:
    """A service without a worker."""
    async with running(results) as made:
        yield made


@pytest.fixture
async def service(results: str) -> AsyncIterator[Running]:
    async with running(results) as made:
        with WireWorker(results):
            await made.has_worker()
            yield made


class Calling:
    """A page in a call, which says parameters in each way that there is."""

    def __init__(self, service: Running, caller: Page) -> None:
        self._http = service.http
        self._caller = caller

    async def says_params(self, place: str, params: str) -> dict[str, Any]:
        """Return the error that comes back; the text of `params` need not be JSON."""
        headers = {"content-type": "application/json"}
        if place == "channel":
            self._caller.say(f'{{"type": "filter", "name": "ink", "params": {params}}}')
            return dict((await self._caller.hears("error"))["error"])
        if place == "session":
            path, body = f"/sessions/{self._caller.answer['session']}", f'{{"params": {params}}}'
            return error_of(await self._http.patch(path, content=body, headers=headers))
        query = {"params": params} if place == "query" else {}
        body = '{"type": "offer", "sdp": "v=0"' + ("}" if query else f', "params": {params}}}')
        return error_of(await self._http.post("/offer", params=query, content=body, headers=headers))


@pytest.fixture
async def calling_page(service: Running) -> AsyncIterator[Calling]:
    async with page() as caller:
        await caller.call(service.http)
        yield Calling(service, caller)


def error_of(response: httpx.Response, status: int | None = None) -> dict[str, Any]:
    assert response.status_code == (status or response.status_code) >= 400, response.text
    body = response.json()
    assert set(body) == {"error"}
    assert body["error"]["code"]
    assert body["error"]["message"]
    assert "Traceback" not in response.text
    return dict(body["error"])


async def test_the_service_is_alive_at_once_and_ready_with_a_worker(bare: Running, results: str) -> None:
    assert (await bare.http.get("/healthz")).json() == {"status": "ok"}
    response = await bare.http.get("/readyz")
    assert error_of(response, 503)["code"] == "no_worker"
    assert response.headers["retry-after"]
    with WireWorker(results):
        await bare.has_worker()
        assert (await bare.http.get("/readyz")).status_code == 200


async def test_filters_are_what_live_workers_serve(bare: Running, results: str) -> None:
    assert (await bare.http.get("/filters")).json() == {"filters": [], "default": "ink"}
    with WireWorker(results, filters=(served("ink", keeps_state=True, is_private=True),)):
        await bare.has_worker()
        (ink,) = (await bare.http.get("/filters")).json()["filters"]
    assert (ink["name"], ink["title"], ink["workers"]) == ("ink", "Ink", 1)
    assert (ink["keeps_state"], ink["private"]) == (True, True)
    assert ink["schema"]["properties"]["strength"]["maximum"] == 1


async def test_filters_that_are_not_allowed_are_neither_listed_nor_taken(results: str) -> None:
    async with running(results, allowed_filters=("invert", "face"), default_filter="invert") as service:
        with WireWorker(results), WireWorker(results, worker="w2", filters=(served("face"),)):
            await until(lambda: len(service.service.workers.live()) == 2)
            listed = (await service.http.get("/filters")).json()
            assert [one["name"] for one in listed["filters"]] == ["face", "invert"]
            assert listed["default"] == "invert"
            for filters in ("ink", "never served", ["invert", "ink"]):
                body = {"type": "offer", "sdp": "v=0", "filter": filters}
                error = error_of(await service.http.post("/offer", json=body), 403)
                assert error["code"] == "filter_not_allowed"
                assert "allowed are: face, invert" in error["message"]
            async with page() as caller:
                await caller.call(service.http)
                assert caller.answer["filter"] == "invert"
                path = f"/sessions/{caller.answer['session']}"
                refused = await service.http.patch(path, json={"filter": "ink"})
                assert error_of(refused, 403)["code"] == "filter_not_allowed"
                caller.say({"type": "filter", "name": "ink"})
                assert (await caller.hears("error"))["error"]["code"] == "filter_not_allowed"
                assert (await service.http.patch(path, json={})).json()["filter"] == "invert"


def bad_offers() -> Iterator[tuple[str, dict[str, Any], int, str]]:
    """Give what each is, what is posted, and the status and code of the answer."""
    good = {"sdp": "v=0", "type": "offer"}
    yield ("no JSON", {"content": "{"}, 400, "malformed")
    yield ("no UTF-8", {"content": b"\xff"}, 400, "malformed")
    yield ("nested deep", {"content": "[" * 30000}, 400, "malformed")
    for depth in (33, 300, 600, 900):
        deep = '{"a":' * depth + "1" + "}" * depth
        body = f'{{"type": "offer", "sdp": "v=0", "params": {deep}}}'
        yield (f"params nested {depth} deep", {"content": body}, 400, "malformed")
        if depth == 300:
            yield ("query nested deep", {"json": good, "params": {"params": deep}}, 400, "malformed")
    crowded: list[dict[str, Any]] = [dict.fromkeys(map(str, range(5000)), 1), {"a": [[]] * 5000}]
    for many in crowded:
        yield ("many values", {"json": {**good, "params": many}}, 400, "malformed")
    yield ("a list", {"json": []}, 400, "malformed")
    yield ("no sdp", {"json": {"type": "offer"}}, 400, "malformed")
    yield ("sdp a number", {"json": {**good, "sdp": 5}}, 400, "malformed")
    yield ("an answer", {"json": {**good, "type": "answer"}}, 400, "malformed")
    yield ("params a list", {"json": {**good, "params": []}}, 400, "malformed")
    yield ("outage unknown", {"json": {**good, "outage": "maybe"}}, 400, "malformed")
    yield ("an empty chain", {"json": {**good, "filter": []}}, 400, "malformed")
    yield ("a long chain", {"json": {**good, "filter": ["ink"] * 9}}, 400, "malformed")
    yield ("query params", {"json": good, "params": {"params": "{"}}, 400, "malformed")
    yield ("query filter", {"json": good, "params": {"filter": "ink,"}}, 400, "malformed")
    yield ("unknown filter", {"json": {**good, "filter": "nope"}}, 404, "unknown_filter")
    yield ("in the query", {"json": good, "params": {"filter": "nope"}}, 404, "unknown_filter")
    yield ("parameter out of range", {"json": {**good, "params": {"strength": 3}}}, 422, "invalid_params")
    long = {"a": "x" * (MAX_PARAMS_BYTES - 1)}
    yield ("params too long to travel", {"json": {**good, "params": long}}, 400, "malformed")
    yield ("a number too large", {"json": {**good, "params": {"a": 2**64}}}, 400, "malformed")
    yield ("large", {"content": "x" * (MAX_BODY_BYTES + 1)}, 413, "too_large")
    yield ("an empty description", {"json": good}, 422, "unusable_offer")
    yield ("no SDP", {"json": {**good, "sdp": "hello"}}, 422, "unusable_offer")
    yield ("zeros", {"json": {**good, "sdp": "\x00" * 1000}}, 422, "unusable_offer")


async def test_a_bad_offer_gets_its_error_and_leaves_nothing(service: Running) -> None:
    headers = {"content-type": "application/json"}
    for name, request, status, code in bad_offers():
        response = await service.http.post("/offer", headers=headers, **request)
        assert (name, error_of(response)["code"], response.status_code) == (name, code, status)
        await service.is_free()


async def test_head_is_answered_as_get_without_the_content(service: Running) -> None:
    asked = {"accept-encoding": "identity"}
    for path in ("/healthz", "/readyz", "/metrics", "/filters", "/ice-servers", "/", "/p2pcamera.js"):
        got = await service.http.get(path, headers=asked)
        head = await service.http.head(path, headers=asked)
        assert (path, head.status_code, head.content) == (path, 200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]


async def test_another_method_is_405_and_the_answer_names_those_that_are_taken(service: Running) -> None:
    for method, path, allowed in (
        ("GET", "/offer", "POST"),
        ("HEAD", "/offer", "POST"),
        ("PUT", "/offer", "POST"),
        ("PUT", "/whip", "OPTIONS, POST"),
        ("GET", f"/sessions/{'0' * 32}", "DELETE, PATCH"),
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/metrics", "GET, HEAD"),
        ("POST", "/p2pcamera.js", "GET, HEAD"),
    ):
        response = await service.http.request(method, path)
        assert (method, path, response.status_code) == (method, path, 405)
        assert response.headers["allow"] == allowed
        if method != "HEAD":
            assert error_of(response, 405)["code"] == "method_not_allowed"


PLACES = ("offer", "query", "session", "channel")


async def test_what_is_no_number_in_json_is_malformed(calling_page: Calling) -> None:
    for place, number in product(PLACES, ("NaN", "Infinity", "-Infinity")):
        error = await calling_page.says_params(place, f'{{"strength": {number}}}')
        assert (place, number, error["code"]) == (place, number, "malformed")


async def test_a_number_beyond_all_floats_is_refused_by_its_name(calling_page: Calling) -> None:
    refused = ('{"strength": 1e999}', "strength"), ('{"a": [1, {"b": -1e999}]}', "a.1.b")
    for place, (params, field) in product(PLACES, refused):
        error = await calling_page.says_params(place, params)
        assert (place, error["code"], error["field"]) == (place, "invalid_params", field)


async def test_a_schema_with_an_endless_bound_is_listed_without_it(bare: Running, results: str) -> None:
    endless = {
        "type": "object",
        "properties": {"x": {"type": "number", "maximum": float("inf"), "minimum": 0}},
    }
    with WireWorker(results, filters=(served(schema=endless),)):
        await bare.has_worker()
        (ink,) = (await bare.http.get("/filters")).json()["filters"]
    assert ink["schema"]["properties"]["x"] == {"type": "number", "minimum": 0}


async def test_a_body_that_breaks_off_leaves_no_traceback(
    service: Running, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(service.service)
    coming = [
        {"type": "http.request", "body": b'{"type": "offer", ', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/offer", "raw_path": b"/offer", "query_string": b"",
        "scheme": "http", "http_version": "1.1", "server": ("127.0.0.1", 1), "client": ("127.0.0.1", 2),
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }  # fmt: skip
    await app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_service_that_cannot_drain_is_closed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    service, done = Service(Settings()), []

    async def opened() -> None:
        done.append("opened")

    async def drained(hurry: asyncio.Event) -> None:
        raise OSError("no way")

    async def closed() -> None:
        done.append("closed")

    for name, stand_in in (("open", opened), ("drain", drained), ("close", closed)):
        monkeypatch.setattr(service, name, stand_in)
    app = create_app(service, hurry=asyncio.Event())
    with pytest.raises(OSError, match="no way"):
        async with app.router.lifespan_context(app):
            pass
    assert done == ["opened", "closed"]


async def test_a_fault_of_the_service_is_told_without_what_it_was(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("of the inside")

    monkeypatch.setattr(service.service.sessions, "served_filters", broken)
    response = await service.http.get("/filters")
    assert error_of(response, 500) == {"code": "internal", "message": "internal error"}


async def test_every_broken_line_of_an_offer_is_refused_or_answered(service: Running) -> None:
    async with page() as caller:
        lines = (await caller.offer()).split("\r\n")
    for index in range(0, len(lines), 3):
        sdp = "\r\n".join([*lines[:index], lines[index][: len(lines[index]) // 2], *lines[index + 1 :]])
        response = await service.http.post("/offer", json={"type": "offer", "sdp": sdp})
        if response.status_code == 200:
            await service.http.delete(f"/sessions/{response.json()['session']}")
        else:
            error_of(response, 422)
    await service.is_free()


async def test_an_offer_of_another_type_is_refused(service: Running) -> None:
    response = await service.http.post("/offer", content="x", headers={"content-type": "text/plain"})
    assert error_of(response, 415)["message"].endswith("application/json")


async def test_an_offer_without_video_is_refused(service: Running) -> None:
    async with page() as caller:
        sdp = await caller.offer(video=False)
        response = await service.http.post("/offer", json={"type": "offer", "sdp": sdp})
    assert "video" in error_of(response, 422)["message"]
    await service.is_free()


@pytest.mark.parametrize("direction", ["sendonly", "recvonly", "inactive"])
async def test_an_offer_that_does_not_send_and_receive_is_refused(service: Running, direction: str) -> None:
    async with page() as caller:
        sdp = (await caller.offer()).replace("a=sendrecv", f"a={direction}")
        response = await service.http.post("/offer", json={"type": "offer", "sdp": sdp})
    assert "video" in error_of(response, 422)["message"]
    await service.is_free()


async def test_without_a_worker_an_offer_is_told_to_come_back(bare: Running) -> None:
    response = await bare.http.post("/offer", json={"sdp": "v=0", "type": "offer"})
    assert error_of(response, 503)["code"] == "no_worker"
    assert int(response.headers["retry-after"]) >= 1


async def test_a_full_service_answers_503_with_retry_after(results: str) -> None:
    async with running(results, max_sessions=1) as service:
        with WireWorker(results):
            await service.has_worker()
            async with page() as first, page() as second:
                await first.call(service.http)
                response = await service.http.post(
                    "/offer", json={"type": "offer", "sdp": await second.offer()}
                )
                assert error_of(response, 503)["code"] == "full"
                assert response.headers["retry-after"]
                assert error_of(await service.http.get("/readyz"), 503)["code"] == "full"
                await service.http.delete(f"/sessions/{first.answer['session']}")
                assert (await service.http.get("/readyz")).status_code == 200


async def test_an_offer_that_has_no_place_is_refused_before_it_is_read(results: str) -> None:
    async def body(sdp: str) -> AsyncIterator[bytes]:
        read.append("offer")
        yield json.dumps({"type": "offer", "sdp": sdp}).encode()

    async with running(results, max_sessions=1) as service:
        with WireWorker(results):
            await service.has_worker()
            read: list[str] = []
            headers = {"content-type": "application/json"}
            async with page() as first, page() as second:
                await first.call(service.http)
                sdp = await second.offer()
                refused = await service.http.post("/offer", content=body(sdp), headers=headers)
                assert error_of(refused, 503)["code"] == "full"
                assert read == []
                assert service.metric("offers_total", outcome="full") == 1
                await service.http.delete(f"/sessions/{first.answer['session']}")
                taken = await service.http.post("/offer", content=body(sdp), headers=headers)
                assert taken.status_code == 200
                assert read == ["offer"]


async def test_offers_that_never_connect_keep_nobody_out(results: str) -> None:
    async with running(results, max_sessions=2, max_connecting_per_address=4) as service:
        with WireWorker(results):
            await service.has_worker()
            body = {"type": "offer", "sdp": await _an_offer()}
            opened = [(await service.http.post("/offer", json=body)).json()["session"] for _ in range(6)]
            await until(lambda: service.metric("sessions") == 4)
            for name, status in zip(opened, (404, 404, 200, 200, 200, 200), strict=True):
                assert (await service.http.patch(f"/sessions/{name}", json={})).status_code == status
            assert (await service.http.get("/readyz")).status_code == 200
            async with page() as caller:
                await caller.call(service.http)
                assert service.metric("sessions") == 4
            for name in opened[2:]:
                await service.http.delete(f"/sessions/{name}")
            await service.is_free()


async def test_an_offer_that_is_given_up_while_it_is_answered_is_not_to_blame(
    results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(results, max_connecting_per_address=1) as service:
        with WireWorker(results):
            await service.has_worker()
            body, had = {"type": "offer", "sdp": await _an_offer()}, _udp_sockets()
            answers = HeldAnswers(monkeypatch)
            asked = [asyncio.create_task(service.http.post("/offer", json=body)) for _ in range(4)]
            await answers.have_begun(4)
            answers.go_on()
            heard = await asyncio.gather(*asked)
            (taken,) = (one.json()["session"] for one in heard if one.status_code == 200)
            for refused in (one for one in heard if one.status_code != 200):
                # By 422 a page would never call again.
                assert error_of(refused, 503)["code"] == "given_up"
                assert refused.headers["retry-after"] == "2"
            assert service.metric("offers_total", outcome="given_up") == 3
            await service.http.delete(f"/sessions/{taken}")
            await service.is_free()
            await until(lambda: _udp_sockets() == had)


async def test_an_offer_that_is_answered_while_the_service_ends_hears_that(
    results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(results) as service:
        with WireWorker(results):
            await service.has_worker()
            body = {"type": "offer", "sdp": await _an_offer()}
            answers = HeldAnswers(monkeypatch)
            asked = asyncio.create_task(service.http.post("/offer", json=body))
            await answers.have_begun(1)
            await service.service.sessions.close_all()
            answers.go_on()
            assert error_of(await asked, 503)["code"] == "shutting_down"
            await service.is_free()


async def test_by_measured_load_one_address_cannot_offer_without_end(results: str) -> None:
    async with running(results, max_sessions=None) as service:
        with WireWorker(results):
            await service.has_worker()
            load = service.service.load
            load.room = lambda sessions: 4 - sessions  # type: ignore[method-assign]
            body = {"type": "offer", "sdp": await _an_offer()}

            async def offered() -> int:
                """Offer, and end what is answered: nobody is behind it."""
                answer = await service.http.post("/offer", json=body)
                if answer.status_code == 200:
                    await service.http.delete(f"/sessions/{answer.json()['session']}")
                else:
                    assert error_of(answer, 503)["code"] == "full"
                return answer.status_code

            # While nobody has a call there is nobody to be disturbed.
            assert [await offered() for _ in range(6)] == [200] * 6
            service.service.sessions._places._taken.clear()
            async with page() as caller:
                await caller.call(service.http)
                assert [await offered() for _ in range(5)] == [200, 200, 200, 503, 503]
                assert (await service.http.get("/readyz")).status_code == 200
                service.service.sessions._places._taken.clear()  # As time does.
                assert await offered() == 200


async def test_of_more_offers_than_places_the_last_to_connect_hears_that_it_is_full(results: str) -> None:
    async with running(results, max_sessions=1) as service:
        with WireWorker(results):
            await service.has_worker()
            async with page() as first, page() as second:
                answers = [
                    (
                        await service.http.post("/offer", json={"type": "offer", "sdp": await one.offer()})
                    ).json()
                    for one in (first, second)
                ]
                await first.take(answers[0])
                await second.begin(answers[1])
                heard = await second.has_heard("error")
                assert heard["error"]["code"] == "full"
                await until(lambda: service.metric("sessions") == 1)
                await first.shows(3)


def _udp_sockets() -> int:
    return len(psutil.Process().net_connections(kind="udp"))


async def _an_offer() -> str:
    caller = Page()
    sdp = await caller.offer(candidates=False)
    await caller.close()
    return sdp


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_an_unknown_session_is_404(service: Running, method: str) -> None:
    response = await service.http.request(method, "/sessions/" + "0" * 32, json={})
    assert error_of(response, 404)["code"] == "unknown_session"


async def test_other_paths_get_the_same_shape_of_error(service: Running) -> None:
    for path in ("/nothing", "/../pyproject.toml", "/a%00b", "/" + "x" * 5000, "/%ff"):
        assert error_of(await service.http.get(path), 404)["code"] == "not_found", path
    assert error_of(await service.http.delete("/filters"), 405)["code"] == "method_not_allowed"


async def test_the_api_key_guards_all_calls_but_health_and_pages(results: str) -> None:
    async with running(results, api_key="secret") as service:
        for method, path in [
            ("POST", "/offer"), ("PATCH", "/sessions/x"), ("DELETE", "/sessions/x"), ("GET", "/filters"),
            ("GET", "/ice-servers"), ("GET", "/openapi.json"),
        ]:  # fmt: skip
            response = await service.http.request(method, path)
            assert error_of(response, 401)["code"] == "unauthorized"
            assert response.headers["www-authenticate"] == "Bearer"
            wrong = await service.http.request(method, path, headers={"authorization": "Bearer secre"})
            assert error_of(wrong, 403)["code"] == "forbidden"
        right = {"authorization": "Bearer secret"}
        assert (await service.http.get("/filters", headers=right)).status_code == 200
        for path in ("/healthz", "/metrics", "/", "/p2pcamera.js"):
            assert (await service.http.get(path)).status_code == 200


async def test_the_schema_describes_the_calls_and_no_page_needs_another_host(service: Running) -> None:
    schema = (await service.http.get("/openapi.json")).json()
    assert set(schema["paths"]["/sessions/{session_id}"]) == {"patch", "delete"}
    for path in ("/docs", "/redoc"):
        assert error_of(await service.http.get(path), 404)["code"] == "not_found"


async def test_ice_servers_are_the_configured_ones(results: str) -> None:
    servers = [{"urls": "turn:turn.example", "secret": "shared"}]
    async with running(results, ice_servers=json.dumps(servers)) as service:
        (made,) = (await service.http.get("/ice-servers")).json()["iceServers"]
    assert made["urls"] == "turn:turn.example"
    assert set(made) == {"urls", "username", "credential"}


async def test_a_body_that_grows_past_the_limit_is_cut_off(service: Running) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 8192 + 2):
            yield b"x" * 8192

    response = await service.http.post(
        "/offer", content=endless(), headers={"content-type": "application/json"}
    )
    assert error_of(response, 413)["code"] == "too_large"


async def test_slow_large_bodies_are_few_and_keep_no_small_one_out(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limit, "MAX_WAITING_BYTES", 3 * SMALL_BYTES)
    has_come, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * 2 * SMALL_BYTES
        has_come.set()
        await may_end.wait()

    async def posted(content: Any) -> httpx.Response:
        return await service.http.post(
            "/offer", content=content, headers={"content-type": "application/json"}
        )

    first = asyncio.create_task(posted(slow()))
    await has_come.wait()
    large = b"x" * 2 * SMALL_BYTES
    busy = await posted(large)
    assert error_of(busy, 503)["code"] == "busy"
    assert busy.headers["retry-after"] == "5"
    assert error_of(await posted(b"x" * SMALL_BYTES), 400)["code"] == "malformed"
    may_end.set()
    assert error_of(await first, 400)["code"] == "malformed"
    assert error_of(await posted(large), 400)["code"] == "malformed"


async def test_pages_are_checked_for_newer_versions(service: Running) -> None:
    pages = (
        "/",
        "/index.html",
        "/demo.js",
        "/demo/language.js",
        "/demo/text/ja.js",
        "/p2pcamera.js",
        "/obs.html",
    )
    for path in pages:
        response = await service.http.get(path)
        assert (path, response.status_code) == (path, 200)
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-content-type-options"] == "nosniff"
        again = await service.http.get(path, headers={"if-none-match": response.headers["etag"]})
        assert again.status_code == 304


async def test_text_is_compressed_for_those_who_take_it(service: Running) -> None:
    for path in ("/", "/style.css", "/p2pcamera.js", "/p2pcamera.min.js.map", "/favicon.svg"):
        plain = await service.http.get(path, headers={"accept-encoding": "identity"})
        packed = await service.http.get(path, headers={"accept-encoding": "br, gzip"})
        assert "content-encoding" not in plain.headers
        assert (path, packed.headers["content-encoding"]) == (path, "gzip")
        assert packed.content == plain.content
        assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
        for response in (plain, packed):
            assert "accept-encoding" in response.headers["vary"].lower()
        policies = "content-security-policy", "content-type", "cache-control"
        for name in (*policies, "x-content-type-options", "last-modified"):
            assert packed.headers.get(name) == plain.headers.get(name)
    again = {"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]}
    assert (await service.http.get(path, headers=again)).status_code == 304
    part = await service.http.get("/p2pcamera.js", headers={"accept-encoding": "gzip", "range": "bytes=0-9"})
    assert (part.status_code, len(part.content)) == (206, 10)


async def test_a_third_of_the_script_s_bytes_travel(service: Running) -> None:
    response = await service.http.get("/p2pcamera.js", headers={"accept-encoding": "gzip"})
    assert 3 * int(response.headers["content-length"]) < len(response.content)


async def test_answers_of_the_api_are_not_compressed(service: Running) -> None:
    for path in ("/filters", "/metrics", "/ice-servers"):
        response = await service.http.get(path, headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in response.headers


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("gzip", True), ("br;q=1.0, GZIP;q=0.5", True), ("*", True), ("", False), ("br", False),
        ("gzip;q=0, *", False), ("gzip;q=0.0", False), ("gzip;q=much", False), ("identity, *;q=0", False),
    ],
)  # fmt: skip
def test_who_takes_gzip_says_so(said: str, expected: bool) -> None:
    assert accepts_gzip(said) is expected


async def test_types_of_the_shim_are_text(service: Running) -> None:
    for path in ("/p2pcamera.d.ts", "/p2pcamera.d.mts"):
        assert (await service.http.get(path)).headers["content-type"] == "text/plain; charset=utf-8"


async def test_the_page_has_a_policy_that_lets_nothing_in_from_elsewhere(service: Running) -> None:
    policy = (await service.http.get("/")).headers["content-security-policy"]
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    assert allowed["default-src"] == "'none'"
    assert allowed["script-src"] == allowed["style-src"] == allowed["connect-src"] == "'self'"
    assert "unsafe" not in policy
    assert "content-security-policy" not in (await service.http.get("/p2pcamera.js")).headers


@pytest.mark.parametrize("path", ["/", "/obs.html", "/watch/show"])
async def test_pages_are_left_alone_by_others(service: Running, path: str) -> None:
    headers = (await service.http.get(path)).headers
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["permissions-policy"].startswith("camera=(self), microphone=(self), display-capture=()")


async def test_named_sites_may_embed_the_page_of_a_viewer_and_no_other(results: str) -> None:
    async with running(results, frame_ancestors=("https://school.example",)) as service:
        page = (await service.http.get("/watch/show")).headers
        assert "frame-ancestors 'self' https://school.example" in page["content-security-policy"]
        # Older than such a list: it would keep the named sites out, too.
        assert "x-frame-options" not in page
        demo = (await service.http.get("/")).headers
        assert "school.example" not in demo["content-security-policy"]
        assert demo["x-frame-options"] == "SAMEORIGIN"


async def test_answers_are_kept_by_nobody_and_files_may_be_loaded_by_isolated_pages(service: Running) -> None:
    for path in ("/filters", "/ice-servers", "/nothing", "/healthz", "/metrics", "/sessions/x"):
        headers = (await service.http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] in ("same-origin", "cross-origin")
        if path != "/nothing":
            assert headers["cache-control"] == "no-store"
            assert headers["cross-origin-resource-policy"] == "same-origin"
    for path in ("/p2pcamera.js", "/p2pcamera.mjs", "/p2pcamera.min.js"):
        headers = (await service.http.get(path)).headers
        assert headers["cross-origin-resource-policy"] == "cross-origin"
        assert headers["x-content-type-options"] == "nosniff"


async def test_metrics_name_their_units(service: Running) -> None:
    text = (await service.http.get("/metrics")).text
    assert "p2pcamera_workers 1.0" in text
    assert "p2pcamera_result_latency_seconds_bucket" in text
