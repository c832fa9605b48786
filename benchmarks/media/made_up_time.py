"""Pictures over a narrow link in made-up time: the real encoder, estimate and pacer, no load of this host.

    python -m benchmarks.media.made_up_time [--kbit 300,600,1000] [--codec vp8]

The camera is that of `harness/picture.py`, 640x480 at 30 fps, as a page's encoder sends it. The link has
200 ms of buffer, and takes 20 ms each way. The page asks for what was lost, and reports every 0.1 s. After
20 s the limit goes. Prints a row of a table per link, always the same one.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, pairwise
from typing import Any

import av
import numpy as np
from aiortc.codecs import h264

from harness.narrow_link import Link
from harness.picture import FPS, Bytes, Picture
from signaling_service.media.bitrate import BitrateProfile, default_bitrate
from signaling_service.media.encoders.h264 import H264Encoder
from signaling_service.media.encoders.vp8 import Vp8Encoder
from signaling_service.media.frame_pace import FramePace
from signaling_service.media.pacing import Pacer
from signaling_service.media.path_estimate import PathEstimate
from signaling_service.media.picture_scale import FULL_FPS, PictureScale
from signaling_service.media.repeats import Repeats
from signaling_service.media.send_rate import SendRate
from signaling_service.rtc.sending import HEADROOM

CODECS = {"h264": H264Encoder, "vp8": Vp8Encoder}
NARROW_S, SETTLED_S, OPEN_S = 20.0, 5.0, 8.0
BUFFER_S, DELAY_S, REPORT_EVERY_S = 0.2, 0.02, 0.1
OPEN_BITS_PER_S = 100_000_000
HEADERS_BYTES, IP_BYTES, AROUND_BYTES = 30, 28, 48
MOST_REPEATS, ASK_AGAIN_S, KEY_EVERY_S = 8, 0.05, 0.3
FULL = 0.8
FILM_FRAMES = 240


@dataclass(slots=True)
class Sent:
    """One picture on its way."""

    born_s: float
    left: int
    """Packets that have not come yet."""
    is_key: bool
    size: tuple[int, int]
    came_s: float | None = None


class Run:
    """One call over one link."""

    def __init__(self, film: list[Bytes], kbit: float, codec: str) -> None:
        self.now_s = 0.0
        self.pictures: list[Sent] = []
        self.lost = self.sent = self.lost_late = 0
        self.bytes_late = 0
        self.full_after_s: float | None = None
        self._film, self._bits_per_s = film, kbit * 1e3
        self._link = Link(self._bits_per_s, int(self._bits_per_s / 8 * BUFFER_S), delay_s=DELAY_S)
        profile = BitrateProfile().cautious()
        self._estimate = PathEstimate(profile.start, profile.least)
        self._rate, self._repeats, self._scale = SendRate(profile), Repeats(), PictureScale()
        self._pacer, self._pace = Pacer(), FramePace()
        self._encoder: Any = CODECS[codec]()
        self._codec: Any = None
        self._waiting: tuple[int, float] | None = None
        self._is_sending = self._shall_be_key = False
        self._number, self._key_s = count(), -1.0
        self._reports: list[tuple[float, int, float | None]] = []
        self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()

    def run(self) -> None:
        """Send until the end of the time after the limit."""
        self._at(0.0, self._shoot, 0)
        self._at(REPORT_EVERY_S, self._report)
        while self._due[0][0] < NARROW_S + OPEN_S:
            self.now_s, _, act, given = heapq.heappop(self._due)
            if self.now_s >= NARROW_S and self._link.bits_per_s != OPEN_BITS_PER_S:
                self._link.bits_per_s, self._link.queue_bytes = OPEN_BITS_PER_S, 1 << 20
            act(*given)

    def row(self) -> str:
        """Return the cells of what the page saw while the link was narrow, and when the picture was whole."""
        shown: list[tuple[float, float]] = []
        is_broken, last_s = False, 0.0
        for one in self.pictures:
            if one.born_s >= NARROW_S:
                break
            is_broken = one.came_s is None or (is_broken and not one.is_key)
            if one.came_s is not None and not is_broken:
                last_s = max(last_s, one.came_s)
                shown.append((one.born_s, last_s))
        ages_ms = [1e3 * (at_s - born_s) for born_s, at_s in shown if born_s >= SETTLED_S]
        gap_s = max(b - a for (_, a), (_, b) in pairwise(shown))
        used = 8 * self.bytes_late / (NARROW_S - SETTLED_S) / min(self._bits_per_s, self._rate.most)
        narrow = [one for one in self.pictures if one.born_s < NARROW_S]
        cells = [
            f"{self._bits_per_s / 1e6:.1f}",
            f"{np.percentile(ages_ms, 50):.0f} / {np.percentile(ages_ms, 95):.0f}",
            f"{gap_s:.2f}",
            f"{len(shown) / NARROW_S:.0f}",
            f"{100 * self.lost / self.sent:.1f} %",
            f"{self.lost_late}",
            f"{100 * used:.0f} %",
            f"{sum(one.is_key for one in narrow)}",
            "never" if self.full_after_s is None else f"{self.full_after_s:.1f}",
        ]
        return f"| {' | '.join(cells)} |"

    def _at(self, at_s: float, act: Callable[..., None], *given: Any) -> None:
        heapq.heappush(self._due, (at_s, next(self._order), act, given))

    def _shoot(self, number: int) -> None:
        self._at((number + 1) / FPS, self._shoot, number + 1)
        self._waiting = number, self.now_s
        if not self._is_sending:
            self._encode()

    def _encode(self) -> None:
        assert self._waiting is not None
        number, born_s = self._waiting
        pts = round(born_s * 90_000)
        if held_s := self._pace.wait_s(pts, self.now_s):
            self._at(self.now_s + held_s, self._encode_held, number)
            return
        self._waiting = None
        self._pace.note_sent(pts, self.now_s)
        encoder, scale = self._encoder, self._scale
        encoder.target_bitrate = self._rate.target
        encoder.size = scale.size(640, 480, self._rate.target, self.now_s)
        encoder.fps, encoder.most_bits_per_s = scale.fps, scale.most_bits_per_s
        self._pace.fps = None if scale.fps == FULL_FPS else scale.fps
        frame = av.VideoFrame.from_ndarray(self._film[number % len(self._film)], "yuv420p")
        frame.pts, frame.time_base = pts, Fraction(1, 90_000)
        payloads, _ = encoder.encode(frame, self._shall_be_key)
        is_key = self._shall_be_key or encoder.codec is not self._codec
        self._codec, self._shall_be_key, self._is_sending = encoder.codec, False, True
        one = Sent(born_s, len(payloads), is_key, encoder.size)
        self.pictures.append(one)
        self._send(one, [len(payload) for payload in payloads])

    def _encode_held(self, number: int) -> None:
        if self._waiting is not None and self._waiting[0] == number and not self._is_sending:
            self._encode()

    def _send(self, one: Sent, sizes_bytes: list[int], *, has_waited: bool = False) -> None:
        while sizes_bytes:
            wait_s = 0.0 if has_waited else self._pacer.wait_s(self._estimate.pace_bits_per_s, self.now_s)
            if wait_s:
                self._at(self.now_s + wait_s, self._send_late, one, sizes_bytes)
                return
            has_waited = False
            self._transmit(one, sizes_bytes.pop(0) + HEADERS_BYTES, 0)
        self._is_sending = False
        if self._waiting is not None:
            self._encode()

    def _send_late(self, one: Sent, sizes_bytes: list[int]) -> None:
        self._send(one, sizes_bytes, has_waited=True)

    def _transmit(self, one: Sent, size_bytes: int, repeats: int) -> None:
        number = next(self._number) & 0xFFFF
        self._pacer.note_sent(size_bytes + AROUND_BYTES, self._estimate.pace_bits_per_s, self.now_s)
        self._estimate.note_sent(number, size_bytes + AROUND_BYTES, self.now_s)
        at_s = self._link.arrival_s(self.now_s, size_bytes + IP_BYTES)
        self.sent += self.now_s < NARROW_S
        if at_s is not None:
            self._reports.append((at_s, number, at_s))
            self._at(at_s, self._arrive, one, size_bytes)
            return
        self.lost += 1
        self.lost_late += SETTLED_S <= self.now_s < NARROW_S
        # The page misses it when the next one comes.
        missed_s = self.now_s + self._link.queue_s(self.now_s) + DELAY_S
        self._reports.append((missed_s, number, None))
        self._at(missed_s + DELAY_S, self._repeat, one, size_bytes, repeats + 1)

    def _repeat(self, one: Sent, size_bytes: int, repeats: int) -> None:
        if repeats > MOST_REPEATS:
            if self.now_s - self._key_s > KEY_EVERY_S:
                self._shall_be_key, self._key_s = True, self.now_s
        elif self._repeats.allows(size_bytes, self._rate.target, self.now_s):
            self._transmit(one, size_bytes, repeats)
        else:
            self._at(self.now_s + ASK_AGAIN_S, self._repeat, one, size_bytes, repeats + 1)

    def _arrive(self, one: Sent, size_bytes: int) -> None:
        if SETTLED_S <= self.now_s < NARROW_S:
            self.bytes_late += size_bytes
        one.left -= 1
        if not one.left:
            one.came_s = self.now_s

    def _report(self) -> None:
        self._at(self.now_s + REPORT_EVERY_S, self._report)
        told = sorted(one for one in self._reports if one[0] <= self.now_s)
        self._reports = [one for one in self._reports if one[0] > self.now_s]
        self._at(self.now_s + DELAY_S, self._hear, [(number, at_s) for _, number, at_s in told])

    def _hear(self, arrivals: list[tuple[int, float | None]]) -> None:
        self._estimate.note_report(arrivals, self.now_s, HEADROOM * self._rate.most)
        bits_per_s = self._estimate.bits_per_s - self._repeats.bits_per_s(self.now_s)
        self._rate.note_estimate(bits_per_s)
        is_whole = self._encoder.size == (640, 480) and self._rate.target >= FULL * self._rate.most
        if self.now_s >= NARROW_S and self.full_after_s is None and is_whole:
            self.full_after_s = self.now_s - NARROW_S


def film(kbit: float) -> list[Bytes]:
    """Return the camera's pictures as this service decodes them, sent at four fifths of the link."""
    picture, encoder = Picture(noise=2.0), H264Encoder()
    encoder.target_bitrate = round(min(800 * kbit, default_bitrate(640, 480)))
    decoder: Any = av.CodecContext.create("h264", "r")
    pictures: list[Bytes] = []
    for number in range(FILM_FRAMES):
        frame = av.VideoFrame.from_ndarray(picture.frame(number), "yuv420p")
        frame.pts, frame.time_base = number * 90_000 // FPS, Fraction(1, 90_000)
        payloads, _ = encoder.encode(frame)
        packet = av.Packet(b"".join(map(h264.h264_depayload, payloads)))
        pictures += [decoded.to_ndarray() for decoded in decoder.decode(packet)]
    return pictures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kbit", default="300,600,1000", help="widths of links, comma-separated")
    parser.add_argument("--codec", default="h264", choices=[*CODECS])
    given = parser.parse_args()
    heads = [
        "Mbit/s",
        "p50 / p95 after 5 s, ms",
        "longest gap, s",
        "pictures/s",
        "lost",
        "packets lost after 5 s",
    ]
    heads += ["used", "key frames", "full quality after, s"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for kbit in map(float, given.kbit.split(",")):
        run = Run(film(kbit), kbit, given.codec)
        run.run()
        print(run.row(), flush=True)


if __name__ == "__main__":
    main()
