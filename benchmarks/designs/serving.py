"""What the designs that are written here have in common as servers: their flags, and a page's way to them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aioice.ice
import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware


def flags() -> argparse.ArgumentParser:
    """Return a parser for the flags that every design has."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--ice-addresses", help="gather this address alone; for hosts without another than loopback"
    )
    return parser


def application(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """Return an application that pages of every origin may call, and that says when it serves."""
    app = FastAPI(lifespan=lifespan)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    return app


def gather(addresses: str | None) -> None:
    """Let aioice gather these addresses alone (joined by commas); without any it looks for its own."""
    if addresses:
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: addresses.split(",")


def serve(app: FastAPI, port: int, host: str = "127.0.0.1") -> None:
    """Serve until the process is ended."""
    uvicorn.run(app, host=host, port=port, loop="asyncio", log_level="warning")
