"""Firefox, driven over WebDriver BiDi (https://w3c.github.io/webdriver-bidi/), which it speaks itself.

Needed is Firefox alone: Debian's `firefox-esr`, or the path in `FIREFOX`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from harness.deadline import eventually

FIREFOX = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
"""None: there is none here."""
START_S = 90.0
ANSWER_S = 60.0
END_S = 20.0
PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    # Peers that may ask no name service.
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "network.proxy.type": 0,
    # No page of its own, no question and no message home at the first start.
    "browser.startup.page": 0,
    "browser.aboutwelcome.enabled": False,
    "app.normandy.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


@dataclass
class Firefox:
    """A running Firefox; it is told one command after the other."""

    socket: ClientConnection
    version: str = ""
    _ids: Iterator[int] = field(default_factory=itertools.count)

    async def tell(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; raises AssertionError with what Firefox says against it."""
        number = next(self._ids)
        await self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        # The first one waits for Firefox to have started.
        async with asyncio.timeout(START_S if method == "session.new" else ANSWER_S):
            reply: dict[str, Any] = {}
            # Others are events, or answers that came too late.
            while reply.get("id") != number:
                reply = json.loads(await self.socket.recv())
        assert reply["type"] == "success", f"{method}: {reply['error']}: {reply['message']}"
        result: dict[str, Any] = reply["result"]
        return result

    async def run_first(self, function: str) -> None:
        """Let every page call this function before its own scripts run."""
        await self.tell("script.addPreloadScript", functionDeclaration=function)

    async def open(self) -> FirefoxPage:
        """Return a new page, in a tab of its own."""
        made = await self.tell("browsingContext.create", type="tab")
        return FirefoxPage(self, made["context"])


@dataclass(frozen=True, slots=True)
class FirefoxPage:
    """One of its pages."""

    firefox: Firefox
    context: str

    async def goto(self, url: str) -> None:
        await self._show()
        await self.firefox.tell("browsingContext.navigate", context=self.context, url=url, wait="complete")

    async def evaluate(self, expression: str, given: object = None) -> Any:
        """Return what the expression is, or what its promise brings, as JSON tells it.

        A function is called, with `given`, as Playwright's pages do.
        """
        await self._show()
        given_too = f"(made => typeof made === 'function' ? made({json.dumps(given)}) : made)"
        found = await self.firefox.tell(
            "script.evaluate",
            # What JSON has no word for is null.
            expression=f"(async () => JSON.stringify((await {given_too}({expression})) ?? null))()",
            target={"context": self.context},
            awaitPromise=True,
            userActivation=True,
        )
        assert found["type"] == "success", found["exceptionDetails"]["text"]
        return json.loads(found["result"]["value"])

    async def _show(self) -> None:
        # A page that is hidden paints nothing.
        await self.firefox.tell("browsingContext.activate", context=self.context)


@contextmanager
def default_route(device: str = "p2pcamera0") -> Iterator[None]:
    """Give this namespace a default route.

    Without one Firefox finds no address of its own, and makes no connection. A page that asks for none of
    the host's cameras offers the address of that route alone.
    """
    subprocess.run(["ip", "route", "replace", "default", "dev", device], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "route", "delete", "default"], check=True)


@asynccontextmanager
async def running_firefox(folder: Path) -> AsyncIterator[Firefox]:
    """Start Firefox with a new profile in `folder`, and write there what it says."""
    profile = folder / "profile"
    profile.mkdir()
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items())
    (profile / "user.js").write_text("\n".join(lines))
    flags = ["--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    log = folder / "firefox.log"
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(str(FIREFOX), *flags, stdout=said, stderr=said)
    try:
        endpoint = await eventually(lambda: _endpoint(log), START_S, "Firefox can be driven")
        async with connect(f"{endpoint}/session", max_size=None, proxy=None) as socket:
            firefox = Firefox(socket)
            made = await firefox.tell("session.new", capabilities={})
            firefox.version = f"Firefox {made['capabilities']['browserVersion']}"
            yield firefox
            await firefox.tell("browser.close")
            async with asyncio.timeout(END_S):
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _endpoint(log: Path) -> str:
    """Return the address that Firefox says it listens on, or nothing yet."""
    found = re.search(r"WebDriver BiDi listening on (ws://\S+)\n", log.read_text(errors="replace"))
    return found[1] if found else ""
