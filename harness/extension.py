"""Chromium with the unpacked extension, and sites on the loopback that it takes for those of the world."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, CDPSession, Page, async_playwright

from deploy import extension
from harness.browser import executable, flags
from harness.deadline import eventually
from harness.pages import PAGES

NAMES = ("meet.google.com", "teams.microsoft.com", "teams.live.com", "teams.cloud.microsoft", "*.test")
OWN_SITE = "https://site.test"
"""The site that a test's user may add."""


@contextmanager
def world(
    certificate: tuple[Path, Path], pages: Mapping[str, tuple[str, Mapping[str, str]]]
) -> Iterator[int]:
    """Serve the same pages (path -> HTML, headers) as every site there is; gives the port of the loopback."""

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text, headers = pages.get(urlsplit(self.path).path, ("", {}))
            self.send_response(200 if text else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        # In the handler's thread, or one connection that says nothing would hold up all others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class Extended:
    """A browser with the extension; whoever opens a page closes it."""

    def __init__(self, context: BrowserContext, own: Page) -> None:
        """`own` is a page of the extension's origin without a script of its own."""
        self.context = context
        self.home = own.url.partition("/_locales")[0]
        self._own = own

    async def own_page(self, path: str) -> Page:
        """Open one of the extension's own pages."""
        return await self._opened(f"{self.home}/{path}")

    async def page(self, url: str) -> Page:
        """Open a page of the world, with `look` and `attempt` put into it."""
        page = await self._opened(url)
        await prepare(page)
        return page

    async def popup(self, page: Page) -> Page:
        """Open the popup as it shows for the tab of `page`."""
        found: list[int] = await self._own.evaluate(
            "async (url) => (await chrome.tabs.query({ url })).map(({ id }) => id)", page.url
        )
        assert len(found) == 1, f"{len(found)} tabs with {page.url}"
        return await self.own_page(f"popup.html?tab={found[0]}")

    async def run(self, script: str, *given: object) -> Any:
        """Return what a function of JavaScript returns that runs in a page of the extension's origin."""
        return await self._own.evaluate(script, *given)

    async def stored(self, area: str = "local") -> dict[str, Any]:
        """Return what the extension keeps."""
        kept: dict[str, Any] = await self._own.evaluate("area => chrome.storage[area].get()", area)
        return kept

    async def store(self, settings: Mapping[str, Any]) -> None:
        """Replace all that the extension keeps, in one step for what is in `settings`."""
        # Not emptied first: a page that reads in between would find no server.
        replace = """async (all) => {
          const before = Object.keys(await chrome.storage.local.get());
          await chrome.storage.local.set(all);
          await chrome.storage.local.remove(before.filter((name) => !(name in all)));
        }"""
        await self._own.evaluate(replace, dict(settings))

    async def stop_worker(self) -> None:
        """End the service worker, as Chrome does when it has had no work for half a minute."""
        session = await self.context.new_cdp_session(self._own)
        await session.send("ServiceWorker.enable")
        await session.send("ServiceWorker.stopAllWorkers")
        await session.detach()

        async def has_ended() -> bool:
            left = await self._own.evaluate("chrome.runtime.getContexts({ contextTypes: ['BACKGROUND'] })")
            return bool(left == [])

        await eventually(has_ended, 20, "the service worker has ended")

    async def _opened(self, url: str) -> Page:
        page = await self.context.new_page()
        page.on("console", lambda message: print(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: print(f"page error: {error}"))
        await page.goto(url)
        return page


@asynccontextmanager
async def extended(
    folder: Path, camera: Path, port: int, *, languages: str = "en", site: str = OWN_SITE
) -> AsyncIterator[Extended]:
    """Build the extension, start a Chromium with it, and send all names but the loopback's to `port`.

    Leave for the loopback and `site` is given beforehand: nobody can press the browser's own button here.
    That for the sites of the manifest is what a click on the toolbar gives: which address a tab has.
    """
    built, _ = extension.build(folder)
    manifest = json.loads((built / "manifest.json").read_text())
    given = manifest["content_scripts"][0]["matches"]
    manifest["host_permissions"] = ["http://127.0.0.1/*", f"{site}/*", *given]
    (built / "manifest.json").write_text(json.dumps(manifest))
    rules = [f"MAP {name} 127.0.0.1:{port}" for name in (*NAMES, urlsplit(site).hostname)]
    arguments = [
        *flags(camera),
        f"--disable-extensions-except={built}",
        f"--load-extension={built}",
        f"--host-resolver-rules={', '.join(rules)}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--ignore-certificate-errors",
        f"--lang={languages}",
    ]
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=executable(),
            args=arguments,
            ignore_default_args=["--disable-extensions"],
        )
        try:
            workers = context.service_workers
            worker = workers[0] if workers else await context.wait_for_event("serviceworker", timeout=30_000)
            home = worker.url.rpartition("/")[0]
            # Opened by the extension that was just installed, in a tab that may be any new one.
            options = await eventually(
                lambda: [page for page in context.pages if page.url == f"{home}/options.html"],
                30,
                "the options page opens by itself",
            )
            own = await context.new_page()
            await own.goto(f"{home}/_locales/en/messages.json")
            await options[0].close()
            yield Extended(context, own)
        finally:
            await context.close()


_LOOK = """
window.attempt = async (constraints = { video: true }, devices = navigator.mediaDevices) => {
  try {
    window.stream = await devices.getUserMedia(constraints);
    return "";
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
window.look = async (stream = window.stream) => {
  const video = document.createElement("video");
  Object.assign(video, { srcObject: stream, muted: true });
  await video.play();
  await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  const { code } = new PictureReader().read(video);
  video.srcObject = null;
  return code && { counter: code.counter, isInverted: code.inverted };
};
"""


async def prepare(page: Page) -> None:
    """Put into a page: `attempt` opens its camera, `look` says what a stream shows."""
    reader = (PAGES / "reader.js").read_text()
    # A function as the last value would be called.
    await page.evaluate(f"{reader}{_LOOK}null")


async def sees(page: Page, *, is_inverted: bool, stream: str = "stream", within_s: float = 20) -> None:
    """Wait until a stream of the page shows the camera's picture so."""

    async def has() -> bool:
        seen = await page.evaluate(f"look({stream})")
        return seen is not None and seen["isInverted"] is is_inverted

    await eventually(has, within_s, f"{stream} shows the picture {'inverted' if is_inverted else 'as it is'}")


class OwnWorld:
    """The extension's world in the top frame of a page, as a broken script of ours would find it."""

    def __init__(self, session: CDPSession, context: int) -> None:
        self._session, self._context = session, context

    async def run(self, expression: str) -> Any:
        """Return the value of an expression, awaited; a thrown error is its text."""
        answer = await self._session.send(
            "Runtime.evaluate",
            {
                "expression": f"(async () => {expression})().catch(String)",
                "contextId": self._context,
                "awaitPromise": True,
                "returnByValue": True,
            },
        )
        return answer["result"].get("value")


async def own_world(extended: Extended, page: Page) -> OwnWorld:
    """Return the extension's world in a page; raises AssertionError where the page has no script of ours."""
    session = await extended.context.new_cdp_session(page)
    found: list[int] = []

    def note(event: dict[str, Any]) -> None:
        if event["context"]["origin"] == extended.home:
            found.append(event["context"]["id"])

    session.on("Runtime.executionContextCreated", note)
    await session.send("Runtime.enable")
    await eventually(lambda: found, 5, f"the extension has a world in {page.url}")
    return OwnWorld(session, found[0])
