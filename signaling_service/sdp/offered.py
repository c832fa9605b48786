"""An offer, read by the rules of SDP. `written_offer` writes it anew in the words that aiortc's parser takes.

That parser takes what browsers write today. RFC 8866, 8285, 6184 and 3264 allow more: a direction that is
left out or stands at session level, spaces in `a=fmtp`, attributes behind `a=extmap`, audio types that need
no `a=rtpmap`, sections that nobody can use. Those sections are refused in the answer (answered.py), and
aiortc does not see them.

Where an offer cannot be answered, UnusableOffer says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from signaling_service.errors import UnusableOffer
from signaling_service.sdp.h264_formats import H264Format
from signaling_service.sdp.offered_formats import Formats
from signaling_service.sdp.sections import DIRECTIONS, Section, is_number, sections_of
from signaling_service.sdp.written_offer import extensions, written
from signaling_service.setting_types import VideoCodec

_TRANSPORT = ("ice-ufrag", "ice-pwd", "ice-options", "fingerprint", "setup")
_DEFAULTS = {"setup": "active", "sctp-port": "5000", "max-message-size": "65536"}
"""RFC 4145 section 4; RFC 8841 sections 5 and 6."""
_SETUPS = ("actpass", "active", "passive")
_MOST_OF_DATA = {"sctp-port": 0xFFFF, "max-message-size": 2**63 - 1}
"""What numbers of a data section may be (RFC 8841 sections 5.1 and 6.1)."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What an offer must have to be answered."""

    directions: Sequence[str]
    """Of the section of the picture, as the offer says them."""
    wrong: str
    """Why a section of another direction is not taken."""
    none: str
    """What is said where there is no video at all."""
    takes_sound: bool
    """The first sound is passed on as it is, so it has to be Opus."""


SENDS = Wants(
    ("sendrecv",), "the video section must send and receive (sendrecv)", "the offer sends no video", False
)
PUBLISHES = Wants(
    ("sendrecv", "sendonly"),
    "the offer sends no video: its section must be sendonly or sendrecv",
    "the offer sends no video",
    True,
)
WATCHES = Wants(
    ("recvonly",),
    "a viewer sends nothing: its sections must be recvonly",
    "the offer receives no video",
    True,
)


@dataclass(frozen=True, slots=True)
class Offered:
    """What aiortc and the answer need to know of an offer."""

    text: str
    h264: Mapping[int, H264Format]
    """Those of the camera's section, by payload type."""
    profiles: Sequence[str]
    """Of the sections that aiortc sees; the answer's are the same (RFC 9429 section 5.1.2)."""
    refused: Mapping[int, str]
    """By place in the offer: the lines with which a section is refused in the answer."""
    bundled: Sequence[str] | None
    """The offer's BUNDLE group (RFC 8843); None: it has none."""
    unnamed: frozenset[str]
    """Media identifications (`a=mid`) that this service has given."""
    received: frozenset[str]
    """`a=extmap` lines of what the page receives and does not send, without that direction."""


def read_offer(sdp: str, codecs: Sequence[VideoCodec], wants: Wants = SENDS) -> Offered:
    """Read an offer that is within the limits of `sdp_limits`; `codecs` are the service's.

    The first video section of a wanted direction with one of these codecs is the camera's, or the viewer's.
    """
    session, sections = sections_of(sdp)
    groups = [value.split()[1:] for value in session.values("group") if value.split()[:1] == ["BUNDLE"]]
    bundled = groups[0] if groups else None
    unnamed = _name(sections)
    _complete(session, sections, bundled)
    formats = [Formats.of(section, codecs) for section in sections]
    camera = _camera(sections, formats, codecs, wants)
    if wants.takes_sound:
        _check_sound(sections, formats)
    kept = {camera}
    for index, section in enumerate(sections):
        is_data = section.kind == "application" and "webrtc-datachannel" in (
            *section.formats,
            *_maps(section),
        )
        has_data = any(sections[one].kind == "application" for one in kept)
        # A video section before the camera's would take what is prepared for that.
        is_used = (
            not has_data if is_data else bool(formats[index].numbers) and section.kind in ("audio", "video")
        )
        is_behind = section.kind != "video" or index > camera
        if section.is_open and is_used and is_behind and _problem(section) is None:
            kept.add(index)
    refused = {index: one.refused() for index, one in enumerate(sections) if index not in kept}
    seen = [sections[index] for index in sorted(kept)]
    if bundled is not None:
        names = [section.first("mid") for section in seen]
        bundled = [mid for mid in bundled if mid in names]
    text = written(session, seen, [formats[index] for index in sorted(kept)], bundled)
    profiles = [section.profile for section in seen]
    received = frozenset(line for section in seen for line in extensions(section, ("recvonly",)))
    return Offered(text, formats[camera].h264, profiles, refused, bundled, unnamed, received)


