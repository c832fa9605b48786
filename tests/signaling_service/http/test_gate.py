"""Which pages may call, under which names, and who may read the answers."""

from __future__ import annotations

from itertools import product
from typing import Any

import httpx
import pytest

from signaling_service.http.body_limit import MAX_BODY_BYTES
from tests.signaling_service.calling import Page, running
from tests.signaling_service.making import WireWorker

EVIL = {"origin": "https://evil.example"}
MEET = {"origin": "https://meet.example"}
CALLS = [
    ("POST", "/offer"), ("PATCH", "/sessions/x"), ("DELETE", "/sessions/x"), ("GET", "/filters"),
    ("GET", "/ice-servers"), ("GET", "/openapi.json"),
]  # fmt: skip


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def preflight(origin: dict[str, str]) -> dict[str, str]:
    return origin | {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,authorization",
        "access-control-request-private-network": "true",
    }


async def test_pages_of_a_foreign_origin_may_not_call_and_read_nothing(results: str) -> None:
    origins = "https://evil.example", "null", "http://service.evil.example"
    async with running(results) as service:
        for origin, (method, path) in product(origins, CALLS):
            answer = await service.http.request(method, path, headers={"origin": origin})
            assert code_of(answer) == (403, "origin_refused")
            assert "access-control-allow-origin" not in answer.headers
            asked = await service.http.options(path, headers=preflight({"origin": origin}))
            assert code_of(asked) == (403, "origin_refused")
        for origin, path in product(origins, ("/healthz", "/readyz", "/metrics")):
            answer = await service.http.get(path, headers={"origin": origin})
            assert answer.status_code in (200, 503)
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["http://service", "http://localhost:8000", "chrome-extension://abcdef", "https://meet.example"]
)
async def test_own_pages_those_on_loopback_the_extension_and_named_sites_may_call(
    results: str, origin: str
) -> None:
    async with running(results, origins=("https://meet.example",)) as service:
        asked = await service.http.options("/offer", headers=preflight({"origin": origin}))
        assert asked.status_code == 200
        assert "authorization" in asked.headers["access-control-allow-headers"].lower()
        assert asked.headers["access-control-allow-private-network"] == "true"
        for answer in (asked, await service.http.get("/filters", headers={"origin": origin})):
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == origin
            assert answer.headers["vary"] == "Origin"
        large = await service.http.post(
            "/offer", content=b"x" * (MAX_BODY_BYTES + 1), headers={"origin": origin}
        )
        assert code_of(large) == (413, "too_large")
        assert large.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("settings", [{"origins": ("*",)}, {"api_key": "secret"}])
async def test_all_pages_may_call_where_the_operator_says_so_or_a_key_is_asked_for(
    results: str, settings: dict[str, Any]
) -> None:
    async with running(results, **settings) as service:
        right = EVIL | {"authorization": "Bearer secret", "host": "cam.example"}
        for answer in (
            await service.http.get("/filters", headers=right),
            await service.http.options("/offer", headers=preflight(right)),
        ):
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == "*"


async def test_with_a_key_sites_may_be_named_too(results: str) -> None:
    async with running(results, api_key="secret", origins=("https://meet.example",)) as service:
        right = {"authorization": "Bearer secret"}
        assert (await service.http.get("/filters", headers=right | MEET)).status_code == 200
        assert code_of(await service.http.get("/filters", headers=right | EVIL)) == (403, "origin_refused")


async def test_programs_name_no_origin_and_may_call(results: str) -> None:
    async with running(results) as service:
        assert (await service.http.get("/filters")).status_code == 200


@pytest.mark.parametrize("path", ["/filters", "/", "/p2pcamera.js", "/sessions/x"])
async def test_a_name_that_is_none_of_this_service_is_refused(results: str, path: str) -> None:
    rebound = {"host": "evil.example:7860", "origin": "http://evil.example:7860"}
    async with running(results) as service:
        assert code_of(await service.http.get(path, headers=rebound)) == (403, "host_refused")
        assert code_of(await service.http.options(path, headers=preflight(rebound)))[0] == 403
        for exempt in ("/healthz", "/metrics"):
            assert (await service.http.get(exempt, headers={"host": "balancer"})).status_code == 200
        for own in ("localhost:7860", "[::1]:7860", "127.0.0.1", "service"):
            assert (await service.http.get("/filters", headers={"host": own})).status_code == 200


async def test_every_page_may_load_the_files(results: str) -> None:
    async with running(results) as service:
        module = await service.http.get("/p2pcamera.mjs", headers=EVIL)
        assert module.headers["access-control-allow-origin"] == "*"
        assert module.headers["content-type"].startswith("text/javascript")


