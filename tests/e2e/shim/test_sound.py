"""Sound in step with the picture: the shim delays the microphone by what it measured, in Chromium.

As in test_static_shim.py no service runs. The microphone is noise made in the page, so that the delay can be
found by correlating what went into the shim with what came out of it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Browser, Page

from harness.deadline import eventually
from tests.e2e.stage import SESSION, Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

TOLERANCE_MS = 20.0
"""What the issue allows between the picture's latency and the sound's."""

COUNT_CONTEXTS = """
window.contexts = [];
window.AudioContext = class extends AudioContext {
  constructor(...options) {
    super(...options);
    contexts.push(this);
  }
};
"""

# Before the shim, after SPY: every microphone is noise, from a context of the page's own.
MICROPHONE = """
const { getUserMedia: camera } = MediaDevices.prototype;
MediaDevices.prototype.getUserMedia = async function (constraints) {
  const stream = await camera.call(this, constraints);
  for (const track of stream.getAudioTracks()) { stream.removeTrack(track); track.stop(); }
  if (!constraints.audio) return stream;
  window.studio ??= new AudioContext();
  const noise = studio.createBuffer(1, 4 * studio.sampleRate, studio.sampleRate);
  const samples = noise.getChannelData(0);
  for (let i = 0; i < samples.length; i++) samples[i] = Math.random() - 0.5;
  window.voice = new AudioBufferSourceNode(studio, { buffer: noise, loop: true });
  const out = studio.createMediaStreamDestination();
  out.channelCount = 1;
  voice.connect(out);
  voice.start();
  [window.microphone] = out.stream.getAudioTracks();
  stream.addTrack(microphone);
  return stream;
};
// What both tracks sound like for so long, each from its first sample's time on, by one clock.
window.record = (tracks, duration_ms) => Promise.all(tracks.map(async (track) => {
  const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 100 }).readable.getReader();
  const blocks = [];
  let from_ms = Infinity;
  let length_ms = 0;
  let rate = 0;
  while (length_ms < duration_ms) {
    const { value: data } = await reader.read();
    const cameAt_ms = performance.now();
    const samples = new Float32Array(data.numberOfFrames);
    data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
    rate = data.sampleRate;
    length_ms += 1000 * data.numberOfFrames / rate;
    // Never early, and late only where this thread was busy.
    from_ms = Math.min(from_ms, cameAt_ms - length_ms);
    data.close();
    blocks.push(btoa(String.fromCharCode(...new Uint8Array(samples.buffer))));
  }
  await reader.cancel();
  return { rate, blocks, from_ms };
}));
"""


async def sounds(page: Page, duration_ms: int = 1_200) -> list[tuple[float, int, NDArray[np.float32]]]:
    """Return begin (ms), rate and samples of what went into the shim, and of what came out."""
    tracks = "[microphone, stream.getAudioTracks()[0]]"
    return [
        (
            one["from_ms"],
            one["rate"],
            np.concatenate([np.frombuffer(base64.b64decode(block), np.float32) for block in one["blocks"]]),
        )
        for one in await page.evaluate(f"record({tracks}, {duration_ms})")
    ]


async def heard_delay_ms(page: Page) -> float:
    """Return how much later the page's track sounds than the microphone's: where they correlate best."""
    (said_ms, rate, said), (heard_ms, heard_rate, heard) = await sounds(page)
    heard = np.interp(np.arange(0, len(heard), heard_rate / rate), np.arange(len(heard)), heard)
    size = 2 * max(len(said), len(heard))
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size)
    lag = int(np.argmax(np.abs(product)))
    return heard_ms - said_ms + (lag if lag < size // 2 else lag - size) * 1000 / rate


async def tell_latency(stage: Stage, batch_ms: float) -> None:
    """Have the server say, once and for all to come, that a frame takes so long in it."""
    latency_ms = {"transport": 0.0, "wait": 0.0, "batch": batch_ms}
    message = {"type": "stats", "session": SESSION, "state": "live", "latency_ms": latency_ms}
    await stage.far_end.evaluate("message => control.send(JSON.stringify(message))", message)


@pytest.fixture(scope="module")
def browser(stage_chromium: Browser) -> Browser:
    return stage_chromium


async def _opened(stage: Stage, *tags: Mapping[str, str], first: str = "") -> Page:
    return await stage.open(*tags, first=COUNT_CONTEXTS + MICROPHONE + first)


async def _call(page: Page, constraints: str = "{ video: true, audio: true }") -> None:
    assert await page.evaluate(f"attempt({constraints})") == ""


async def _in_step(page: Page, least_ms: float) -> None:
    """Wait until the sound is as late as the shim says that the picture is, and later than `least_ms`."""
    rows: list[tuple[float, float]] = []

    async def is_in_step() -> bool:
        latency_ms = await page.evaluate("p2pcamera.sessions[0].latency_ms") or 0.0
        rows.append((latency_ms, await heard_delay_ms(page)))
        return latency_ms > least_ms and abs(rows[-1][0] - rows[-1][1]) <= TOLERANCE_MS

    try:
        await eventually(is_in_step, 60, "picture and sound are in step")
    finally:
        print([(round(latency), round(heard)) for latency, heard in rows])


@pytest.mark.timeout(300)  # Half a minute on a machine that is free.
async def test_sound_follows_the_picture_within_20_ms(stage: Stage) -> None:
    page = await _opened(stage, {"audio": "sync"})
    await _call(page)
    assert await page.evaluate("stream.getAudioTracks()[0] !== microphone")
    await tell_latency(stage, 200)
    await _in_step(page, 200)
    await tell_latency(stage, 330)
    await _in_step(page, 330)

    # Nothing that is said while the track is off is ever heard: what is in the delay line is older.
    quiet = "stream.getAudioTracks()[0]"
    await page.evaluate(f"{quiet}.enabled = false")
    assert await page.evaluate(f"[{quiet}.enabled, microphone.enabled]") == [False, False]
    ((_, _, said), (_, _, heard)) = await sounds(page)
    assert not said.any()
    assert not heard.any()
    await page.evaluate(f"{quiet}.enabled = true")

    # A clone has its own switch, and the microphone and the context live as long as the last of them.
    await page.evaluate(f"window.copy = {quiet}.clone(); copy.enabled = false; {quiet}.stop()")
    assert await page.evaluate("[copy.enabled, copy.readyState, contexts.at(-1).state]") == [
        False,
        "live",
        "running",
    ]
    await page.evaluate("copy.stop()")
    await eventually(lambda: page.evaluate("contexts.at(-1).state === 'closed'"), 10, "the context closes")
    assert await page.evaluate("microphone.readyState") == "ended"


@pytest.mark.timeout(300)
async def test_a_microphone_that_is_asked_for_alone_is_in_step_with_the_picture_that_is_there(
    stage: Stage,
) -> None:
    """As a page records, or calls: the camera first, the microphone when it is needed."""
    page = await _opened(stage, {"audio": "sync"})
    await _call(page, "{ audio: true }")
    assert await page.evaluate("stream.getAudioTracks()[0] === microphone")  # There is no picture yet.
    await _call(page, "{ video: true }")
    await tell_latency(stage, 250)
    await page.evaluate("window.camera = stream")
    await _call(page, "{ audio: true }")
    assert await page.evaluate("stream.getAudioTracks()[0] !== microphone")
    # Measured before the first sound, so that a recording is in step from its begin.
    assert await page.evaluate("p2pcamera.sessions[0].audioDelay_ms") > 200
    await _in_step(page, 250)
    await page.evaluate("stream.getAudioTracks()[0].stop()")
    assert await page.evaluate("[microphone.readyState, camera.active]") == ["ended", True]


async def test_delayed_track_has_the_microphones_manners(stage: Stage) -> None:
    page = await _opened(stage, {"audio": "sync"})
    await _call(page)
    same = """[stream.getAudioTracks()[0], microphone].map((track) => JSON.stringify([
      track.kind, track.label, track.muted,
      track.getSettings(), track.getConstraints(), track.getCapabilities(),
    ]))"""
    ours, theirs = await page.evaluate(same)
    assert ours == theirs
    await page.evaluate(
        "stream.getAudioTracks()[0].onended = () => { window.hasEnded = true; };"
        "microphone.dispatchEvent(new Event('ended'))"
    )
    assert await page.evaluate("[hasEnded, stream.getAudioTracks()[0].readyState]") == [True, "ended"]


async def test_sound_is_untouched_unless_a_page_asks_for_it(stage: Stage) -> None:
    page = await _opened(stage)
    await _call(page)
    assert await page.evaluate("[stream.getAudioTracks()[0] === microphone, p2pcamera.audio]") == [
        True,
        "untouched",
    ]
    assert await page.evaluate("contexts.length") == 1  # the microphone's own
    await page.evaluate("p2pcamera.audio = 'sync'")
    await _call(page)
    assert await page.evaluate("stream.getAudioTracks()[0] !== microphone")


@pytest.mark.parametrize(
    "breakage",
    [
        "Reflect.deleteProperty(window, 'AudioContext')",
        # As on a page that nobody has clicked.
        "Object.defineProperty(AudioContext.prototype, 'resume', { value: () => new Promise(() => {}) });"
        "Object.defineProperty(BaseAudioContext.prototype, 'state', { get: () => 'suspended' })",
    ],
    ids=["no Web Audio", "a context that does not run"],
)
async def test_sound_is_untouched_where_it_cannot_be_delayed(stage: Stage, breakage: str) -> None:
    breaking = f"{{ window.studio = new AudioContext(); {breakage} }}"
    page = await _opened(stage, {"audio": "sync"}, first=breaking)
    await _call(page)
    assert await page.evaluate("stream.getAudioTracks()[0] === microphone")
    assert await page.evaluate("stream.getVideoTracks()[0].readyState") == "live"


async def test_sound_that_is_neither_untouched_nor_in_sync_is_a_wrong_setting(stage: Stage) -> None:
    page = await _opened(stage, {"audio": "late"})
    assert "audio is untouched or sync, not late" in await page.evaluate("attempt({ video: true })")
