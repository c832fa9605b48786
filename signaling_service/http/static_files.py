"""The demo page, the shim, and what a browser may do with them."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import Sequence
from pathlib import Path

from fastapi import Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.types import Scope

STATIC = Path(__file__).parents[2] / "static"
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        # Snapshots and recordings live in the page alone.
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""As strict as a policy gets (W3C CSP level 3): a page like this is what the shim has to work on."""


PAGE_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(), geolocation=(), payment=(), "
    "usb=(), serial=(), hid=(), midi=()",
    "Referrer-Policy": "no-referrer",
    # What `frame-ancestors` says, for browsers that do not know it.
    "X-Frame-Options": "SAMEORIGIN",
}

TEXT_TYPES = ("text/", "application/json", "application/javascript", "image/svg+xml")
DECLARED_TYPES = {
    ".map": "application/json",
    ".mts": "text/plain; charset=utf-8",
    ".ts": "text/plain; charset=utf-8",
}
"""Of source maps and TypeScript declarations, which the system's table does not know or mistakes."""
COMPRESSION_LEVEL = 9
"""Each version of a file is compressed once."""


def watch_page(frame_ancestors: Sequence[str]) -> Response:
    """Return the page of a viewer, which the named sites may embed besides this service's own."""
    policy = PAGE_POLICY.replace(
        "frame-ancestors 'self'", " ".join(("frame-ancestors 'self'", *frame_ancestors))
    )
    headers = {**PAGE_HEADERS, "Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    if frame_ancestors:
        # It knows no list, and browsers that know the policy's do not read it.
        del headers["X-Frame-Options"]
        # A page that is embedded is in the other page's group.
        del headers["Cross-Origin-Opener-Policy"]
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return FileResponse(STATIC / "watch.html", headers=headers)


class StaticPages(StaticFiles):
    """The files of STATIC, checked for a newer version at each load, and compressed where they are text."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC, html=True)
        self._compressed: dict[str, tuple[str, bytes]] = {}
        """By path: tag of the version, and that version compressed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        headers = response.headers
        headers.setdefault("Cache-Control", "no-cache")
        # Files are the same for everybody, and other sites import the shim.
        headers.setdefault("Access-Control-Allow-Origin", "*")
        headers.setdefault("Cross-Origin-Resource-Policy", "cross-origin")
        if (declared := DECLARED_TYPES.get(Path(path).suffix)) and "content-type" in headers:
            headers["Content-Type"] = declared
        kind = headers.get("content-type", "")
        if kind.startswith("text/html"):
            for name, value in PAGE_HEADERS.items():
                headers.setdefault(name, value)
        if not (isinstance(response, FileResponse) and kind.startswith(TEXT_TYPES)):
            return response
        headers.add_vary_header("Accept-Encoding")
        asked = Headers(scope=scope)
        # A range counts the bytes of the file as it is.
        if "range" in asked or not accepts_gzip(asked.get("accept-encoding", "")):
            return response
        return await self._as_gzip(response)

    async def _as_gzip(self, response: FileResponse) -> Response:
        path, tag = os.fspath(response.path), response.headers["etag"]
        kept_tag, content = self._compressed.get(path, ("", b""))
        if kept_tag != tag:
            # A thread of its own, since the event loop carries calls.
            content = await asyncio.to_thread(_gzipped, path)
            self._compressed[path] = (tag, content)
        headers = dict(response.headers)
        # Weak, since the bytes are others (RFC 9110, section 8.8.1).
        headers |= {"content-encoding": "gzip", "content-length": str(len(content)), "etag": f"W/{tag}"}
        return Response(content, headers=headers)


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether a client takes gzip, by its `Accept-Encoding` (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameter = (piece.strip() for piece in part.partition(";"))
        try:
            weights[name] = float(parameter.removeprefix("q=")) if parameter else 1.0
        except ValueError:
            weights[name] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _gzipped(path: str) -> bytes:
    return gzip.compress(Path(path).read_bytes(), COMPRESSION_LEVEL, mtime=0)
