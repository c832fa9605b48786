"""Settings that have a form of their own: codecs, bitrates, STUN and TURN servers."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from shared.operator_settings import Naming

NAMING = Naming("SIGNALING_")

VideoCodec = Literal["h264", "vp8"]
VIDEO_CODECS: tuple[VideoCodec, ...] = ("h264", "vp8")
"""At like quality H264 takes less CPU than VP8 in both directions: docs/decisions/0009-h264-before-vp8.md."""


def _bits_per_s(value: Any) -> Any:
    """Read `1500000`, `1500k` and `1.5M` as the same."""
    if not isinstance(value, str):
        return value
    if (match := re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)", value.strip())) is None:
        raise ValueError(f"{value!r}: expected bits per second, as 1500000, 1500k or 1.5M")
    return round(float(match[1]) * {"": 1, "k": 1000, "M": 1_000_000}[match[2]])


Bitrate = Annotated[int, BeforeValidator(_bits_per_s), Field(ge=100_000, le=100_000_000)]


class IceServer(BaseModel):
    """One STUN or TURN server, as `RTCIceServer` of W3C WebRTC names its parts.

    With `secret` (the TURN server's shared secret, coturn's `static-auth-secret`) every answer of
    `/ice-servers` carries credentials of its own that end after an hour.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: str | list[str]
    username: str | None = None
    credential: str | None = None
    secret: str | None = None

    @field_validator("urls")
    @classmethod
    def _urls(cls, value: str | list[str]) -> str | list[str]:
        for url in [value] if isinstance(value, str) else value:
            if not url.startswith(("stun:", "stuns:", "turn:", "turns:")):
                raise ValueError(f"{url!r}: expected stun:HOST, turn:HOST or their s: forms")
        return value

    @property
    def stun_urls(self) -> list[str]:
        """Those that answer a plain Binding request over UDP."""
        urls = [self.urls] if isinstance(self.urls, str) else self.urls
        return [url for url in urls if url.startswith("stun:")]
