"""Where one session's packets leave and arrive, between aiortc's RTP and the session's UDP socket.

What concerns every packet of a session belongs here: all that it sends passes `Leaving`, first packets and
repeats, before they are encrypted, and RTCP passes `Arriving` before aiortc parses it. aiortc has no seam for
either, so private names are set on the session's transport.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pylibsrtp
from aiortc import RTCDtlsTransport, clock
from aiortc.rtcdtlstransport import State
from aiortc.rtp import is_rtcp

from signaling_service.rtc.receiving import Receiving
from signaling_service.rtc.transport_wide import TransportWide
from signaling_service.rtc.unreadable import note_dropped
from signaling_service.sockets.call_transport import CallTransport
from signaling_service.sockets.handling_time import time_of
from signaling_service.sockets.udp_socket import Address

logger = logging.getLogger(__name__)

HANDSHAKE_DATAGRAMS = 256
"""Of a page until there are keys; a handshake has about 10, and as many with each repeat of a flight."""
_COMPONENT = 1
_DTLS = range(20, 64)
_RTP = range(128, 192)


class Leaving:
    """Encrypts RTP and RTCP and hands them to the nominated pair's socket, past aioice's coroutines."""

    def __init__(self, transport: RTCDtlsTransport, control: TransportWide | None = None) -> None:
        """`control` paces pictures, and is told of all packets of RTP."""
        self._dtls: Any = transport
        self._control = control
        self._connection = self._dtls.transport._connection

    def take_over(self) -> None:
        self._dtls._send_rtp = self.send

    async def send(self, packet: bytes) -> None:
        """Do what `send_now` does, as aiortc calls it; wait for the packet's turn."""
        control = self._control
        number = None if control is None else control.take_given()
        if control is None or number is None:
            self.send_now(packet)
            return
        if wait_s := control.wait_s():
            await asyncio.sleep(wait_s)
        self.send_now(packet)
        control.note_sent(number, len(packet))

    def send_now(self, packet: bytes) -> None:
        """Send one serialized packet; raises ConnectionError where there is no way."""
        self._send(packet, is_control=is_rtcp(packet))

    def send_media(self, packet: bytes) -> None:
        """Send one serialized packet of RTP; raises ConnectionError where there is no way."""
        self._send(packet, is_control=False)

    async def room(self) -> bool:
        """Wait until the next picture may leave; True where an earlier one was dropped on this host."""
        if (way := self._way()) is None:
            return False
        transport, address = way
        return await transport.room(address)

    def is_full(self) -> bool:
        """Tell whether a picture would have to wait on this host."""
        if (way := self._way()) is None:
            return False
        transport, address = way
        return transport.is_full(address)

    def drop_pictures(self) -> bool:
        """Drop the pictures that have not left yet; True where there was one."""
        if (way := self._way()) is None:
            return False
        transport, address = way
        return transport.drop_pictures(address)

    def _send(self, packet: bytes, *, is_control: bool) -> None:
        dtls = self._dtls
        pair = self._connection._nominated.get(_COMPONENT)
        if dtls._state is not State.CONNECTED or pair is None:
            raise ConnectionError("Cannot send encrypted RTP, not connected")
        srtp = dtls._tx_srtp
        data = srtp.protect_rtcp(packet) if is_control else srtp.protect(packet)
        # Not `send_data`, which only awaits this: a frame's packets wait in the socket for the turn's end.
        pair.protocol.transport.sendto(data, pair.remote_addr)
        dtls._RTCDtlsTransport__tx_bytes += len(data)
        dtls._RTCDtlsTransport__tx_packets += 1

    def _way(self) -> tuple[CallTransport, Address] | None:
        pair = self._connection._nominated.get(_COMPONENT)
        if pair is None or not isinstance(pair.protocol.transport, CallTransport):
            return None
        return pair.protocol.transport, pair.remote_addr


