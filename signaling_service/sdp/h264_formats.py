"""H264 formats of an offer: which are taken, and what the answer says of them (RFC 6184 section 8.2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiortc.rtcrtpparameters import ParametersDict
from aiortc.sdp import H264_PROFILE_PATTERNS, H264Profile

_BASELINES = (H264Profile.PROFILE_CONSTRAINED_BASELINE, H264Profile.PROFILE_BASELINE)
_TAKEN = (
    *_BASELINES,
    H264Profile.PROFILE_MAIN,
    H264Profile.PROFILE_CONSTRAINED_HIGH,
    H264Profile.PROFILE_HIGH,
)
"""Eight bits and 4:2:0, as the service's frames are. It sends Constrained Baseline, which decoders of each of
them read (ITU-T H.264 section A.2)."""
_PROGRESSIVE_HIGH = (0x64, 0x08)
_ABSENT = "42000a"
"""Baseline of level 1 where there is no `profile-level-id` (RFC 6184 section 8.1)."""
_LARGEST_LEVEL = "33"
"""5.1: pictures up to 4096x2304 (ITU-T H.264 table A-1)."""


@dataclass(frozen=True, slots=True)
class H264Format:
    """One payload type of the offer."""

    profile_level_id: str
    is_packetized: bool
    """Packetization mode 1: several NAL units in a packet, and one in several. In mode 0 one is one."""
    may_differ_in_level: bool
    profile: H264Profile | None
    """None: the format is not taken."""
    why_not: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> H264Format:
        """Read the parameters of its `a=fmtp`."""
        profile_level_id = parameters.get("profile-level-id", _ABSENT).lower()
        mode = parameters.get("packetization-mode", "0")
        is_known = mode in ("0", "1")
        return cls(
            profile_level_id,
            is_packetized=mode == "1",
            may_differ_in_level=parameters.get("level-asymmetry-allowed") == "1",
            profile=_profile(profile_level_id) if is_known else None,
            why_not=f"profile-level-id {profile_level_id}" if is_known else f"packetization-mode {mode}",
        )

    @property
    def rank(self) -> int:
        """The lower, the better; formats of rank 0 are those that browsers offer, and aiortc knows them."""
        return 2 * (not self.is_packetized) + (self.profile not in _BASELINES)

    def known_to_aiortc(self) -> str:
        """Return a format of this kind that aiortc knows, for its parser; its answer then says `answered`."""
        profile = "42001f" if self.profile is H264Profile.PROFILE_BASELINE else "42e01f"
        return f"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}"

    def answered(self) -> ParametersDict:
        """Return the parameters of the answer: profile and mode are the offer's, as they must be.

        Where the levels may not differ, the level is the offer's as well. The returned picture has the size
        and the rate of the page's own, so it needs no higher one.
        """
        profile, level = self.profile_level_id[:4], self.profile_level_id[4:]
        said: ParametersDict = {"packetization-mode": "1" if self.is_packetized else "0"}
        if self.may_differ_in_level:
            return {"level-asymmetry-allowed": "1", **said, "profile-level-id": profile + _LARGEST_LEVEL}
        return {**said, "profile-level-id": profile + level}


def chosen(formats: Mapping[int, H264Format]) -> dict[int, H264Format]:
    """Return the formats that are taken, by payload type: all of rank 0, else one of the best rank."""
    usable = {number: one for number, one in formats.items() if one.profile is not None}
    best = {number: one for number, one in usable.items() if one.rank == 0}
    if best or not usable:
        return best
    number = min(usable, key=lambda one: usable[one].rank)
    return {number: usable[number]}


def _profile(profile_level_id: str) -> H264Profile | None:
    if not re.fullmatch("[0-9a-f]{6}", profile_level_id):
        return None
    idc, iop = int(profile_level_id[:2], 16), int(profile_level_id[2:4], 16)
    if (idc, iop) == _PROGRESSIVE_HIGH:
        return H264Profile.PROFILE_HIGH
    for known_idc, pattern, profile in H264_PROFILE_PATTERNS:
        if known_idc == idc and pattern.matches(iop):
            return profile if profile in _TAKEN else None
    return None
