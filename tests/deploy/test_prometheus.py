"""A real Prometheus, with the project's own configuration, beside a real call."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.deadline import eventually
from harness.prometheus import program, prometheus
from harness.services import Services
from tests.deploy.test_metrics import FOLDER, shown
from tests.signaling_service.calling import page

EMPTY = {
    # Nothing of these happens in a good call.
    *("Packets lost", "Results not shown, and errors", "Workers: frames dropped, and errors"),
    "Ends of calls by reason, and reconnects",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason="needs prometheus (Debian: apt-get install prometheus)"),
]


async def test_every_panel_of_the_dashboard_has_something_to_show(tmp_path: Path) -> None:
    async with Services(tmp_path) as services, page() as caller:
        services.start_signaling("--processes", "2", "--max-sessions", "4")
        services.start_worker("invert")
        await services.ready({"invert": 1})
        async with prometheus(tmp_path, services.port) as asked:
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
                    if await asked.ask(expression):
                        del empty[name]
                return not empty

            try:
                await eventually(is_shown, 60, "every panel has something to show")
            except AssertionError:
                assert not list(empty)
            rules = await asked.rules()
            assert len(rules) == len(re.findall("- alert:", (FOLDER / "alerts.yml").read_text()))
            assert {one["health"] for one in rules} <= {"ok", "unknown"}
            assert [one["name"] for one in rules if one["state"] == "firing"] == []
