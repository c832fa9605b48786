"""The part of an offer that aiortc is to see, in the words that its parser takes."""

from __future__ import annotations

from collections.abc import Sequence

from aiortc.sdp import candidate_from_sdp

from signaling_service.errors import UnusableOffer
from signaling_service.sdp.offered_formats import Formats
from signaling_service.sdp.sections import Section, is_number

_PROFILES = {
    "audio": "UDP/TLS/RTP/SAVPF",
    "video": "UDP/TLS/RTP/SAVPF",
    "application": "UDP/DTLS/SCTP",
}
"""So aiortc sees all others: what an offer calls its profile decides nothing (RFC 9429 section 5.1.2)."""
_MOST_EXTENSIONS_ID = 255
"""RFC 8285 section 4.3."""
PLAYOUT_DELAY_URI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
_ONLY_SENT = {PLAYOUT_DELAY_URI}
"""What this service writes and never reads: a page need not offer to send it, and Firefox does not."""
_OF_SOURCES = ("cname", "msid", "mslabel", "label")


def written(
    session: Section,
    sections: Sequence[Section],
    all_formats: Sequence[Formats],
    bundled: Sequence[str] | None,
) -> str:
    """Return the sections that are kept, each with its formats, as an offer; raises UnusableOffer."""
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    lines += ["a=ice-lite"] if session.has("ice-lite") else []
    lines += [f"a=group:BUNDLE {' '.join(bundled)}"] if bundled else []
    for section, formats in zip(sections, all_formats, strict=True):
        is_data = section.kind == "application"
        numbers = section.formats if is_data else [str(number) for number in formats.numbers]
        profile = section.profile if section.profile == "DTLS/SCTP" else _PROFILES[section.kind]
        lines.append(f"m={section.kind} {section.port or 9} {profile} {' '.join(numbers)}")
        lines += [f"a={name}:{section.first(name)}" for name in ("ice-ufrag", "ice-pwd", "setup", "mid")]
        lines += [
            f"a=fingerprint:{value}" for value in section.values("fingerprint") if len(value.split()) == 2
        ]
        lines += map(_candidate, section.values("candidate"))
        lines += ["a=end-of-candidates"] if section.has("end-of-candidates") else []
        if is_data:
            lines += [f"a={name}:{section.first(name)}" for name in ("sctp-port", "max-message-size")]
            lines += [f"a=sctpmap:{value}" for value in section.values("sctpmap") if _maps_port(value)]
        else:
            lines += [f"a={section.direction}", "a=rtcp-mux", *extensions(section), *_sources(section)]
            lines += formats.lines
    return "\r\n".join(lines) + "\r\n"


def _maps_port(value: str) -> bool:
    number, _, words = value.partition(" ")
    return bool(words) and is_number(number) and len(number) <= 5


def _candidate(value: str) -> str:
    try:
        candidate_from_sdp(value)
    except (ValueError, AssertionError, IndexError) as exc:
        raise UnusableOffer(f"not a candidate: {value[:80]!r}") from exc
    return f"a=candidate:{value}"


def extensions(section: Section, directions: Sequence[str] = ("", "sendrecv", "recvonly")) -> list[str]:
    """Return header extensions of these directions, without their own attributes (RFC 8285 section 5).

    Of those that the page does not send only such are returned as nobody reads here.
    """
    lines = []
    for value in section.values("extmap"):
        number, *words = value.split() or [""]
        number, _, direction = number.partition("/")
        is_id = is_number(number) and 0 < int(number[:4]) <= _MOST_EXTENSIONS_ID
        is_taken = direction != "recvonly" or (words and words[0] in _ONLY_SENT)
        if words and is_id and is_taken and direction in directions:
            lines.append(f"a=extmap:{int(number)} {words[0]}")
    return lines


def _sources(section: Section) -> list[str]:
    """Return `a=ssrc` and `a=ssrc-group` as far as aiortc reads them (RFC 5576)."""
    lines = []
    for value in section.values("ssrc-group"):
        words = value.split()
        if len(words) > 1 and all(map(is_number, words[1:])):
            lines.append(f"a=ssrc-group:{' '.join(words)}")
    for value in section.values("ssrc"):
        number, _, text = value.partition(" ")
        name, separator, _ = text.partition(":")
        if is_number(number) and separator and name in _OF_SOURCES:
            lines.append(f"a=ssrc:{number} {text}")
    return lines
