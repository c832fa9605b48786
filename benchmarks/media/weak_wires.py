"""Cables from browser to router to server that can be made narrow, bad and long."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np

from harness.delay import delayed
from harness.namespaces import HERE, Network, cable

SERVER = "10.98.2.2"
BUFFER_MS = 200


@dataclass(frozen=True, slots=True)
class Link:
    """Widths in bits per second, None for no limit."""

    name: str
    up: int | None = None
    down: int | None = None
    loss: float = 0.0
    delay_ms: float = 0.0
    """Each way."""
    is_own: bool = False
    """The limit stands at the senders' own interfaces, where what waits fills their sockets."""


LINKS = (
    Link("open"),
    Link("4-4", 4_000_000, 4_000_000),
    Link("1-10", 1_000_000, 10_000_000),
    Link("10-1", 10_000_000, 1_000_000),
    Link("0.6-0.6", 600_000, 600_000),
    Link("own-4", 4_000_000, 4_000_000, is_own=True),
    Link("loss-3", loss=0.03),
    Link("delay-100", delay_ms=100.0),
)


class Wires:
    """The cables from browser to router to server."""

    def __init__(self, router: Network, far: Network) -> None:
        self._router, self._far = router, far
        cable((HERE, "weak0", "10.98.1.1/24"), (router, "weak1", "10.98.1.2/24"))
        cable((router, "weak2", "10.98.2.1/24"), (far, "weak3", f"{SERVER}/24"))
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        HERE.run("ip", "route", "add", "10.98.2.0/24", "via", "10.98.1.2")
        far.run("ip", "route", "add", "default", "via", "10.98.2.1")

    @contextmanager
    def weak(self, link: Link) -> Iterator[None]:
        """Make the link so narrow, so bad and so long."""
        limited = self._limited(link)
        drops = [f"FORWARD -i {name} -p udp -m statistic --mode random --probability {link.loss} -j DROP"
                 for name in ("weak1", "weak2") if link.loss]  # fmt: skip
        for (end, name), width in limited:
            bound = "limit 100mb" if link.is_own else f"latency {BUFFER_MS}ms"
            end.run("tc", "qdisc", "add", *f"dev {name} root tbf rate {width}bit burst 5kb {bound}".split())
        for rule in drops:
            self._router.run("iptables", "-A", *rule.split())
        is_late = delayed(self._router, ("weak1", "weak2"), link.delay_ms) if link.delay_ms else nullcontext()
        try:
            with is_late:
                yield
        finally:
            for (end, name), _ in limited:
                end.run("tc", "qdisc", "del", "dev", name, "root")
            for rule in drops:
                self._router.run("iptables", "-D", *rule.split())

    @contextmanager
    def watched(self, link: Link) -> Iterator[list[float | None]]:
        """Give, after the block, the p95 of what waited before the limits, in ms: up, down."""
        found: list[float | None] = []
        with ExitStack() as watching:
            started: list[tuple[int | None, subprocess.Popen[str] | None]] = [
                (link.up, None),
                (link.down, None),
            ]
            for place, ((end, name), width) in enumerate(self._limited(link)):
                script = f"while sleep 0.1; do tc -s qdisc show dev {name}; done"
                process = subprocess.Popen(end.command("sh", "-c", script), stdout=subprocess.PIPE, text=True)
                started[place] = width, watching.enter_context(process)
            yield found
            for limit, watcher in started:
                if watcher is None or limit is None:
                    found.append(None)
                    continue
                watcher.terminate()
                text = watcher.communicate()[0]
                waiting = [int(n) * (1000 if k else 1) for n, k in re.findall(r"backlog (\d+)(K?)b", text)]
                found.append(float(np.percentile(waiting, 95)) * 8e3 / limit if waiting else None)

    def _limited(self, link: Link) -> list[tuple[tuple[Network, str], int]]:
        """Return the interfaces whose sending is limited, with the widths: up, down."""
        up, down = (HERE, "weak0"), (self._far, "weak3")
        if not link.is_own:
            up, down = (self._router, "weak2"), (self._router, "weak1")
        return [(end, width) for end, width in ((up, link.up), (down, link.down)) if width]
