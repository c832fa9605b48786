"""A session description in sections: the session's own, and one for each medium (RFC 8866 section 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from signaling_service.errors import UnusableOffer

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_MEDIUM = re.compile(r"m=(\S+) +(\d+)(?:/\d+)? +(\S+) +(\S.*)")


@dataclass(slots=True)
class Section:
    """One medium, or what stands before the first."""

    kind: str = ""
    port: int = 0
    profile: str = ""
    formats: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    """Names and values in their order, without spaces around them."""

    def values(self, name: str) -> list[str]:
        """Return the values of an attribute."""
        return [value for one, value in self.attributes if one == name]

    def first(self, name: str) -> str | None:
        """Return an attribute's first value; None where it is missing."""
        return next(iter(self.values(name)), None)

    def has(self, name: str) -> bool:
        return self.first(name) is not None

    @property
    def direction(self) -> str | None:
        """The last one of the section; None where it has none."""
        return next((name for name, _ in reversed(self.attributes) if name in DIRECTIONS), None)

    @property
    def is_open(self) -> bool:
        """Port 0 closes a section (RFC 3264 section 5.1), unless it shares another's port (RFC 8843)."""
        return self.port != 0 or self.has("bundle-only")

    def refused(self) -> str:
        """Return the section with which an answer refuses it."""
        lines = [f"m={self.kind} 0 {self.profile} {' '.join(self.formats)}", "c=IN IP4 0.0.0.0", "a=inactive"]
        return "\r\n".join([*lines, *(f"a=mid:{mid}" for mid in self.values("mid"))])


def sections_of(sdp: str) -> tuple[Section, list[Section]]:
    """Return the session's own section and the others; raises UnusableOffer for a bad `m=`."""
    session = section = Section()
    sections: list[Section] = []
    for line in map(str.strip, sdp.splitlines()):
        if line.startswith("m="):
            match = _MEDIUM.fullmatch(line)
            if match is None or len(match[2]) > 5:
                raise UnusableOffer(f"not a media section: {line[:80]!r}")
            section = Section(match[1], int(match[2]), match[3], match[4].split())
            sections.append(section)
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            section.attributes.append((name.strip(), value.strip()))
    return session, sections


def is_number(text: str) -> bool:
    """Tell whether these are ASCII digits and nothing else; Python takes those of other scripts, too."""
    return text.isascii() and text.isdecimal()