async def test_a_refused_site_is_named_in_the_log_once(
    results: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(results) as service:
        for number in range(100):
            for _ in range(2):
                await service.http.get("/filters", headers={"origin": f"https://{number}.example"})
    told = [record for record in caplog.records if "--origins" in record.getMessage()]
    assert len(told) == 32
    assert "https://0.example" in told[0].getMessage()


async def test_only_proxies_that_are_named_say_whose_call_it_is(results: str) -> None:
    forwarded = {"x-forwarded-for": "203.0.113.7, 198.51.100.1", "host": "127.0.0.1"}
    for trusted, expected in (
        ((), "127.0.0.1"),
        (("127.0.0.0/8", "198.51.100.1"), "203.0.113.7"),
        # Another proxy is named than the one that calls, or than the one before it.
        (("192.0.2.1",), "127.0.0.1"),
        (("127.0.0.0/8",), "198.51.100.1"),
    ):
        async with running(results, trusted_proxies=trusted) as service:
            with WireWorker(results):
                await service.has_worker()
                page = Page()
                body = {"type": "offer", "sdp": await page.offer()}
                answer = await service.http.post("/offer", json=body, headers=forwarded)
                assert answer.status_code == 200
                (place,) = service.service.sessions._places._places.values()
                assert place.address == expected
                await page.close()


@pytest.mark.parametrize(
    ("trusted", "headers", "is_here"),
    [
        ((), {}, True),
        ((), {"x-forwarded-for": "203.0.113.7"}, False),
        ((), {"x-real-ip": "127.0.0.1"}, False),
        ((), {"forwarded": "for=127.0.0.1"}, False),
        (("192.0.2.1",), {"x-forwarded-for": "127.0.0.1"}, False),
        # A named proxy is believed, where it says whose call it is.
        (("127.0.0.1",), {}, True),
        (("127.0.0.1",), {"x-forwarded-for": "203.0.113.7"}, False),
        (("127.0.0.1",), {"x-forwarded-for": "127.0.0.2"}, True),
        (("127.0.0.1",), {"x-real-ip": "127.0.0.1"}, False),
    ],
)
async def test_who_comes_through_a_proxy_on_this_host_publishes_nothing_without_a_key(
    results: str, trusted: tuple[str, ...], headers: dict[str, str], is_here: bool
) -> None:
    async with running(results, trusted_proxies=trusted) as service:
        with WireWorker(results):
            await service.has_worker()
        for path in ("/whip?stream=show", "/whep/show"):
            sent = {"host": "127.0.0.1", "content-type": "application/sdp", **headers}
            answer = await service.http.post(path, content="v=0", headers=sent)
            assert (answer.json()["error"]["code"] == "stream_forbidden") is not is_here, answer.text
            assert not answer.is_success


PREFIXES = {
    "/cam": "/cam",
    "/cam/one/": "/cam/one",
    # A browser would take these for another host, another scheme, or the end of a header.
    "//evil.example": "/",
    "https://evil.example": "/",
    "/cam//x": "/",
    "/cam?x": "/",
    "/" + "x" * 300: "/",
}


@pytest.mark.parametrize(("trusted", "is_believed"), [("127.0.0.1", True), ("192.0.2.1", False)])
async def test_a_named_proxy_says_below_which_path_the_service_is(
    results: str, trusted: str, is_believed: bool
) -> None:
    async with running(results, trusted_proxies=(trusted,)) as service:
        for prefix, servers in PREFIXES.items():
            headers = {"x-forwarded-prefix": prefix, "host": "127.0.0.1"}
            schema = await service.http.get("/openapi.json", headers=headers)
            assert schema.json()["servers"] == [{"url": servers if is_believed else "/"}], prefix
            for path in ("/", "/shared/latency.js", "/filters"):
                assert (await service.http.get(path, headers=headers)).status_code == 200
            balancer = headers | {"host": "balancer"}
            assert (await service.http.get("/healthz", headers=balancer)).status_code == 200
            assert (await service.http.get("/filters", headers=balancer)).status_code == 403


async def test_a_page_on_loopback_is_told_no_other_address(
    results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(results, ice_addresses=()) as service:
        with WireWorker(results):
            await service.has_worker()
            for origin, is_local in (("http://localhost:8000", True), (None, False)):
                page = Page()
                body = {"type": "offer", "sdp": await page.offer()}
                headers = {"origin": origin} if origin else {}
                answer = await service.http.post("/offer", json=body, headers=headers)
                told = [
                    line.split()[4] for line in answer.json()["sdp"].splitlines() if "a=candidate" in line
                ]
                if is_local:
                    assert set(told) == {"127.0.0.1"}
                    assert "c=IN IP4 127.0.0.1" in answer.json()["sdp"]
                    await page.take(answer.json())
                else:
                    assert told
                    assert "127.0.0.1" not in told or len(set(told)) == 1
                await page.close()