class Arriving:
    """Takes all datagrams that wait in one go, where aiortc takes a turn of its task for each."""

    def __init__(
        self,
        transport: RTCDtlsTransport,
        control: TransportWide | None = None,
        camera: Receiving | None = None,
    ) -> None:
        """`control` takes what of RTCP is for it, `camera` the packets of its stream."""
        self._dtls: Any = transport
        self._control = control
        self._camera = camera
        self._has_taken = False
        self._ice = self._dtls.transport
        self._receive_next = self._dtls._recv_next
        self._receive = self._ice._recv
        self._waiting: asyncio.Queue[tuple[bytes, int] | None] = self._ice._connection._queue
        self._for_dtls: bytes | None = None
        self._budget = time_of(self._ice._connection)
        self._has_told = False
        self._handshake_datagrams = 0

    def take_over(self) -> None:
        self._dtls._recv_next = self.take_next
        self._ice._recv = self._next_for_dtls
        self._ice._connection.is_authentic = self.is_authentic  # type: ignore[attr-defined]

    async def take_next(self) -> None:
        """Wait for a datagram, and handle it and all behind it; raises ConnectionError at the end."""
        # A handshake has timers and a state of its own, which are aiortc's.
        if not self._dtls._RTCDtlsTransport__handshake_done:
            await self._receive_next()
            return
        data: bytes = await self._receive()
        has_time = self._budget.begin()
        try:
            while True:
                if has_time:
                    await self._take(data)
                else:
                    self._tell_dropped()
                # Both are charged: what is dropped has been queued, and is one more turn of this.
                has_time = self._budget.goes_on()
                if self._waiting.empty():
                    break
                if (item := self._waiting.get_nowait()) is None:
                    raise ConnectionError("Connection lost while receiving data")
                data = item[0]
            if self._has_taken:
                # It is given in any case, and its cost counts like that of the packets.
                await self._reply()
        finally:
            self._budget.end()

    async def take_rtcp(self, packet: bytes) -> None:
        """Handle one decrypted compound packet."""
        if self._control is not None:
            packet = self._control.take_rtcp(packet)
        if packet:
            await self._dtls._handle_rtcp_data(packet)

    def is_authentic(self, data: bytes) -> bool:
        """Tell whether a datagram of RTP or RTCP is the page's; the next time it is taken for a copy."""
        try:
            return self._dtls._rx_srtp is not None and bool(self._decrypted(data))
        except (pylibsrtp.Error, ValueError):
            return False

    def _tell_dropped(self) -> None:
        """The page has taken its share of this thread, and other calls are waiting."""
        if not self._has_told:
            self._has_told = True
            logger.warning("what the page sends takes too long to handle: a part of it is dropped")

    async def _take(self, data: bytes) -> None:
        dtls = self._dtls
        if data[0] not in _RTP:
            self._for_dtls = data
            await self._receive_next()
            return
        dtls._RTCDtlsTransport__rx_bytes += len(data)
        dtls._RTCDtlsTransport__rx_packets += 1
        try:
            packet = self._decrypted(data)
        except (pylibsrtp.Error, ValueError):
            return  # A copy, or not the page's, or too long.
        if is_rtcp(data):
            await self.take_rtcp(packet)
        elif not self._is_taken(packet):
            await dtls._handle_rtp_data(packet, arrival_time_ms=clock.current_ms())

    def _is_taken(self, packet: bytes) -> bool:
        if self._camera is None:
            return False
        try:
            is_taken = self._camera.take(packet, time.monotonic())
        except Exception as exc:
            note_dropped(self._dtls, exc)
            return True
        self._has_taken |= is_taken
        return is_taken

    async def _reply(self) -> None:
        """Answer what was taken, once for all that came together."""
        self._has_taken = False
        assert self._camera is not None
        try:
            await self._camera.reply()
        except ConnectionError:
            raise
        except Exception as exc:
            note_dropped(self._dtls, exc)

    def _decrypted(self, data: bytes) -> bytes:
        srtp = self._dtls._rx_srtp
        packet: bytes = srtp.unprotect_rtcp(data) if is_rtcp(data) else srtp.unprotect(data)
        return packet

    async def _next_for_dtls(self) -> bytes:
        data, self._for_dtls = self._for_dtls, None
        while data is None:
            data = await self._receive()
            if self._dtls._rx_srtp is None and not self._is_of_handshake(data):
                data = None
        return data

    def _is_of_handshake(self, data: bytes) -> bool:
        """Count what comes before there are keys. Media is of no use yet, and OpenSSL takes its time."""
        if data[0] not in _DTLS:
            return False
        self._handshake_datagrams += 1
        return self._handshake_datagrams <= HANDSHAKE_DATAGRAMS
