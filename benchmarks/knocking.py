"""Callers who knock at a service, in a process that does nothing else and so answers in time.

    echo SDP | python -m benchmarks.knocking URL --callers 4 --seconds 120 [--way whip] [--every 0]

`offer`, `whip` and `whep` offer by HTTP, and what is taken is never connected. Of WHIP and WHEP a candidate
is trickled, and half of it is left as it is. `tcp` opens connections to the TCP port for media, from many
addresses of loopback. These say nothing, or a part of a datagram, or what is nobody's. They stay until the
service ends them. Prints one line of JSON: `Knocks`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field

import httpx

KNOCK_EVERY_S = 0.25
STREAM = "show"
MOST_HELD = 400
"""TCP connections that one caller keeps: the service should end them sooner."""
WORDS = (b"", b"\x00\xc8\x00\x01", b"\x00\x04\x80abc", b"GET / HTTP/1.1\r\n\r\n")
"""Silence, the beginning of a datagram, one of nobody's call, another protocol."""
_SDP = {"Content-Type": "application/sdp"}
_FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


@dataclass(slots=True)
class Knocks:
    """What the callers heard."""

    statuses: dict[str, int] = field(default_factory=dict)
    """Of TCP: `closed` by the service, `held` by it for long or until the end, `refused`."""
    took_s: list[float] = field(default_factory=list)
    """From the request to the whole answer."""
    without_retry_after: int = 0

    def note(self, status: str) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1


@dataclass(slots=True)
class Knocking:
    """One caller; `sdp` is what it offers, `port` the TCP port for media."""

    http: httpx.AsyncClient
    sdp: str
    port: int
    knocks: Knocks
    number: int
    count: int = 0
    held: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=deque)

    async def offer(self) -> None:
        answer = await self._post("/offer", json={"type": "offer", "sdp": self.sdp, "filter": "invert"})
        if answer.status_code == 200:
            # Nobody is behind it; by measured load a place may be free for a moment.
            await self.http.delete(f"/sessions/{answer.json()['session']}")

    async def whip(self) -> None:
        await self._by_whip_or_whep("/whip?filter=invert")

    async def whep(self) -> None:
        await self._by_whip_or_whep(f"/whep/{STREAM}")

    async def tcp(self) -> None:
        began_s = time.monotonic()
        # Addresses of many strangers: 127.0.0.0/8 is all this host's.
        own = f"127.{1 + self.number}.{self.count // 250 % 250}.{1 + self.count % 250}"
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(own, 0))
        except OSError:
            self.knocks.note("refused")
            return
        self.knocks.took_s.append(time.monotonic() - began_s)
        writer.write(WORDS[self.count % len(WORDS)])
        self.held.append((reader, writer))
        while self.held and (_is_over(*self.held[0]) or len(self.held) > MOST_HELD):
            self.let_go()

    def let_go(self) -> None:
        """End the connection that has been there for the longest time."""
        reader, writer = self.held.popleft()
        self.knocks.note("closed" if _is_over(reader, writer) else "held")
        writer.transport.abort()

    async def _by_whip_or_whep(self, address: str) -> None:
        answer = await self._post(address, content=self.sdp, headers=_SDP)
        if answer.status_code != 201:
            return
        made = str(answer.url.join(answer.headers["location"]))
        tag = {"If-Match": answer.headers["etag"]}
        candidate = "a=mid:0\r\na=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host\r\n"
        trickled = await self.http.patch(made, content=candidate, headers={**_FRAGMENT, **tag})
        self.knocks.note(f"PATCH {trickled.status_code}")
        if self.count % 2:
            self.knocks.note(f"DELETE {(await self.http.delete(made)).status_code}")

    async def _post(self, address: str, **given: object) -> httpx.Response:
        began_s = time.monotonic()
        answer = await self.http.post(address, **given)  # type: ignore[arg-type]
        self.knocks.took_s.append(time.monotonic() - began_s)
        self.knocks.note(str(answer.status_code))
        if answer.status_code == 503 and "retry-after" not in answer.headers:
            self.knocks.without_retry_after += 1
        return answer


WAYS: dict[str, Callable[[Knocking], Awaitable[None]]] = {
    "offer": Knocking.offer,
    "whip": Knocking.whip,
    "whep": Knocking.whep,
    "tcp": Knocking.tcp,
}


async def knock(
    url: str, sdp: str, callers: int, seconds: float, *, way: str = "offer", every_s: float, port: int
) -> Knocks:
    """Knock for so long, each caller so often; what is taken is given back or left alone."""
    knocks = Knocks()
    until_s = time.monotonic() + seconds

    async def go_on(one: Knocking) -> None:
        while time.monotonic() < until_s:
            await WAYS[way](one)
            one.count += 1
            await asyncio.sleep(every_s)

    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as http:
        ones = [Knocking(http, sdp, port, knocks, number) for number in range(callers)]
        await asyncio.gather(*map(go_on, ones))
    for one in ones:
        while one.held:
            one.let_go()
    return knocks


def _is_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    return reader.at_eof() or writer.transport.is_closing()


async def elsewhere(
    url: str,
    sdp: str,
    callers: int,
    seconds: float,
    *,
    way: str = "offer",
    every_s: float = KNOCK_EVERY_S,
    port: int = 0,
) -> Knocks:
    """Do the same in a process of its own."""
    argv = ["-m", __name__, url, "--callers", str(callers), "--seconds", str(seconds)]
    argv += ["--way", way, "--every", str(every_s), "--tcp-port", str(port)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *argv, stdin=pipe, stdout=pipe)
    said, _ = await process.communicate(sdp.encode())
    if process.returncode:
        raise RuntimeError(f"the callers outside ended with {process.returncode}")
    return Knocks(**json.loads(said))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--callers", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--way", choices=WAYS, default="offer")
    parser.add_argument("--every", type=float, default=KNOCK_EVERY_S, help="seconds between knocks")
    parser.add_argument("--tcp-port", type=int, default=0, help="for `tcp`")
    given = parser.parse_args()
    knocks = asyncio.run(
        knock(
            given.url,
            sys.stdin.read(),
            given.callers,
            given.seconds,
            way=given.way,
            every_s=given.every,
            port=given.tcp_port,
        )
    )
    print(json.dumps(asdict(knocks)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
