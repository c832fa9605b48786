"""One session's control of what it sends: numbers in its packets, the page's reports, pacing.

The page must have agreed to transport-wide feedback. aiortc can write and read the number in a packet's
header, and knows neither the reports nor what they are for. It is told of the extension once (`announce`), so
that it stands in answers. So is the playout delay, where the page offers it: each picture shall be shown when
it is whole. Chromium would delay pictures by what large ones take longer than others, for a steady rhythm.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

from aiortc import RTCRtpSender, RTCRtpTransceiver, codecs
from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import (
    RTCP_RTPFB,
    HeaderExtensions,
    HeaderExtensionsMap,
    pack_header_extensions,
    unpack_header_extensions,
)

from signaling_service.media.pacing import Pacer
from signaling_service.media.path_estimate import PathEstimate
from signaling_service.media.transport_feedback import FORMAT, URI, Arrivals, unpack
from signaling_service.sdp.written_offer import PLAYOUT_DELAY_URI

_EXTENSION = RTCRtpHeaderExtensionParameters(id=4, uri=URI)
"""The number is for offers alone, which this service does not make; an answer has the offer's."""
_PLAYOUT_DELAY = RTCRtpHeaderExtensionParameters(id=5, uri=PLAYOUT_DELAY_URI)
_AT_ONCE = bytes(3)
"""Least and greatest delay of playout, 12 bits each, in units of 10 ms."""
_FEEDBACK = RTCRtcpFeedback(type="transport-cc")
MOST_REPORTS = 4
"""Of one datagram; a page sends one. In 1,700 bytes 70 of them fit, which took 11 ms of the event loop."""
_AROUND_BYTES = 48
"""IP, UDP and SRTP add these to every packet."""


def announce() -> None:
    """Let answers have transport-wide feedback and playout delay, where offers do; safe to call twice."""
    for extension in (_EXTENSION, _PLAYOUT_DELAY):
        if extension not in codecs.HEADER_EXTENSIONS["video"]:
            codecs.HEADER_EXTENSIONS["video"].append(extension)
    for codec in codecs.CODECS["video"]:
        if not codecs.is_rtx(codec) and _FEEDBACK not in codec.rtcpFeedback:
            codec.rtcpFeedback.append(_FEEDBACK)


def is_agreed(video: RTCRtpTransceiver) -> bool:
    """Tell whether the page of an offer that has been set takes part."""
    return any(extension.uri == URI for extension in video._headerExtensions) and all(
        _FEEDBACK in codec.rtcpFeedback for codec in video._codecs if not codecs.is_rtx(codec)
    )


def decline(one: RTCRtpTransceiver) -> None:
    """Leave both out of the answer, for what is sent without numbers: the page then reports by REMB."""
    ours = {URI, PLAYOUT_DELAY_URI}
    one._headerExtensions = [extension for extension in one._headerExtensions if extension.uri not in ours]
    for codec in one._codecs:
        codec.rtcpFeedback = [feedback for feedback in codec.rtcpFeedback if feedback != _FEEDBACK]


class TransportWide:
    """Stands at both ends of a session's transport (packets.py); times are time.monotonic()."""

    def __init__(self, estimate: PathEstimate) -> None:
        self.estimate = estimate
        self.on_report: Callable[[Arrivals, float], None] = lambda _, __: None
        """Called with each report of the page."""
        self.is_repeating = False
        """A repeat does not wait: it is late already, and repeats are bounded (media/repeats.py)."""
        self._pacer = Pacer()
        self._numbering: _Numbering | None = None
        self._next = 0
        self._given: int | None = None
        """The number of the packet that was made last, until it is sent."""

    def number(self, sender: RTCRtpSender) -> None:
        """Let all packets of a sender that has not started have a number."""
        self._numbering = _Numbering(self)
        sender._RTCRtpSender__rtp_header_extensions_map = self._numbering  # type: ignore[attr-defined]

    def give(self) -> int:
        """Return the number of a packet that aiortc writes, and sends at once."""
        self._given = self.take_next()
        return self._given

    def take_next(self) -> int:
        """Return the number of a packet that is sent now."""
        number, self._next = self._next, (self._next + 1) & 0xFFFF
        return number

    def take_given(self) -> int | None:
        """Return the number that was given to the packet that is sent now; None for one of RTCP."""
        given, self._given = self._given, None
        return given

    def said_in_all(self) -> list[tuple[int, bytes]]:
        """Return the extensions, identifier and value, that all packets have alike."""
        id_ = None if self._numbering is None else self._numbering.playout_delay_id
        return [] if id_ is None else [(id_, _AT_ONCE)]

    def wait_s(self) -> float:
        """Return for how long the packet that is sent now should wait."""
        return (
            0.0 if self.is_repeating else self._pacer.wait_s(self.estimate.pace_bits_per_s, time.monotonic())
        )

    def note_sent(self, number: int, size_bytes: int) -> None:
        now_s = time.monotonic()
        size_bytes += _AROUND_BYTES
        self._pacer.note_sent(size_bytes, self.estimate.pace_bits_per_s, now_s)
        self.estimate.note_sent(number, size_bytes, now_s)

    def take_rtcp(self, packet: bytes) -> bytes:
        """Take the page's reports out of a compound packet; return the rest, which may be empty.

        aiortc would read a report as a list of lost packets.
        """
        rest, at, reports = b"", 0, 0
        while at + 4 <= len(packet):
            head, kind, words = struct.unpack_from("!BBH", packet, at)
            end = at + 4 * (words + 1)
            if kind == RTCP_RTPFB and head & 0x1F == FORMAT:
                reports += 1
                if reports <= MOST_REPORTS:
                    self._take_report(packet[at + 12 : end])
            else:
                rest += packet[at:end]
            at = end
        return rest + packet[at:]

    def _take_report(self, data: bytes) -> None:
        try:
            arrivals = unpack(data)
        except ValueError:
            return
        self.on_report(arrivals, time.monotonic())


class _Numbering(HeaderExtensionsMap):
    """aiortc's, which gives each packet that it writes the next number, and the playout delay."""

    def __init__(self, control: TransportWide) -> None:
        super().__init__()
        self._control = control
        self.playout_delay_id: int | None = None

    def configure(self, parameters: RTCRtpParameters) -> None:
        super().configure(parameters)
        for extension in parameters.headerExtensions:
            if extension.uri == PLAYOUT_DELAY_URI:
                self.playout_delay_id = extension.id

    def set(self, values: HeaderExtensions) -> tuple[int, bytes]:
        values.transport_sequence_number = self._control.give()
        written = super().set(values)
        if self.playout_delay_id is None:
            return written
        return pack_header_extensions(
            [*unpack_header_extensions(*written), (self.playout_delay_id, _AT_ONCE)]
        )
