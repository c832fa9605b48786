"""What filters tell of their pictures, to the page or client that has opened the data channel `data`.

Each message belongs to one picture, which it names by the RTP timestamp of that picture's packets: of those
that the session is sent, or of its own camera's where it is sent none (WHIP). A channel that is slow gets the
newest message alone. Viewers of a stream have no session of their own, and get nothing.
"""

from __future__ import annotations

import json
from typing import Any

from aiortc.rtcdatachannel import RTCDataChannel

from shared.errors import WireError
from shared.wire import ResultHeader
from shared.wire.data import Data, unpack_data
from signaling_service.metrics import Metrics

LABEL = "data"
MAX_BUFFERED_BYTES = 16 * 1024
"""With more waiting a message would come long after its picture."""
RTP_MODULO = 1 << 32


class DataFeed:
    """One session's data. Event loop only."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._channel: RTCDataChannel | None = None
        self._newest: str | None = None

    @property
    def is_wanted(self) -> bool:
        """Somebody listens."""
        return self._channel is not None and self._channel.readyState == "open"

    def attach(self, channel: RTCDataChannel) -> None:
        """Take a channel that has been opened; the last one of the label counts."""
        if channel.label != LABEL:
            return
        self._channel, self._newest = channel, None
        channel.bufferedAmountLowThreshold = MAX_BUFFERED_BYTES // 2
        channel.on("bufferedamountlow", self._send_newest)

    def tell(self, header: ResultHeader, rtp_timestamp: int | None) -> None:
        """Send the data of a picture that is about to be sent with this timestamp; None: it is unknown."""
        if not header.data or rtp_timestamp is None or not self.is_wanted:
            return
        try:
            told = unpack_data(header.data)
        except WireError as exc:
            self._metrics.wire_errors.labels(exc.reason).inc()
            return
        self._newest = json.dumps(
            {
                "type": "data",
                "rtp_timestamp": rtp_timestamp % RTP_MODULO,
                "width": header.width,
                "height": header.height,
                "filters": {name: _as_json(data) for name, data in told.items()},
            }
        )
        self._send_newest()

    def _send_newest(self) -> None:
        channel = self._channel
        if channel is None or self._newest is None or not self.is_wanted:
            return
        if channel.transport.transport.state != "connected" or channel.bufferedAmount > MAX_BUFFERED_BYTES:
            return
        text, self._newest = self._newest, None
        channel.send(text)


def _as_json(data: Data) -> dict[str, Any]:
    """Return the parts that are there, with places rounded to a hundred-thousandth of the picture."""
    return {
        "boxes": [
            {
                "x": round(box.x, 5),
                "y": round(box.y, 5),
                "width": round(box.width, 5),
                "height": round(box.height, 5),
                "label": box.label,
                "score": round(box.score, 3),
            }
            for box in data.boxes
        ],
        "points": [
            {
                "label": one.label,
                "score": round(one.score, 3),
                "points": [[round(x, 5), round(y, 5), round(score, 3)] for x, y, score in one.points],
            }
            for one in data.points
        ],
        "labels": [{"label": one.label, "score": round(one.score, 3)} for one in data.labels],
        "numbers": dict(data.numbers),
    }
