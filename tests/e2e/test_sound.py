"""Sound in step with the picture: the shim delays the microphone by what it measured of the picture, in Chromium.

As in test_static_shim.py no service runs. The microphone is noise made in the page, so that the delay can be
found by correlating what went into the shim with what came out of it.
"""

from __future__ import annotations

import base64

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Page

from tests.e2e.deadline import eventually
from tests.e2e.stage import SESSION, Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

TOLERANCE_MS = 20.0
"""What the issue allows between the picture's latency and the sound's."""

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
  const begins_ms = [];
  let length_ms = 0;
  let rate = 0;
  while (length_ms < duration_ms) {
    const { value: data } = await reader.read();
    const samples = new Float32Array(data.numberOfFrames);
    data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
    rate = data.sampleRate;
    begins_ms.push(data.timestamp / 1000 - length_ms);
    length_ms += 1000 * data.numberOfFrames / rate;
    data.close();
    blocks.push(btoa(String.fromCharCode(...new Uint8Array(samples.buffer))));
  }
  await reader.cancel();
  begins_ms.sort((a, b) => a - b);
  return { rate, blocks, from_ms: begins_ms[begins_ms.length >> 1] };
}));
"""


async def sounds(page: Page, duration_ms: int = 1_200) -> list[tuple[float, int, NDArray[np.float32]]]:
    """Return when they begin (ms), the rate and the samples of what went into the shim and of what came out."""
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
    (said_ms, rate, said), (heard_ms, _, heard) = await sounds(page)
    size = 2 * max(len(said), len(heard))
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size)
    lag = int(np.argmax(np.abs(product)))
    return heard_ms - said_ms + (lag if lag < size // 2 else lag - size) * 1000 / rate


async def tell_latency(stage: Stage, total_ms: float) -> None:
    """Have the server say, once and for all to come, that a frame takes so long in it."""
    message = {"type": "stats", "session": SESSION, "state": "live", "latency_ms": {"total": total_ms}}
    await stage.far_end.evaluate("message => control.send(JSON.stringify(message))", message)
