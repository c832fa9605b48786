"""A Prometheus with the project's own configuration: Debian's, or the program that `PROMETHEUS` names."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from harness.services import ROOT, Process, free_port

FOLDER = ROOT / "deploy" / "metrics"
RATE_INTERVAL = "20s"
"""Of rates, since it asks each second here."""


def program() -> str | None:
    """Return the program of this machine, if there is one."""
    return os.environ.get("PROMETHEUS") or shutil.which("prometheus")


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Answers what the dashboard asks."""

    http: httpx.AsyncClient

    async def ask(self, expression: str) -> list[Any]:
        """Return the series that an expression has now; none while nobody answers. NaN is left out."""
        found = await self._ask("query", expression)
        return [one for one in found if one["value"][1] != "NaN"]

    async def ask_range(self, expression: str, begin_s: float, end_s: float) -> list[Any]:
        """Return the series of an expression between two times since the epoch, a value each second."""
        return await self._ask("query_range", expression, start=begin_s, end=end_s, step=1)

    async def rules(self) -> list[Any]:
        """Return the alert rules with their health and state."""
        found: list[Any] = (await self.http.get("/rules")).json()["data"]["groups"][0]["rules"]
        return found

    async def _ask(self, call: str, expression: str, **more: float) -> list[Any]:
        filled = expression.replace("$__rate_interval", RATE_INTERVAL).replace("$job", "p2pcamera")
        try:
            params: dict[str, str | float] = {"query": filled.replace("$instance", ".*"), **more}
            answer = await self.http.get(f"/{call}", params=params)
        except httpx.TransportError:
            return []
        assert answer.status_code in (200, 503), answer.text
        found: list[Any] = answer.json()["data"]["result"]
        return found


@asynccontextmanager
async def prometheus(folder: Path, service_port: int) -> AsyncIterator[Prometheus]:
    """Start one that asks the service each second; its data lie in `folder`."""
    config = (FOLDER / "prometheus.yml").read_text().replace("interval: 5s", "interval: 1s")
    (folder / "prometheus.yml").write_text(config)
    shutil.copy(FOLDER / "alerts.yml", folder)
    (folder / "targets.yml").write_text(f'- targets: ["127.0.0.1:{service_port}"]\n')
    port = free_port()
    argv = ["env", f"--chdir={folder}", str(program()), "--config.file=prometheus.yml"]
    argv += [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder}/data"]
    process = Process("prometheus", argv, folder / "prometheus.log")
    process.start()
    url = f"http://127.0.0.1:{port}/api/v1"
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            yield Prometheus(http)
    finally:
        await process.stop()
