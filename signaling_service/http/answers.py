"""The one shape of every error over HTTP."""

from __future__ import annotations

from fastapi.responses import JSONResponse

from signaling_service.errors import SignalingError


def error_response(error: SignalingError) -> JSONResponse:
    """Return `{"error": {"code", "message"}}`, with `field` or `trouble` where there is one."""
    # That of a fault within does not pass the gate, which adds these to all others.
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **error.headers}
    return JSONResponse({"error": error.as_json()}, error.status, headers=headers)
