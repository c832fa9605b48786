"""A session as its caller sees it, and as one process tells another of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from signaling_service.rtc.outage import Outage
from signaling_service.session.session import Session


@dataclass(frozen=True, slots=True)
class Described:
    """A session as its caller sees it; `answer_sdp` only when it was just made."""

    session: str
    filters: tuple[str, ...]
    params: dict[str, Any]
    outage: Outage
    """As it is: `closed` with a private filter, whatever was asked for."""
    generation: int
    is_private: bool
    first_rtp_timestamp: int | None = None
    """Of the first frame sent of a private choice, where something else was on the page's screen before."""
    answer_sdp: str = ""
    publish: str = ""
    """The name under which others may watch; empty: nobody may."""

    def as_map(self) -> dict[str, Any]:
        """Return what `from_map` of another process takes."""
        return {**asdict(self), "filters": list(self.filters), "outage": self.outage.value}

    @classmethod
    def from_map(cls, said: dict[str, Any]) -> Described:
        return cls(**{**said, "filters": tuple(said["filters"]), "outage": Outage(said["outage"])})


def describe(session: Session, *, answer_sdp: str = "", first_rtp_timestamp: int | None = None) -> Described:
    """Return a session as it is now."""
    wish = session.wish
    return Described(
        session.name,
        wish.choice.filters,
        wish.choice.params,
        wish.outage,
        wish.choice.generation,
        wish.is_private,
        first_rtp_timestamp,
        answer_sdp,
        session.publication.name,
    )
