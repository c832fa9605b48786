"""The files of deploy/proxies, run by the programs that they are for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from harness.proxies import PROGRAMS, SNIPPETS, program, proxied, running
from harness.services import free_port
from signaling_service.http.listening import listen
from signaling_service.http.proxies import TrustedProxies

FORGED = {
    "x-forwarded-for": "203.0.113.66",
    "x-forwarded-proto": "http",
    "x-forwarded-prefix": "/evil",
    "forwarded": "for=203.0.113.66",
}
CLIENT = "127.0.0.2"
"""Not the proxy's own address, which the service trusts."""


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what the service would believe."""
    told = {name: scope[name] for name in ("client", "scheme", "root_path", "path")}
    told["host"] = dict(scope["headers"])[b"host"].decode()
    body = json.dumps(told).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def telling() -> AsyncIterator[int]:
    """Serve `tell` behind what the service has before its calls; gives the port."""
    config = uvicorn.Config(
        TrustedProxies(tell, ["127.0.0.1"]), proxy_headers=False, lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    listening = listen("127.0.0.1", 0)
    serving = asyncio.create_task(server._serve(listening))
    try:
        yield listening[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


def client(url: str) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(verify=False, local_address=CLIENT)
    return httpx.AsyncClient(base_url=url, transport=transport, trust_env=False)


@pytest.mark.parametrize("name", PROGRAMS)
async def test_the_service_is_told_whose_call_it_is_and_below_which_path(name: str, tmp_path: Path) -> None:
    if program(name) is None:
        pytest.skip(f"needs {name} (apt-get install {name})")
    async with telling() as port, proxied(name, tmp_path, port) as url, client(url) as http:
        for headers in ({}, FORGED):
            told = (await http.get("/cam/filters", headers=headers)).json()
            assert told == {
                "client": [CLIENT, 0],
                "scheme": "https",
                "root_path": "/cam",
                "path": "/cam/filters",
                "host": url.removeprefix("https://"),
            }
        assert (await http.get("/cam/")).json()["path"] == "/cam/"
        without_slash = await http.get("/cam")
        assert without_slash.status_code == 301
        assert without_slash.headers["location"].removeprefix(url) == "/cam/"
        for elsewhere in ("/filters", "/cameras"):
            assert "root_path" not in (await http.get(elsewhere)).text
        longest = await http.post("/cam/offer", content=b"x" * 1024 * 1024)
        assert longest.status_code == 200


async def test_the_profile_of_compose_serves_a_domain_over_https(tmp_path: Path) -> None:
    caddy = program("caddy")
    if caddy is None:
        pytest.skip("needs caddy (apt-get install caddy)")
    site, health, plain = free_port(), free_port(), free_port()
    # Another port than 80, and no certificate put among those that this host trusts.
    text = (SNIPPETS / "domain.Caddyfile").read_text()
    text = text.replace("\tadmin off\n", f"\tadmin off\n\thttp_port {plain}\n\tskip_install_trust\n")
    (tmp_path / "Caddyfile").write_text(text)
    argv = [caddy, "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    async with telling() as port:
        env = {"SIGNALING_PORT": str(port), "HEALTH_PORT": str(health), "DOMAIN": f"https://localhost:{site}"}
        async with running("caddy", argv, tmp_path, site, **env), client(f"https://localhost:{site}") as http:
            told = (await http.get("/filters", headers=FORGED)).json()
            assert (told["client"], told["scheme"], told["root_path"]) == ([CLIENT, 0], "https", "")
            assert (await http.get(f"http://127.0.0.1:{health}/")).status_code == 200
