"""Firefox, driven over WebDriver BiDi by `firefox.mjs`, where there is one to be driven.

Needed are Firefox (`apt-get install firefox-esr`, or `FIREFOX`), Node.js, and in `PUPPETEER_CORE` a folder in
which `npm install puppeteer-core` was run.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.services import in_namespace

DRIVER = Path(__file__).parent / "firefox.mjs"
FIREFOX = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
NODE = shutil.which("node")
PUPPETEER_CORE = os.environ.get("PUPPETEER_CORE")
LEASH_S = 90.0


@dataclass
class Firefox:
    """A running Firefox; it answers one question after the other."""

    process: asyncio.subprocess.Process
    version: str = ""

    async def ask(self, wanted: dict[str, str] | None = None) -> Any:
        """Send a line, where there is one, and return what comes back."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if wanted is not None:
            self.process.stdin.write(json.dumps(wanted).encode() + b"\n")
            await self.process.stdin.drain()
        async with asyncio.timeout(LEASH_S):
            line = await self.process.stdout.readline()
        reply = json.loads(line)
        assert "error" not in reply, reply["error"]
        return reply["value"]


@dataclass(frozen=True, slots=True)
class FirefoxPage:
    """One of its pages."""

    firefox: Firefox
    name: str = "page"

    async def goto(self, url: str) -> None:
        await self.firefox.ask({"page": self.name, "goto": url})

    async def evaluate(self, expression: str) -> Any:
        """Return what the expression is, or what its promise brings."""
        return await self.firefox.ask({"page": self.name, "evaluate": expression})


@contextmanager
def firefox_can_connect() -> Iterator[None]:
    """Skip where Firefox cannot be driven; give this namespace a default route.

    Without one Firefox finds no address of its own, and makes no connection.
    """
    for what, found in [
        ("Firefox (apt-get install firefox-esr, or FIREFOX)", FIREFOX),
        ("Node.js", NODE),
        ("PUPPETEER_CORE, a folder with puppeteer-core", PUPPETEER_CORE),
    ]:
        if not found:
            pytest.skip(f"{what} is missing")
    if not in_namespace():
        # It makes no connection to the loopback, where the services are without one.
        pytest.skip("tests/in_namespace.sh can make no network namespace here")
    subprocess.run(["ip", "route", "replace", "default", "dev", "p2pcamera0"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "route", "delete", "default"], check=True)


@asynccontextmanager
async def running_firefox() -> AsyncIterator[Firefox]:
    """Start Firefox."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(NODE), str(DRIVER), str(PUPPETEER_CORE), str(FIREFOX), stdin=pipe, stdout=pipe
    )
    firefox = Firefox(process)
    try:
        firefox.version = await firefox.ask()
        yield firefox
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
