"""The formats of a media section that this service can use, written as aiortc's parser takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from signaling_service.sdp.h264_formats import H264Format, chosen
from signaling_service.sdp.sections import Section, is_number
from signaling_service.setting_types import VideoCodec

PAYLOAD_TYPES = (*range(35, 64), *range(96, 128))
"""Those that an offer may give to any format. 64..95 look like RTCP where both share a port (RFC 5761 section
4), and those below 35 are given (RFC 3551 section 6)."""
_STATIC = {0: "PCMU/8000", 8: "PCMA/8000", 9: "G722/8000"}
"""Audio types that need no `a=rtpmap` (RFC 3551 section 6), as far as aiortc knows them."""
_AUDIO = {"opus/48000/2", "pcmu/8000", "pcma/8000", "g722/8000"}
_RTX = "rtx/90000"


@dataclass(frozen=True, slots=True)
class Formats:
    """What is used of a section's formats."""

    numbers: tuple[int, ...]
    """Payload types, in the order of the offer."""
    lines: tuple[str, ...]
    """Their attributes."""
    h264: Mapping[int, H264Format]
    h264_refused: tuple[str, ...]
    """What the offer says of H264 that is not taken."""

    @classmethod
    def of(cls, section: Section, codecs: Sequence[VideoCodec]) -> Formats:
        """Choose among the formats of an audio or a video section; of others none is chosen."""
        names = _names(section)
        parameters = dict(map(_numbered, section.values("fmtp")))
        h264: dict[int, H264Format] = {}
        refused: tuple[str, ...] = ()
        if section.kind == "video":
            offered = {
                number: H264Format.of(_parameters(parameters.get(number, "")))
                for number, name in names.items()
                if name == "h264/90000" and "h264" in codecs
            }
            h264 = chosen(offered)
            refused = tuple(sorted({one.why_not for one in offered.values() if one.profile is None}))
            wanted = {n for n, name in names.items() if name == "vp8/90000" and "vp8" in codecs} | h264.keys()
        else:
            wanted = {number for number, name in names.items() if section.kind == "audio" and _is_audio(name)}
        described = {number: [f"a=rtpmap:{number} {_written(names[number])}"] for number in names}
        for number, one in h264.items():
            described[number].append(f"a=fmtp:{number} {one.known_to_aiortc()}")
        for number, name in names.items():
            repeated = _parameters(parameters.get(number, "")).get("apt", "")
            if name == _RTX and repeated.isdecimal() and int(repeated) in wanted:
                wanted.add(number)
                described[number].append(f"a=fmtp:{number} apt={int(repeated)}")
        numbers = tuple(number for number in names if number in wanted)
        lines = [line for number in numbers for line in described[number]]
        return cls(numbers, (*lines, *_feedback(section, numbers)), h264, refused)


def _names(section: Section) -> dict[int, str]:
    """Return the format of each payload type of the section, as `h264/90000`."""
    mapped = {number: text.lower() for number, text in map(_numbered, section.values("rtpmap"))}
    names: dict[int, str] = {}
    for number in map(_number, section.formats):
        static = _STATIC.get(number, "").lower() if section.kind == "audio" else ""
        name = mapped.get(number) if number in PAYLOAD_TYPES else static
        if name:
            names[number] = name
    return names


def _is_audio(name: str) -> bool:
    return name in _AUDIO or name.removesuffix("/1") in _AUDIO


def _written(name: str) -> str:
    kind, _, rest = name.partition("/")
    return f"{kind if kind in ('opus', 'rtx') else kind.upper()}/{rest}"


def _feedback(section: Section, numbers: Sequence[int]) -> list[str]:
    """Return `a=rtcp-fb` lines of these payload types; RFC 4585 section 4.2 has `*` for all of them."""
    lines = []
    for value in section.values("rtcp-fb"):
        number, *words = value.split() or [""]
        if words and (number == "*" or _number(number) in numbers):
            lines.append(f"a=rtcp-fb:{number} {' '.join(words)}")
    return lines


def _parameters(text: str) -> dict[str, str]:
    """Read `a=fmtp`: pairs between semicolons, with spaces or without (RFC 6184 section 8.2.1)."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _numbered(value: str) -> tuple[int, str]:
    number, _, text = value.partition(" ")
    return _number(number), text.strip()


def _number(text: str) -> int:
    """Return a payload type; -1 for what is none."""
    return int(text) if is_number(text) and len(text) <= 3 else -1
