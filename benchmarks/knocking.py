"""Callers who knock at a full service, in a process that does nothing else and so answers in time.

    echo SDP | python -m benchmarks.knocking URL --callers 4 --seconds 120

Prints one line of JSON: `Knocks`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field

import httpx

KNOCK_EVERY_S = 0.25


@dataclass(slots=True)
class Knocks:
    """What the callers heard."""

    statuses: dict[str, int] = field(default_factory=dict)
    took_s: list[float] = field(default_factory=list)
    """From the request to the whole answer."""
    without_retry_after: int = 0


async def knock(url: str, sdp: str, callers: int, seconds: float) -> Knocks:
    """Knock without pause for so long; an offer that is taken is given back."""
    knocks = Knocks()
    until_s = time.monotonic() + seconds
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as http:
        await asyncio.gather(*(_knock(http, sdp, until_s, knocks) for _ in range(callers)))
    return knocks


async def elsewhere(url: str, sdp: str, callers: int, seconds: float) -> Knocks:
    """Do the same in a process of its own."""
    argv = ["-m", __name__, url, "--callers", str(callers), "--seconds", str(seconds)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *argv, stdin=pipe, stdout=pipe)
    said, _ = await process.communicate(sdp.encode())
    if process.returncode:
        raise RuntimeError(f"the callers outside ended with {process.returncode}")
    return Knocks(**json.loads(said))


async def _knock(http: httpx.AsyncClient, sdp: str, until_s: float, knocks: Knocks) -> None:
    while time.monotonic() < until_s:
        began_s = time.monotonic()
        answer = await http.post("/offer", json={"type": "offer", "sdp": sdp, "filter": "invert"})
        knocks.took_s.append(time.monotonic() - began_s)
        status = str(answer.status_code)
        knocks.statuses[status] = knocks.statuses.get(status, 0) + 1
        if answer.status_code == 503 and "retry-after" not in answer.headers:
            knocks.without_retry_after += 1
        if answer.status_code == 200:
            # Nobody is behind it; by measured load a place may be free for a moment.
            await http.delete(f"/sessions/{answer.json()['session']}")
        await asyncio.sleep(KNOCK_EVERY_S)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--callers", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    knocks = asyncio.run(knock(given.url, sys.stdin.read(), given.callers, given.seconds))
    print(json.dumps(asdict(knocks)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
