"""Runs the load client, a process of its own, against a server that runs."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.designs.servers import Running
from benchmarks.load_client.findings import FirstFrames, Run
from harness.services import ROOT

ATTEMPTS = 2
OVERHEAD_S = 90.0
"""What a run may take beyond its stretch: start, connecting to an overloaded server, decoding afterwards."""


class RunFailed(Exception):
    """The sessions could not be held; the text is the client's."""


@dataclass(frozen=True, slots=True)
class Clients:
    """How runs are made; one at a time."""

    folder: Path
    """Where encoded loops are kept, so that each is made once."""
    seconds: float
    warm_up: float = 3.0

    async def hold(
        self,
        server: Running,
        sessions: int,
        *,
        seconds: float | None = None,
        codec: str = "VP8",
        core: int | None = None,
    ) -> Run:
        """Hold so many sessions, once more where the first run does not count; raises RunFailed."""
        seconds = self.seconds if seconds is None else seconds
        flags = ["--sessions", str(sessions), "--seconds", str(seconds), "--warm-up", str(self.warm_up)]
        flags += [] if server.design.keeps_pts else ["--reads-all"]
        for _ in range(ATTEMPTS):
            run = Run.from_json(await self._output(server, flags, codec, core, seconds + OVERHEAD_S))
            if not run.why_not_counted:
                break
            print(f"  {server.design.name}, {sessions} sessions: {run.why_not_counted}", file=sys.stderr)
        return run

    async def first_frames(self, server: Running, calls: int) -> FirstFrames:
        """Make so many calls, one after another; raises RunFailed."""
        flags = ["--calls", str(calls)]
        return FirstFrames.from_json(await self._output(server, flags, "VP8", None, calls + OVERHEAD_S))

    async def _output(
        self, server: Running, flags: list[str], codec: str, core: int | None, limit_s: float
    ) -> str:
        argv = [sys.executable, "-m", "benchmarks.load_client", "--url", server.url, *flags]
        for watched in server.watched:
            argv += ["--watch", str(watched)]
        argv += ["--body", json.dumps(server.body), "--codec", codec]
        argv += ["--loop", str(self.folder / f"{codec}.loop")]
        argv += [] if core is None else ["--core", str(core)]
        client = await asyncio.create_subprocess_exec(
            *argv, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(limit_s):
                out, err = await client.communicate()
        except TimeoutError as exc:
            raise RunFailed(f"the client took longer than {limit_s:.0f} s") from exc
        finally:
            if client.returncode is None:
                client.kill()
                await client.wait()
        if client.returncode:
            raise RunFailed(err.decode(errors="replace").strip().splitlines()[-1][:300])
        return out.decode()