def _name(sections: Sequence[Section]) -> frozenset[str]:
    """Give a media identification to each section that has none, as aiortc needs it."""
    known = {mid for section in sections for mid in section.values("mid")}
    given: set[str] = set()
    for index, section in enumerate(sections):
        if not section.first("mid"):
            mid = next(
                name for n in range(len(sections) + 1) if (name := f"u{index + n}") not in known | given
            )
            section.attributes.append(("mid", mid))
            given.add(mid)
    return frozenset(given)


def _complete(session: Section, sections: Sequence[Section], bundled: Sequence[str] | None) -> None:
    """Give each section what it has from the session, or from the section whose transport it shares."""
    shared = next((one for one in sections if bundled and one.first("mid") == bundled[0]), None)
    for section in sections:
        is_bundled = bundled is not None and section.first("mid") in bundled
        given = [session, *([shared] if shared is not None and is_bundled else [])]
        for name in (*_TRANSPORT, "extmap"):
            source = next((one for one in [section, *given] if one.has(name)), None)
            # Where section and session both name digests, all of them may be the certificate's.
            more = [session] if name == "fingerprint" and source is section else []
            for one in [*more, *([source] if source not in (None, section) else [])]:
                section.attributes += [(name, value) for value in one.values(name)]
        for name, value in _DEFAULTS.items():
            if not section.has(name):
                section.attributes.append((name, value))
        if section.direction is None:
            section.attributes.append((session.direction or DIRECTIONS[0], ""))


def _check_sound(sections: Sequence[Section], formats: Sequence[Formats]) -> None:
    for section, own in zip(sections, formats, strict=True):
        if section.kind == "audio" and section.is_open and section.direction != "inactive":
            if not any("opus/" in line for line in own.lines):
                raise UnusableOffer("the offer's sound has no Opus")
            return


def _camera(
    sections: Sequence[Section], formats: Sequence[Formats], codecs: Sequence[VideoCodec], wants: Wants
) -> int:
    """Return the place of the camera's section."""
    reasons = []
    for index, (section, own) in enumerate(zip(sections, formats, strict=True)):
        if section.kind != "video" or not section.is_open:
            continue
        if section.direction not in wants.directions:
            reasons.append(f"{wants.wrong}; it is {section.direction}")
        elif not own.numbers:
            chosen = " or ".join(name.upper() for name in codecs)
            reason = f"the offer has no video codec of this service ({chosen})"
            if own.h264_refused:
                reason += f"; H264 of {', '.join(own.h264_refused[:4])[:100]} is not taken"
            reasons.append(reason)
        elif problem := _problem(section):
            reasons.append(f"the video section {problem}")
        else:
            return index
    raise UnusableOffer(reasons[0] if reasons else wants.none)


def _problem(section: Section) -> str | None:
    """Say why no connection can be made for a section."""
    if not section.profile.endswith(("AVP", "AVPF", "DTLS/SCTP")):
        return f"is of a profile that is none of WebRTC's ({section.profile[:40]})"
    if not (section.first("ice-ufrag") and section.first("ice-pwd")):
        return "has no a=ice-ufrag or a=ice-pwd"
    if not any(len(value.split()) == 2 for value in section.values("fingerprint")):
        return "has no a=fingerprint"
    if section.first("setup") not in _SETUPS:
        return f"has a=setup:{(section.first('setup') or '')[:16]}, not {', '.join(_SETUPS)}"
    if section.kind == "application":
        return next(
            (f"has no number in a={name}" for name in _MOST_OF_DATA if not _is_right(section, name)), None
        )
    return None


def _is_right(section: Section, name: str) -> bool:
    value = section.first(name) or ""
    return is_number(value) and len(value) < 20 and int(value) <= _MOST_OF_DATA[name]


def _maps(section: Section) -> list[str]:
    """Return what `a=sctpmap` says of the section, as older browsers write it."""
    return [word for value in section.values("sctpmap") for word in value.split()[1:2]]
