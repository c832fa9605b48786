"""Sound in step with the picture: the shim delays the microphone by what it measured of the picture, in Chromium.

As in test_static_shim.py no service runs. The microphone is noise made in the page, so that the delay can be
found by correlating what went into the shim with what came out of it.
"""

from __future__ import annotations

import base64

import numpy as np
import pytest
from playwright.async_api import Page

from tests.e2e.deadline import eventually
from tests.e2e.test_static_shim import SESSION, Stage, browser, stage

__all__ = ["browser", "stage"]

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
// One second of both tracks, sampled by one clock: as two channels of 32-bit floats.
window.record = async (one, other) => {
  const context = new AudioContext();
  const sources = [one, other].map((track) => context.createMediaStreamSource(new MediaStream([track])));
  const merger = context.createChannelMerger(2);
  sources.forEach((source, channel) => source.connect(merger, 0, channel));
  const recorder = context.createScriptProcessor(4096, 2, 1);
  merger.connect(recorder).connect(context.destination);
  const blocks = [[], []];
  await new Promise((resolve) => {
    recorder.onaudioprocess = ({ inputBuffer }) => {
      blocks.forEach((list, channel) => list.push(inputBuffer.getChannelData(channel).slice()));
      if (blocks[0].length * 4096 > 1.5 * context.sampleRate) resolve();
    };
  });
  await context.close();
  const bytes = (list) => btoa(String.fromCharCode(...list.flatMap((b) => [...new Uint8Array(b.buffer)])));
  const text = (list) => list.map((block) => bytes([block]));
  return { rate: context.sampleRate, channels: blocks.map(text) };
};
"""


async def heard_delay_ms(page: Page) -> float:
    """Return how much later the page's track sounds than the microphone's, by their correlation."""
    recorded = await page.evaluate("record(microphone, stream.getAudioTracks()[0])")
    said, heard = (
        np.concatenate([np.frombuffer(base64.b64decode(block), np.float32) for block in blocks])
        for blocks in recorded["channels"]
    )
    size = 2 * len(said)
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size)
    lag = int(np.argmax(np.abs(product)))
    return (lag if lag < size // 2 else lag - size) * 1000 / recorded["rate"]


async def tell_latency(stage: Stage, total_ms: float) -> None:
    """Have the server say, once and for all to come, that a frame takes so long in it."""
    message = {"type": "stats", "session": SESSION, "state": "live", "latency_ms": {"total": total_ms}}
    await stage.far_end.evaluate("message => control.send(JSON.stringify(message))", message)
