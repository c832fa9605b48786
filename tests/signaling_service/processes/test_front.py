"""The front with two media processes of its own, and a worker that speaks the wire."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio

from signaling_service.access.caller import Caller
from signaling_service.config import Settings
from signaling_service.http.app import create_app
from signaling_service.processes.front import Front
from signaling_service.processes.nursery import Nursery
from signaling_service.rtc import aiortc_patches
from signaling_service.streams.streams import place_of
from tests.signaling_service.access.minting import SECRET, minted
from tests.signaling_service.calling import Page, page, until
from tests.signaling_service.making import WireWorker
from tests.signaling_service.streams.live import SDP, Peer, publishing, watching

CALLER = Caller("192.0.2.1")
PR_SET_CHILD_SUBREAPER = 36
"""linux/prctl.h"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Shared(Nursery):
    """Its fork server stays when a front closes: what that imports takes more than a second of CPU."""

    def close(self) -> None:
        pass

    def end(self) -> None:
        super().close()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """A fork server for tests that are not about it."""
    made = Shared()
    yield made
    made.end()


@asynccontextmanager
async def front_of_two(
    results: str, nursery: Nursery, **settings: Any
) -> AsyncIterator[tuple[Front, httpx.AsyncClient]]:
    # The pages of these tests live here, where another test may have left other addresses.
    aiortc_patches.apply(("127.0.0.1",))
    front = Front(
        Settings(
            results_bind=results,
            ice_addresses=("127.0.0.1",),
            processes=2,
            **settings,
        ),
        nursery,
    )
    app = create_app(front)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as http,
    ):
        with WireWorker(results):
            await until(lambda: bool(front.workers.live()))
            await until(lambda: all(process.is_ready for process in front.processes), 30)
            yield front, http


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fronted() -> AsyncIterator[tuple[Front, httpx.AsyncClient]]:
    with tempfile.TemporaryDirectory(prefix="p2p") as folder:
        async with front_of_two(f"ipc://{folder}/results.ipc", Nursery(), max_sessions=4) as fronted:
            yield fronted


def pids(front: Front) -> list[int]:
    found = [process.pid for process in front.processes]
    assert None not in found
    return [pid for pid in found if pid is not None]


def dealt(front: Front) -> list[int]:
    return [len(process.sessions) for process in front.processes]


async def test_sessions_are_dealt_evenly_and_later_calls_reach_their_process(
    fronted: tuple[Front, httpx.AsyncClient],
) -> None:
    front, http = fronted
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(page()) for _ in range(4)]
        for caller in pages:
            await caller.call(http)
        await asyncio.gather(*(caller.shows(1) for caller in pages))
        assert dealt(front) == [2, 2]
        for caller in pages:
            session = caller.answer["session"]
            changed = await http.patch(f"/sessions/{session}", json={"filter": "invert"})
            assert changed.json()["filter"] == "invert"
            wrong = await http.patch(f"/sessions/{session}", json={"params": {"strength": "x"}})
            assert wrong.status_code == 422
            assert wrong.json()["error"]["field"] == "strength"
            assert (await http.delete(f"/sessions/{session}")).status_code == 200
            assert (await http.delete(f"/sessions/{session}")).status_code == 200
    assert dealt(front) == [0, 0]


@pytest.mark.parametrize("name", ["0", "zz" * 16, "00" * 16, "ff" * 16])
async def test_a_session_that_never_was_is_404(fronted: tuple[Front, httpx.AsyncClient], name: str) -> None:
    _, http = fronted
    response = await http.patch(f"/sessions/{name}", json={})
    assert response.status_code == 404


