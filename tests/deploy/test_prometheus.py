"""A real Prometheus, with the project's own configuration, beside a real call."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.deadline import eventually
from harness.services import Process, Services, free_port
from tests.deploy.test_metrics import FOLDER, shown
from tests.signaling_service.calling import page

PROMETHEUS = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
EMPTY = {
    # Nothing of these happens in a good call.
    *("Packets lost", "Results not shown, and errors", "Workers: frames dropped, and errors"),
    "Ends of calls by reason, and reconnects",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROMETHEUS is None, reason="needs prometheus (Debian: apt-get install prometheus)"),
]


async def test_every_panel_of_the_dashboard_has_something_to_show(tmp_path: Path) -> None:
    port = free_port()
    async with Services(tmp_path) as services, page() as caller, httpx.AsyncClient(trust_env=False) as http:
        services.start_signaling("--processes", "2", "--max-sessions", "4")
        services.start_worker("invert")
        await services.ready({"invert": 1})
        config = (FOLDER / "prometheus.yml").read_text().replace("interval: 5s", "interval: 1s")
        (tmp_path / "prometheus.yml").write_text(config)
        shutil.copy(FOLDER / "alerts.yml", tmp_path)
        (tmp_path / "targets.yml").write_text(f'- targets: ["127.0.0.1:{services.port}"]\n')
        argv = [str(PROMETHEUS), "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{port}"]
        argv += [f"--storage.tsdb.path={tmp_path}/data"]
        prometheus = Process("prometheus", ["env", f"--chdir={tmp_path}", *argv], tmp_path / "prometheus.log")
        prometheus.start()

        async def ask(expression: str) -> list[Any]:
            filled = expression.replace("$__rate_interval", "20s").replace("$job", "p2pcamera")
            filled = filled.replace("$instance", ".*")
            try:
                answer = await http.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": filled})
            except httpx.TransportError:
                return []
            assert answer.status_code in (200, 503), answer.text
            return [one for one in answer.json()["data"]["result"] if one["value"][1] != "NaN"]

        try:
            await caller.call(services.http, filter="invert")
            wanted = {
                f"{panel['title']}: {target['expr']}": target["expr"]
                for panel in shown()["panels"]
                if panel["title"] not in EMPTY
                for target in panel["targets"]
            }
            empty = dict(wanted)

            async def is_shown() -> bool:
                for name, expression in list(empty.items()):
                    if await ask(expression):
                        del empty[name]
                return not empty

            try:
                await eventually(is_shown, 60, "every panel has something to show")
            except AssertionError:
                assert not list(empty)
            rules = (await http.get(f"http://127.0.0.1:{port}/api/v1/rules")).json()["data"]["groups"][0]
            assert len(rules["rules"]) == len(re.findall("- alert:", (FOLDER / "alerts.yml").read_text()))
            assert {one["health"] for one in rules["rules"]} <= {"ok", "unknown"}
            assert [one["name"] for one in rules["rules"] if one["state"] == "firing"] == []
        finally:
            await prometheus.stop()
