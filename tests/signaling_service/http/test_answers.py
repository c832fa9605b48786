from __future__ import annotations

import httpx
from fastapi import FastAPI

from signaling_service.errors import SignalingError
from signaling_service.http.answers import error_response


async def test_the_answer_of_a_fault_within_is_kept_by_nobody_and_of_one_type() -> None:
    """It is made outside of all else, the gate included."""
    app = FastAPI()

    @app.exception_handler(Exception)
    async def failed(*_: object) -> object:
        return error_response(SignalingError("internal error"))

    @app.get("/")
    async def fail() -> None:
        raise ZeroDivisionError

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
        answer = await http.get("/")
    assert answer.status_code == 500
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