async def test_the_limit_holds_for_all_processes_together(fronted: tuple[Front, httpx.AsyncClient]) -> None:
    front, http = fronted
    async with AsyncExitStack() as stack:
        *first, last, late = [await stack.enter_async_context(page()) for _ in range(5)]
        for caller in first:
            await caller.call(http)
        # Offers that wait have no place yet: both are answered, and the second to connect is one too many.
        answers = [
            (await http.post("/offer", json={"type": "offer", "sdp": await one.offer()})).json()
            for one in (last, late)
        ]
        await last.take(answers[0])
        await until(lambda: front.sessions._places.connected == 4)
        refused = await http.post("/offer", json={"type": "offer", "sdp": "v=0"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "full")
        assert refused.headers["retry-after"]
        assert 'offers_total{outcome="full",process="front"} 1.0' in (await http.get("/metrics")).text
        assert (await http.get("/readyz")).status_code == 503
        assert re.findall(r"^p2pcamera_room.*", (await http.get("/metrics")).text, re.M) == [
            'p2pcamera_room{process="front"} 0.0'
        ]
        await late.begin(answers[1])
        assert (await late.has_heard("error"))["error"]["code"] == "full"
        await until(lambda: sum(dealt(front)) == 4)
        for caller in (*first, last):
            await http.delete(f"/sessions/{caller.answer['session']}")
    assert (await http.get("/readyz")).status_code == 200


async def test_a_token_holds_in_all_processes(results: str, nursery: Nursery) -> None:
    def bearing(subject: str) -> dict[str, str]:
        token = minted(sub=subject, filters=["invert"], max_sessions=1)
        return {"authorization": f"Bearer {token}"}

    async with (
        front_of_two(results, nursery, token_key=SECRET) as (_, http),
        page() as caller,
        page() as second,
    ):
        offer = {"type": "offer", "sdp": await caller.offer()}
        opened = await http.post("/offer", json=offer, headers=bearing("anna"))
        await caller.take(opened.json())
        assert opened.json()["filter"] == "invert"
        path = f"/sessions/{opened.json()['session']}"
        assert (await http.patch(path, json={}, headers=bearing("ben"))).status_code == 404
        ink = await http.patch(path, json={"filter": "ink"}, headers=bearing("anna"))
        assert (ink.status_code, ink.json()["error"]["code"]) == (403, "filter_not_allowed")
        offer = {"type": "offer", "sdp": await second.offer()}
        refused = await http.post("/offer", json=offer, headers=bearing("anna"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_sessions")
        assert (await http.delete(path, headers=bearing("ben"))).status_code == 404
        assert (await http.delete(path, headers=bearing("anna"))).status_code == 200


async def test_of_offers_that_come_together_a_subject_has_as_many_connected_as_its_token_says(
    results: str, nursery: Nursery
) -> None:
    bearer = {"authorization": f"Bearer {minted(max_sessions=1)}"}
    async with (
        front_of_two(results, nursery, token_key=SECRET) as (front, http),
        AsyncExitStack() as stack,
    ):
        pages = [await stack.enter_async_context(page()) for _ in range(6)]
        offers = [{"type": "offer", "sdp": await caller.offer()} for caller in pages]
        answers = await asyncio.gather(*(http.post("/offer", json=offer, headers=bearer) for offer in offers))
        # A newer one takes the turn of an older, which may come back.
        assert all(answer.headers["retry-after"] for answer in answers if not answer.is_success)
        for caller, answer in zip(pages, answers, strict=True):
            if answer.is_success:
                await caller.begin(answer.json())
        await until(lambda: front.sessions._places.connected >= 1)
        await until(lambda: sum(dealt(front)) == 1)
        assert front.sessions._places.connected == 1


async def test_what_a_subject_watches_in_all_processes_counts_together(
    results: str, nursery: Nursery
) -> None:
    names = {place_of(name, 2): name for name in ("one", "two", "three", "four")}
    sender = {"Authorization": f"Bearer {minted(publish=['*'])}"}
    viewer = {"Authorization": f"Bearer {minted(sub='ben', watch=['*'], max_sessions=1)}"}
    assert len(names) == 2
    async with front_of_two(results, nursery, token_key=SECRET) as (front, http), AsyncExitStack() as stack:
        for name in names.values():
            await stack.enter_async_context(publishing(http, f"/whip?stream={name}", headers=sender))
        here, there = (f"/whep/{name}" for name in names.values())
        async with watching(http, here, kinds="video", headers=viewer) as first:
            peer = Peer()
            peer.connection.addTransceiver("video", direction="recvonly")
            offer = await peer.offer()
            refused = await http.post(there, content=offer, headers=SDP | viewer)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_sessions")
            await peer.close()
            assert (await http.delete(first.location, headers=viewer)).status_code == 200
        async with watching(http, there, kinds="video", headers=viewer):
            # One that is lost with its process counts no longer.
            for process in front.processes:
                if process.viewers:
                    assert process.pid is not None
                    os.kill(process.pid, signal.SIGKILL)
            await until(lambda: not front.sessions._viewers.connected)


async def test_offers_that_wait_have_one_budget_in_all_processes(results: str, nursery: Nursery) -> None:
    async with (
        front_of_two(results, nursery, max_connecting_per_address=2, max_sessions=2) as (front, http),
        page() as caller,
    ):
        body = {"type": "offer", "sdp": await caller.offer(candidates=False)}
        names = [(await http.post("/offer", json=body)).json()["session"] for _ in range(4)]
        await until(lambda: sum(dealt(front)) == 2)
        codes = [(await http.patch(f"/sessions/{name}", json={})).status_code for name in names]
        assert codes == [404, 404, 200, 200]


async def test_a_process_that_stands_still_gets_no_new_session_while_another_takes_them(
    fronted: tuple[Front, httpx.AsyncClient],
) -> None:
    front, http = fronted
    stopped, other = front.processes
    os.kill(pids(front)[0], signal.SIGSTOP)
    try:
        await until(lambda: stopped.is_silent)
        async with AsyncExitStack() as stack:
            for _ in range(2):
                caller = await stack.enter_async_context(page())
                await caller.call(http)
            assert dealt(front) == [0, 2]
            for name in list(other.sessions):
                await http.delete(f"/sessions/{name}")
    finally:
        os.kill(pids(front)[0], signal.SIGCONT)
    await until(lambda: not stopped.is_silent)


async def test_an_offer_that_is_refused_leaves_nothing(fronted: tuple[Front, httpx.AsyncClient]) -> None:
    front, http = fronted
    response = await http.post("/offer", json={"type": "offer", "sdp": "hello"})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "unusable_offer")
    response = await http.post("/offer", json={"type": "offer", "sdp": "v=0", "filter": "nothing"})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_filter")
    assert dealt(front) == [0, 0]


async def test_metrics_are_those_of_all_processes(fronted: tuple[Front, httpx.AsyncClient]) -> None:
    _, http = fronted
    text = (await http.get("/metrics")).text
    assert 'p2pcamera_workers{process="front"} 1.0' in text
    assert 'p2pcamera_sessions{process="0"} 0.0' in text
    assert 'p2pcamera_sessions{process="1"} 0.0' in text


async def test_a_process_that_dies_takes_its_own_sessions_alone_and_is_started_again(
    fronted: tuple[Front, httpx.AsyncClient],
) -> None:
    front, http = fronted
    async with page() as lost, page() as kept, page() as new:
        await lost.call(http)
        await kept.call(http)
        await asyncio.gather(lost.shows(3), kept.shows(3))
        place = next(p.place for p in front.processes if lost.answer["session"] in p.sessions)
        before = pids(front)
        os.kill(before[place], signal.SIGKILL)
        await kept.shows(10)
        await until(lambda: not front.processes[place].is_ready)
        gone = await http.patch(f"/sessions/{lost.answer['session']}", json={})
        assert gone.status_code == 404
        await until(lambda: front.processes[place].is_ready)
        after = pids(front)
        assert after[place] != before[place]
        assert after[1 - place] == before[1 - place]
        await new.call(http)
        await asyncio.gather(new.shows(3), kept.shows(3))
        assert dealt(front) == [1, 1]
        for caller in (new, kept):
            await http.delete(f"/sessions/{caller.answer['session']}")


@contextmanager
def first_of_a_container() -> Iterator[None]:
    """Be what the front is as process 1: heir of orphans, whose end it never asks for."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


async def test_the_server_that_forks_processes_may_die_and_is_replaced(
    fronted: tuple[Front, httpx.AsyncClient],
) -> None:
    front, http = fronted
    with first_of_a_container():
        await check_the_server_is_replaced(front, http)


async def check_the_server_is_replaced(front: Front, http: httpx.AsyncClient) -> None:
    async with page() as lost, page() as kept:
        await lost.call(http)
        await kept.call(http)
        await asyncio.gather(lost.shows(3), kept.shows(3))
        place = next(p.place for p in front.processes if lost.answer["session"] in p.sessions)
        before = pids(front)
        os.kill(psutil.Process(before[place]).ppid(), signal.SIGKILL)
        await asyncio.gather(lost.shows(3), kept.shows(3))
        os.kill(before[place], signal.SIGKILL)
        await until(lambda: pids(front)[place] != before[place] and front.processes[place].is_ready, 30)
        await kept.shows(3)
        assert pids(front)[1 - place] == before[1 - place]
        await http.delete(f"/sessions/{kept.answer['session']}")


async def test_a_server_that_forks_none_is_replaced(
    fronted: tuple[Front, httpx.AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    front, _ = fronted
    monkeypatch.setattr("signaling_service.processes.kept_process.START_LIMIT_S", 1.0)
    before = pids(front)
    # The one that forked the process may have been replaced; what matters is the one that is asked.
    server = front._nursery._server
    assert server is not None
    server.send_signal(signal.SIGSTOP)
    os.kill(before[0], signal.SIGKILL)
    await until(lambda: front._nursery._server is not server, 20)
    monkeypatch.undo()
    await until(lambda: pids(front)[0] != before[0] and front.processes[0].is_ready, 30)
    assert server.poll() == -signal.SIGKILL
    assert pids(front)[1] == before[1]


async def test_a_process_that_hangs_is_killed_and_started_again(
    fronted: tuple[Front, httpx.AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    front, http = fronted
    monkeypatch.setattr("signaling_service.processes.kept_process.HANG_LIMIT_S", 1.5)
    before = pids(front)
    os.kill(before[0], signal.SIGSTOP)
    await until(lambda: front.processes[0].is_ready and pids(front)[0] != before[0], 20)
    assert pids(front)[1] == before[1]
    async with page() as caller:
        await caller.call(http)
        await caller.shows(3)


async def test_a_front_that_stood_still_kills_no_process_for_it(
    fronted: tuple[Front, httpx.AsyncClient],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    front, _ = fronted
    monkeypatch.setattr("signaling_service.processes.kept_process.HANG_LIMIT_S", 2.0)
    before = pids(front)
    # Together these are the loop's own standstill, with nothing of it left to read the processes' words in.
    for _ in range(3):
        time.sleep(2.2)  # noqa: ASYNC251 - the standstill itself
        await asyncio.sleep(0)
    heard_s = [process._heard_s for process in front.processes]
    await until(lambda: all(p._heard_s > s for p, s in zip(front.processes, heard_s, strict=True)))
    assert pids(front) == before
    assert "hangs" not in caplog.text


class Starting:
    """A media process that serves, or has failed once, when it is told so."""

    def __init__(self) -> None:
        self.has_tried = asyncio.Event()
        self.is_ready = False

    async def run(self) -> None:
        await asyncio.Event().wait()

    def tries(self, *, serves: bool) -> None:
        self.is_ready = serves
        self.has_tried.set()


async def test_the_front_opens_when_one_process_serves_or_all_have_failed(results: str) -> None:
    for serves in (True, False):
        front = Front(Settings(results_bind=results, processes=3), Nursery())
        processes = [Starting() for _ in range(3)]
        front.processes[:] = processes  # type: ignore[assignment]
        opening = asyncio.create_task(front.open())
        processes[1].tries(serves=False)
        _, waiting = await asyncio.wait([opening], timeout=0.05)
        assert waiting
        processes[2].tries(serves=serves)
        if not serves:
            processes[0].tries(serves=False)
        async with asyncio.timeout(10):
            await opening
        await front.close()


async def test_closing_ends_the_processes_and_tells_the_pages(results: str, nursery: Nursery) -> None:
    caller = Page()
    async with front_of_two(results, nursery) as (front, http):
        processes = pids(front)
        await caller.call(http)
        await caller.shows(3)
    await until(lambda: caller.connection.connectionState in ("closed", "failed"))
    await caller.close()
    # The front hears of an end when the process lets go of its sockets; its id goes a moment later.
    await until(lambda: not any(map(psutil.pid_exists, processes)))
