"""A stage for the shim by itself, in Chromium, whatever the server is.

No service of this project runs here. The page and the shim are answered from files. A second page of the
browser stands in for the signaling service, and its connection returns a plain red picture. Chromium's
made-up camera is green. Nothing but that connection, on the loopback, touches a network.
"""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright

from harness.browser import executable, headless
from harness.deadline import eventually

SHIM = Path(__file__).parents[2] / "static" / "p2pcamera.js"
SHIMS = ("/p2pcamera.js", "/p2pcamera.mjs")
"""Answered at the service's place, and beside the page."""
HOME = "http://localhost:7000"
SERVER = "http://localhost:7860"
SESSION = "00112233445566778899aabbccddeeff"
FLAGS = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    # A page that no server sent counts as public, and may not call the loopback without a grant.
    "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks",
)

ALWAYS_GRANTED = "--use-fake-ui-for-media-stream"
THREE_CAMERAS = "--use-fake-device-for-media-stream=device-count=3"
STRICT = (
    f"default-src 'self'; script-src 'self' {SERVER}; connect-src 'self' {SERVER}; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""A content-security policy that names the server, and nothing else."""

# Runs before the shim: keeps what the browser's own call was given and gave.
SPY = """
const { getUserMedia } = MediaDevices.prototype;
const { clone } = MediaStreamTrack.prototype;
window.native = { getUserMedia, calls: [], streams: [], cameras: new Set() };
Object.assign(MediaDevices.prototype, {
  async getUserMedia(...constraints) {
    native.calls.push(constraints);
    const stream = await getUserMedia.apply(this, constraints);
    native.streams.push(stream);
    for (const track of stream.getVideoTracks()) native.cameras.add(track);
    return stream;
  },
});
Object.assign(MediaStreamTrack.prototype, {
  clone() {
    const copy = clone.call(this);
    if (native.cameras.has(this)) native.cameras.add(copy);
    return copy;
  },
});
native.isOn = () => [...native.cameras].some(({ readyState }) => readyState === "live");
window.attempt = async (constraints) => {
  try {
    window.stream = await navigator.mediaDevices.getUserMedia(constraints);
    return "";
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
window.colours = async (stream, duration_ms) => {
  const found = [];
  const began_ms = performance.now();
  while (performance.now() < began_ms + duration_ms) found.push(await colour(stream));
  return found;
};
window.colour = async (stream) => {
  const video = document.createElement("video");
  Object.assign(video, { srcObject: stream, muted: true });
  await video.play();
  await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  pen.drawImage(video, 0, 0, 1, 1);
  const [red, green] = pen.getImageData(0, 0, 1, 1).data;
  return red > 150 && green < 80 ? "red" : green > 80 && red < 80 ? "green" : `${red}, ${green}`;
};
"""

COUNT_CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...configuration) {
    super(...configuration);
    connections.push(this);
  }
};
"""

# The page that stands for the server: returns a red picture for each that comes, in its size, and answers on
# the data channel.
FAR_END = """<!doctype html><script>
let peers = [];
window.begin = () => {
  for (const peer of peers) peer.close();
  peers = [];
  window.heard = [];
  window.reply = { type: "filter", ok: true, filter: ["invert"], generation: 1 };
};
const red = async (track) => {
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  const filtered = new MediaStreamTrackGenerator({ kind: "video" });
  const writer = filtered.writable.getWriter();
  const paint = new WritableStream({
    async write(frame) {
      const { displayWidth: width, displayHeight: height, timestamp } = frame;
      frame.close();
      Object.assign(pen.canvas, { width, height });
      pen.fillStyle = "#e00000";
      pen.fillRect(0, 0, width, height);
      const painted = new VideoFrame(pen.canvas, { timestamp });
      await writer.write(painted);
      painted.close();
    },
  });
  const { readable } = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 });
  readable.pipeTo(paint).catch(() => {});
  return filtered;
};
window.answer = async (sdp) => {
  const peer = new RTCPeerConnection();
  window.peer = peer;
  peers.push(peer);
  peer.ondatachannel = ({ channel }) => {
    window.control = channel;
    // One that is lost takes its picture along: many may follow.
    channel.onclose = () => peer.close();
    channel.onmessage = ({ data }) => {
      heard.push(data);
      channel.send(data.startsWith("ping") ? data.replace("ping", "pong") : JSON.stringify(reply));
    };
  };
  await peer.setRemoteDescription({ type: "offer", sdp });
  const video = peer.getTransceivers().find(({ receiver }) => receiver.track.kind === "video");
  video.direction = "sendrecv";
  await video.sender.replaceTrack(await red(video.receiver.track));
  // As the service does: the size stays, whatever Chromium makes of the bandwidth.
  const keepsSize = { degradationPreference: "maintain-resolution" };
  await video.sender.setParameters({ ...video.sender.getParameters(), ...keepsSize });
  await peer.setLocalDescription();
  await new Promise((resolve) => {
    const look = () => peer.iceGatheringState === "complete" && resolve();
    peer.onicegatheringstatechange = look;
    look();
  });
  return peer.localDescription.sdp;
};
</script>"""


@dataclass(frozen=True, slots=True)
class Theatre:
    """What stages can share, one after another: opening it takes longer than most tests."""

    context: BrowserContext
    far_end: Page


@dataclass(frozen=True, slots=True)
class Request:
    """What reached the place of the signaling service."""

    method: str
    path: str
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        """The JSON of the body."""
        return json.loads(self.text)


@dataclass  # without slots: Playwright keeps a handler's wrapper on the object
class Stage:
    """A browser, a stand-in for the signaling service, and pages with the shim."""

    context: BrowserContext
    far_end: Page
    requests: list[Request] = field(default_factory=list)
    refusal: tuple[int, str, str] | None = None
    """Status, code and message that answer an offer; None: a session is made."""
    retry_after_s: int = 30
    """What a refusal by 503 asks for: by default longer than the shim tries to connect for the first time."""
    takes_tokens: Sequence[str] | None = None
    """The tokens that are valid; None: any, and none."""
    wrong_params: Mapping[str, Any] | None = None
    """Parameters for which an offer is refused as the service does it."""
    is_silent: bool = False
    """Whether offers are left without an answer."""
    is_script_blocked: bool = False
    """Whether something between the page and the service keeps the shim from it."""
    is_away: bool = False
    """Whether nothing answers."""
    held: asyncio.Event | None = None
    """Until it is set, what is asked of a server that is away is left without an answer."""
    holding: int = 0
    """How many requests wait for it."""
    private: Sequence[str] = ()
    """The filters that the server calls private."""
    is_forgetful: bool = False
    """Whether there are no sessions any more, until the next is made."""

    async def open(
        self,
        *tags: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        body: str = "",
        files: Mapping[str, str] | None = None,
        has_shim: bool = True,
        first: str = "",
    ) -> Page:
        """Open a page with one script tag of the shim for each of `tags`, their `data-` attributes.

        `body` follows the tags. `files` are answered beside the page, by path, as what their names say.
        The script `first` runs before all others, in frames too.
        """
        scripts = "".join(
            f'<script src="{SERVER}/p2pcamera.js" {_attributes(tag)}></script>' for tag in tags or ({},)
        )
        text = f"<!doctype html><title>A page</title>{scripts if has_shim else ''}{body}"
        texts = {"/": text, **(files or {})}

        async def document(route: Route) -> None:
            path = urlsplit(route.request.url).path
            if path in SHIMS:
                await _shim(route, path)
                return
            kind = "text/javascript" if path.endswith(".js") else "text/html"
            found = texts.get(path, "<!doctype html><title>Empty</title>")
            await route.fulfill(body=found, content_type=kind, headers=dict(headers or {}))

        page = await self.context.new_page()
        await page.route(f"{HOME}/**", document)
        # Not for all of the context: what a page of an earlier test says while it goes away is not for us.
        await page.route(f"{SERVER}/**", self.serve)
        if first:
            await page.add_init_script(first)
        await page.goto(f"{HOME}/")
        return page

    async def serve(self, route: Route) -> None:
        """Answer as the signaling service does."""
        request = route.request
        path = urlsplit(request.url).path
        if path in SHIMS and self.is_script_blocked:
            await route.abort("blockedbyresponse")
            return
        if path in SHIMS:
            await _shim(route, path)
            return
        if self.is_away:
            if self.held is not None:
                self.holding += 1
                await self.held.wait()
            await route.abort("connectionrefused")
            return
        self.requests.append(
            Request(request.method, path, await request.all_headers(), request.post_data or "")
        )
        cors = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
        if path == "/ice-servers":
            await route.fulfill(json={"iceServers": []}, headers=cors)
        elif path == "/filters":
            offers = [{"name": name, "private": name in self.private} for name in ("ink", *self.private)]
            await route.fulfill(json={"filters": offers, "default": "ink"}, headers=cors)
        elif path != "/offer" and self.is_forgetful:
            error = {"error": {"code": "unknown_session", "message": "no such session"}}
            await route.fulfill(status=404, json=error, headers=cors)
        elif path != "/offer":
            await route.fulfill(status=204, headers=cors)
        elif refusal := self._refusal_of(self.requests[-1]):
            status, code, message = refusal
            error = {"error": {"code": code, "message": message}}
            later = {"Retry-After": str(self.retry_after_s)} if status == 503 else {}
            await route.fulfill(status=status, json=error, headers={**cors, **later})
        elif not self.is_silent:
            self.is_forgetful = False
            body = self.requests[-1].body
            sdp = await self.far_end.evaluate("sdp => answer(sdp)", body["sdp"])
            name = body.get("filter", "ink")
            answer = {"sdp": sdp, "type": "answer", "session": SESSION, "filter": name}
            await route.fulfill(json={**answer, "private": name in self.private}, headers=cors)

    def _refusal_of(self, offer: Request) -> tuple[int, str, str] | None:
        if self.wrong_params and offer.body["params"] == self.wrong_params:
            return 422, "invalid_params", "At most 1."
        token = offer.headers.get("authorization", "").removeprefix("Bearer ")
        if self.takes_tokens is not None and token not in self.takes_tokens:
            return 401, "token_expired", "The token has expired."
        return self.refusal

    def sent(self, method: str, path: str) -> list[Request]:
        """Return the requests so far with this method and path."""
        return [request for request in self.requests if (request.method, request.path) == (method, path)]

    def checks(self) -> list[Request]:
        """Return the questions whether the session is still there."""
        return [
            request
            for request in self.sent("PATCH", f"/sessions/{SESSION}")
            if request.headers["content-type"] == "application/json"
        ]

    async def tries(self, page: Page) -> int:
        """Return how often the page has begun to connect; each begins with this call."""
        # Behind whatever the page has asked for before.
        await page.evaluate("url => fetch(`${url}/healthz`)", SERVER)
        return len(self.sent("GET", "/ice-servers"))

    async def first(self, method: str, path: str) -> Request:
        """Wait for a request."""
        return (await eventually(lambda: self.sent(method, path), 5, f"{method} {path}"))[0]


async def _shim(route: Route, path: str) -> None:
    cors = {"Access-Control-Allow-Origin": "*"}
    await route.fulfill(path=SHIM.parent / path[1:], content_type="text/javascript", headers=cors)


async def _nothing(route: Route) -> None:
    await route.fulfill(status=204)


def _attributes(values: Mapping[str, str]) -> str:
    return " ".join(f'data-{name}="{html.escape(value)}"' for name, value in values.items())


@asynccontextmanager
async def stage_browser(*flags: str, is_whole: bool = False) -> AsyncIterator[Browser]:
    """Start Chromium with its made-up devices; `flags` go after FLAGS.

    With `is_whole` it is never the shell alone, which gives every page the camera, and ids of its own.
    """
    program = executable() if is_whole else headless()
    given = [*FLAGS, *([] if program == executable() else [ALWAYS_GRANTED]), *flags]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=given)
        yield browser
        await browser.close()


@asynccontextmanager
async def theatre(
    browser: Browser, permissions: Sequence[str] = ("camera", "microphone")
) -> AsyncIterator[Theatre]:
    """Open a context and the page that stands for the server in it."""
    context = await browser.new_context(permissions=list(permissions))
    await context.add_init_script(SPY)
    far_end = await context.new_page()
    await far_end.set_content(FAR_END)
    await context.route(f"{SERVER}/**", _nothing)
    yield Theatre(context, far_end)
    await context.close()


@asynccontextmanager
async def set_up(theatre: Theatre) -> AsyncIterator[Stage]:
    """Give a stage on which nothing has happened yet, and close its pages at the end."""
    context, far_end = theatre.context, theatre.far_end
    assert not await far_end.evaluate("'__pwClock' in window"), (
        "a clock stays in its context: mark own_context"
    )
    await far_end.evaluate("begin()")
    yield Stage(context, far_end)
    for page in context.pages:
        if page is not far_end:
            await page.close()


@asynccontextmanager
async def staged(
    browser: Browser, permissions: Sequence[str] = ("camera", "microphone")
) -> AsyncIterator[Stage]:
    """Give a stage in a context of its own."""
    async with theatre(browser, permissions) as own, set_up(own) as stage:
        yield stage
