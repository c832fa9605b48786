"""Headless Chromium with a made-up camera, and what its pages report."""

from __future__ import annotations

import functools
import http.server
import os
import shlex
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from playwright.async_api import Browser, Page, async_playwright

from harness.deadline import eventually
from harness.namespaces import HERE, Network

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_DISABLED = (
    # Peers that are not allowed a name service must see addresses, not .local names.
    "WebRtcHideLocalIpsWithMdns",
    "HttpsUpgrades",
    "PaintHolding",
    "Translate",
)


class Readable(Protocol):
    """A page of any browser."""

    async def evaluate(self, expression: str, given: Any = None, /) -> Any:
        """Return what the expression is, or the function of that expression makes of `given`."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One frame that a video element of a page presented."""

    at_ms: float
    """The page's performance.now() clock."""
    width: int
    height: int
    counter: int | None
    """None where the picture carries no band that can be read."""
    mark: int | None
    is_inverted: bool | None
    patch_rgb: tuple[int, int, int]
    age_ms: float | None
    """Since the original video showed the same counter; None where it did not."""


def executable() -> str:
    """Return Chrome or Chromium of this machine; `CHROMIUM` in the environment goes first."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise FileNotFoundError(
            "no Chrome or Chromium found: install one (apt-get install chromium), or set CHROMIUM to its path"
        )
    return found


def headless() -> str:
    """Return Chromium without the parts around a page, where `CHROMIUM_SHELL` names it; else the whole one.

    It has the same engine, media and WebRTC, and takes half of the CPU. It has no extensions, and its
    cameras have other ids in each page.
    """
    return os.environ.get("CHROMIUM_SHELL") or executable()


def flags(camera: Path, *, allows_camera: bool = True) -> list[str]:
    """Return what a Chromium is started with whose camera plays the file `camera` (.y4m) in a loop.

    Its user always gives the same answer to a page that asks for the camera.
    """
    flags = [
        "--use-fake-ui-for-media-stream" + ("" if allows_camera else "=deny"),
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
        "--autoplay-policy=no-user-gesture-required",
        "--allow-loopback-in-peer-connection",
        "--no-proxy-server",
        f"--disable-features={','.join(_DISABLED)}",
    ]
    if os.getuid() == 0:
        # Chromium refuses to build its sandbox as root, mapped or real.
        flags.append("--no-sandbox")
    return flags


@asynccontextmanager
async def chromium(
    camera: Path, *, allows_camera: bool = True, network: Network = HERE, more: Sequence[str] = ()
) -> AsyncIterator[Browser]:
    """Start Chromium with a new profile, these flags and `more`, in a network namespace."""
    given = [*flags(camera, allows_camera=allows_camera), *more]
    async with async_playwright() as playwright:
        with _program(network, headless()) as program:
            browser = await playwright.chromium.launch(executable_path=program, args=given)
        try:
            yield browser
        finally:
            await browser.close()


@contextmanager
def _program(network: Network, browser: str) -> Iterator[str]:
    """Make the program that a driver starts, which has no words before the browser's name."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "chromium"
        program.write_text(f'#!/bin/sh\nexec {shlex.join(network.command(browser))} "$@"\n')
        program.chmod(0o700)
        yield str(program)


@contextmanager
def served(folder: Path, headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve the files of `folder` at another origin than the service's, with these headers; gives its URL."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the browser's console tells of what is missing."""

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@asynccontextmanager
async def opened(browser: Browser, url: str) -> AsyncIterator[Page]:
    """Open a page in a new context, which takes self-signed certificates; its console goes to the report."""
    context = await browser.new_context(ignore_https_errors=True, permissions=["camera", "microphone"])
    page = await context.new_page()
    page.on("console", lambda message: print(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: print(f"page error: {error}"))
    await page.goto(url)
    try:
        yield page
    finally:
        await context.close()


async def shown(page: Readable, video: str = "filtered") -> list[Shown]:
    """Return the frames that one video has presented since the page was opened or `forget` was called."""
    rows: list[dict[str, Any]] = await page.evaluate("name => window.meter.rows(name)", video)
    return [
        Shown(
            at_ms=row["at"],
            width=row["width"],
            height=row["height"],
            counter=row["code"]["counter"] if row["code"] else None,
            mark=row["code"]["mark"] if row["code"] else None,
            is_inverted=row["code"]["inverted"] if row["code"] else None,
            patch_rgb=(row["patch"][0], row["patch"][1], row["patch"][2]),
            age_ms=row["age"],
        )
        for row in rows
    ]


async def shown_so_far(page: Readable, video: str = "filtered") -> tuple[list[Shown], float]:
    """Return the frames that one video has presented until this call, and the page's clock then, in ms.

    Reading 600 rows holds the page up for 0.3 s: whoever looks at the clock afterwards sees a gap of that.
    """
    now_ms: float = await page.evaluate("performance.now()")
    return [row for row in await shown(page, video) if row.at_ms <= now_ms], now_ms


def new_pictures(rows: Sequence[Shown]) -> list[Shown]:
    """Return those readable rows that show another picture than the one before."""
    readable = [row for row in rows if row.counter is not None]
    return readable[:1] + [b for a, b in pairwise(readable) if a.counter != b.counter]


async def forget(page: Page) -> float:
    """Drop what has been recorded; returns the page's clock, in ms."""
    now: float = await page.evaluate("window.meter.forget()")
    return now


async def frames(page: Readable, count: int, within_s: float) -> list[Shown]:
    """Wait until the filtered video has presented `count` different counters; return all it presented."""

    # Counted in the page: each of its rows costs three processes something.
    counted = """new Set(meter.rows("filtered").flatMap(({ code }) => code ? [code.counter] : [])).size"""

    async def is_enough() -> bool:
        return bool(await page.evaluate(counted) >= count)

    await eventually(is_enough, within_s, f"{count} readable frames in the filtered video")
    return await shown(page)
