"""The one shape of every error over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse

from signaling_service.errors import SignalingError


def error_response(error: SignalingError) -> JSONResponse:
    """Return `{"error": {"code", "message"}}`, and `field` where a parameter is at fault."""
    body: dict[str, Any] = {"code": error.code, "message": str(error)}
    if field := getattr(error, "field", ""):
        body["field"] = field
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **error.headers}
    return JSONResponse({"error": body}, error.status, headers=headers)
