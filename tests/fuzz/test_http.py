"""Made-up offers and bodies to a whole service: each is answered, or refused in the one shape of errors."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import seeds
from tests.fuzz.spoiling import spoilt
from tests.signaling_service.calling import Running, running
from tests.signaling_service.making import WireWorker

made_up = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
REFUSED = (400, 404, 413, 415, 422, 429)


@pytest.fixture
def service() -> Iterator[tuple[Running, asyncio.Runner]]:
    """A service with a worker, on a loop that synchronous tests, as hypothesis wants them, can run."""
    with tempfile.TemporaryDirectory(prefix="p2p") as folder, asyncio.Runner() as runner:
        results = f"ipc://{folder}/results.ipc"
        context = running(results)
        made = runner.run(context.__aenter__())
        with WireWorker(results):
            runner.run(made.has_worker())
            yield made, runner
        runner.run(context.__aexit__(None, None, None))


def test_spoilt_offers_are_answered_or_refused_and_leave_nothing(
    service: tuple[Running, asyncio.Runner],
) -> None:
    running_, runner = service

    @made_up
    @given(seed=st.integers(0, 2**64))
    def offer(seed: int) -> None:
        sdp = spoilt(seeds("sdp")[0], Random(seed)).decode(errors="replace")
        answer = runner.run(running_.http.post("/offer", json={"type": "offer", "sdp": sdp}))
        if answer.status_code == 200:
            runner.run(running_.http.delete(f"/sessions/{answer.json()['session']}"))
        else:
            assert answer.status_code in REFUSED, answer.text
            assert set(answer.json()) == {"error"}

    offer()
    runner.run(running_.is_free())


def test_spoilt_bodies_are_refused(service: tuple[Running, asyncio.Runner]) -> None:
    running_, runner = service

    @made_up
    @given(seed=st.integers(0, 2**64), method=st.sampled_from(("POST", "PATCH")))
    def ask(seed: int, method: str) -> None:
        random = Random(seed)
        body = spoilt(random.choice(seeds("json_body")), random)
        path = "/offer" if method == "POST" else "/sessions/" + "00" * 16
        kind = random.choice(("application/json", "application/trickle-ice-sdpfrag", "text/plain"))
        headers = {"content-type": kind}
        answer = runner.run(running_.http.request(method, path, content=body, headers=headers))
        assert answer.status_code in REFUSED, answer.text
        assert set(answer.json()) == {"error"}

    ask()
