"""Adds what one connection sends, receives and loses to the service's instruments."""

from __future__ import annotations

import asyncio

from aiortc import RTCPeerConnection

from signaling_service.metrics import Metrics
from signaling_service.rtc.call_figures import CallFigures

MEASURE_EVERY_S = 2.0


class Measuring:
    """`run` while the session is connected, `end` before its connection is closed."""

    def __init__(self, pc: RTCPeerConnection, metrics: Metrics) -> None:
        self._figures = CallFigures(pc)
        self._metrics = metrics
        self._encoder: str | None = None

    async def run(self) -> None:
        """Measure again and again, until cancelled."""
        while True:
            await asyncio.sleep(MEASURE_EVERY_S)
            await self._measure()
            self._show_encoder(self._figures.encoder)
            if self._figures.round_trip_s is not None:
                self._metrics.round_trip.observe(self._figures.round_trip_s)

    async def end(self) -> None:
        """Count what is left."""
        await self._measure()
        self._show_encoder(None)

    async def _measure(self) -> None:
        taken = await self._figures.take()
        for way, size_bytes, packets, lost in (
            ("in", taken.bytes_in, taken.packets_in, taken.lost_in),
            ("out", taken.bytes_out, taken.packets_out, taken.lost_out),
        ):
            self._metrics.media_bytes.labels(way).inc(size_bytes)
            self._metrics.media_packets.labels(way).inc(packets)
            self._metrics.media_packets_lost.labels(way).inc(lost)

    def _show_encoder(self, encoder: str | None) -> None:
        if encoder == self._encoder:
            return
        if self._encoder is not None:
            self._metrics.encoders.labels(self._encoder).dec()
        if encoder is not None:
            self._metrics.encoders.labels(encoder).inc()
        self._encoder = encoder
