"""A TURN server: coturn, started as docker-compose.yml starts it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from harness.deadline import eventually
from harness.services import Process

SECRET = "a-secret-of-the-tests"
PORT, TLS_PORT = 3478, 443
_START_S = 20.0
_SCRIPT = Path(__file__).resolve().parents[1] / "deploy" / "turn.sh"
_STARTED = "Total General servers"


def is_installed() -> bool:
    return shutil.which("turnserver") is not None


def servers(address: str, secret: str = SECRET) -> list[dict[str, Any]]:
    """Return `--ice-servers` for a relay at this address: by UDP, by TCP, and by TLS."""
    urls = [f"turn:{address}:{PORT}?transport={kind}" for kind in ("udp", "tcp")]
    return [{"urls": [*urls, f"turns:{address}:{TLS_PORT}?transport=tcp"], "secret": secret}]


@asynccontextmanager
async def turn_server(
    folder: Path, address: str, peers: str, certificate: tuple[Path, Path] | None = None
) -> AsyncIterator[Process]:
    """Start it at an address of this host, as a relay to the addresses `peers`."""
    run = folder / "turn"
    run.mkdir(exist_ok=True)
    env = {
        "TURN_SECRET": SECRET,
        "TURN_PEERS": peers,
        "TURN_ADDRESSES": address,
        "TURN_TLS_PORT": str(TLS_PORT),
        "TURN_RUN_DIR": str(run),
    }
    if certificate:
        env |= {"TURN_CERTFILE": str(certificate[0]), "TURN_KEYFILE": str(certificate[1])}
    log = folder / "turn.log"
    log.unlink(missing_ok=True)
    process = Process("turn", ["sh", str(_SCRIPT)], log, env)
    process.start()
    try:
        await eventually(lambda: _STARTED in process.output(), _START_S, "the TURN server is up")
        yield process
    finally:
        await process.stop()
