"""What this service adds to aiortc's answer, or takes from it, so that it fits the offer."""

from __future__ import annotations

from aiortc import RTCRtpTransceiver

from signaling_service.sdp.offered import Offered

_GROUP = "a=group:BUNDLE"
_OTHER_DIGESTS = ("a=fingerprint:sha-384", "a=fingerprint:sha-512")
"""aiortc tells three of its certificate. libdatachannel, OBS's, keeps one and may check it wrongly."""


def answer_formats(video: RTCRtpTransceiver, offered: Offered) -> None:
    """Let the answer, and the encoder, have the profiles and modes of the offer's H264 formats."""
    for codec in video._codecs:
        if one := offered.h264.get(codec.payloadType or 0):
            codec.parameters = one.answered()


def as_offered(answer_sdp: str, offered: Offered) -> str:
    """Return the answer with the refused sections in their places, and with the offer's groups and names."""
    session, *answered = ("\r\n" + answer_sdp.removesuffix("\r\n")).split("\r\nm=")
    lines = []
    for line in session.split("\r\n")[1:]:
        if not line.startswith(_GROUP):
            lines.append(line)
        elif offered.bundled:
            lines.append(f"{_GROUP} {' '.join(offered.bundled)}")
    sections = ["\r\n".join(lines)]
    coming = iter(
        _profiled(section, profile) for section, profile in zip(answered, offered.profiles, strict=True)
    )
    for index in range(len(answered) + len(offered.refused)):
        refused = offered.refused.get(index)
        sections.append(f"m={next(coming)}" if refused is None else refused)
    names = {f"a=mid:{mid}" for mid in offered.unnamed}
    lines = "\r\n".join(sections).split("\r\n")
    kept = [line for line in lines if line not in names and not line.startswith(_OTHER_DIGESTS)]
    # RFC 8285 section 6: what the page receives alone is sent alone.
    kept = [line.replace(" ", "/sendonly ", 1) if line in offered.received else line for line in kept]
    return "\r\n".join(kept) + "\r\n"


def _profiled(section: str, profile: str) -> str:
    """Name the offer's own profile in a section, whose `m=` is cut off."""
    kind, port, _, rest = section.split(" ", 3)
    return f"{kind} {port} {profile} {rest}"
