"""Calls that schemathesis makes of the OpenAPI document, to real services: none is a fault of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from harness.services import Services
from signaling_service.http.bodies import SDP, TRICKLE

made_up = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
MAY_ANSWER = {200, 201, 204, 400, 401, 403, 404, 405, 412, 413, 415, 422, 428, 429}
PATHS = {"/offer", "/sessions/{session_id}", "/filters", "/whip", "/whep/{stream}"}
LIMIT_S = 10.0


@pytest.mark.slow
async def test_calls_made_of_the_openapi_document_are_answered_or_refused(tmp_path: Path) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="needs the extra `fuzz` (make test-all)")
    async with Services(tmp_path) as services:
        await services.start_light("invert")
        document = (await services.http.get("/openapi.json")).json()
        for kind in (SDP, TRICKLE):
            schemathesis.serializer(kind)(lambda context, value: str(value).encode(errors="replace"))
        operations = [one.ok() for one in schemathesis.openapi.from_dict(document).get_all_operations()]
        assert {"/offer", "/sessions/{session_id}", "/filters", "/whip", "/whep/{stream}"} <= {
            one.path for one in operations
        }
        # The services are other processes, so this loop may stand still meanwhile.
        with httpx.Client(base_url=services.url, trust_env=False, timeout=LIMIT_S) as http:
            for operation in operations:
                ask(http, operation)
        assert "Traceback" not in services.output()
        await services.has_sessions(0, 20)


def ask(http: httpx.Client, operation: Any) -> None:
    @made_up
    @given(case=operation.as_strategy())
    def call(case: Any) -> None:
        given_ = case.as_transport_kwargs(base_url=str(http.base_url))
        body = given_.get("json") if given_.get("data") is None else None
        answer = http.request(
            given_["method"],
            given_["url"],
            params=given_.get("params"),
            headers={name: str(value) for name, value in dict(given_.get("headers") or {}).items()},
            content=given_.get("data"),
            **({} if body is None else {"json": body}),
        )
        assert answer.status_code in MAY_ANSWER, f"{answer.status_code}: {answer.text[:300]}"
        if answer.status_code >= 400:
            assert set(answer.json()) == {"error"}

    call()
