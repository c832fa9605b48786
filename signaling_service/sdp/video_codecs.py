"""Which video codecs a session may use, in order of preference."""

from __future__ import annotations

from collections.abc import Sequence

from aiortc.codecs import get_capabilities
from aiortc.rtcrtpparameters import RTCRtpCodecCapability

from signaling_service.setting_types import VideoCodec


def preferences(chosen: Sequence[VideoCodec]) -> list[RTCRtpCodecCapability]:
    """Return what `setCodecPreferences` takes: the chosen codecs with all their profiles, and
    retransmission."""
    known = get_capabilities("video").codecs
    ranked = [codec for name in chosen for codec in known if codec.name.lower() == name]
    return ranked + [codec for codec in known if codec.name.lower() == "rtx"]


def opus() -> list[RTCRtpCodecCapability]:
    """Return the one codec of sound that is passed on."""
    return [codec for codec in get_capabilities("audio").codecs if codec.name.lower() == "opus"]
