"""The sections of a call with a camera: what comes in, what goes back, the sound of one that publishes."""

from __future__ import annotations

from collections.abc import Callable, Collection

from aiortc import RTCPeerConnection, RTCRtpTransceiver

from signaling_service.media.arrivals_log import ArrivalsLog
from signaling_service.media.path_estimate import PathEstimate
from signaling_service.media.receive_ceiling import ReceiveCeiling
from signaling_service.media.receive_estimate import ReceiveEstimate
from signaling_service.media.reception import Reception
from signaling_service.media.send_rate import SendRate
from signaling_service.rtc.aiortc_patches import encode_in
from signaling_service.rtc.answering import Answering, Terms
from signaling_service.rtc.packets import Arriving, Leaving
from signaling_service.rtc.receiving import receive_through
from signaling_service.rtc.returned_track import ReturnedTrack
from signaling_service.rtc.sending import send_at
from signaling_service.rtc.transport_wide import TransportWide, is_agreed
from signaling_service.sdp.offered import PUBLISHES, SENDS, Wants
from signaling_service.session.latency import LatencyWindow
from signaling_service.streams.publication import Publication


class Negotiation(Answering):
    """Answers the offer of one that sends a camera."""

    def __init__(
        self,
        pc: RTCPeerConnection,
        terms: Terms,
        returned: ReturnedTrack,
        latency: LatencyWindow,
        on_too_large: Callable[[str], None],
        publication: Publication,
        *,
        takes_sound: bool,
        is_local: bool,
    ) -> None:
        """`on_too_large` is told why the camera's picture is not taken.

        With `takes_sound` the offer is one that publishes: it may send video without receiving any.
        """
        super().__init__(pc, terms, is_local=is_local)
        self._returned = returned
        self._latency = latency
        self._on_too_large = on_too_large
        self._publication = publication
        self._takes_sound = takes_sound
        self.sends_back = True
        """Whether the offer wants the picture back."""
        self.camera_timestamp_of: Callable[[int], int | None] = lambda pts: None
        """Returns the RTP timestamp of the camera's own packets of a frame of this pts; None: not known."""

    def _wants(self) -> Wants:
        return PUBLISHES if self._takes_sound else SENDS

    def _connect(self) -> Collection[RTCRtpTransceiver]:
        video = self._video_section()
        self.sends_back = video._offerDirection == "sendrecv"
        video.direction = "sendrecv" if self.sends_back else "recvonly"
        bitrates, control = self._terms.bitrates, None
        if is_agreed(video):
            bitrates = bitrates.cautious()
            self._start_bits_per_s = bitrates.start
            control = TransportWide(PathEstimate(bitrates.start, bitrates.least))
        reception = Reception(ReceiveEstimate(bitrates) if control is None else ReceiveCeiling(bitrates))
        self.camera_timestamp_of = reception.buffer.rtp_timestamp_of
        receiving = receive_through(
            video.receiver,
            reception,
            self._latency.note_arrived,
            self._terms.largest,
            self._on_too_large,
            None if control is None else ArrivalsLog(),
        )
        leaving = Leaving(video.sender.transport, control)
        leaving.take_over()
        if self.sends_back:
            video.sender.replaceTrack(self._returned)
            send_at(
                video.sender, SendRate(bitrates), self._returned, self._latency.note_encoded, leaving, control
            )
            encode_in(video.sender, self._terms.encoders)
        Arriving(video.receiver.transport, control, receiving).take_over()
        used = [video]
        self._publication.follow_picture(video.receiver, self.camera_timestamp_of)
        if self._takes_sound:
            used += self._take_sound()
        return used

    def _video_section(self) -> RTCRtpTransceiver:
        # The camera's is the first that aiortc has seen.
        return next(one for one in self._pc.getTransceivers() if one.kind == "video")

    def _take_sound(self) -> list[RTCRtpTransceiver]:
        for one in self._pc.getTransceivers():
            if one.kind == "audio" and one.receiver.track is not None and one._codecs:
                one.direction = "recvonly"
                self._publication.take_sound(one.receiver)
                return [one]
        return []
