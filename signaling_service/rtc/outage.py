"""What a session shows while no filtered frame comes."""

from __future__ import annotations

from enum import StrEnum

CARD_AFTER_S = 2.0
RAW_AFTER_S = 0.5


class Outage(StrEnum):
    """The policy: the still card, or the raw camera."""

    CLOSED = "closed"
    OPEN = "open"

    @property
    def after_s(self) -> float:
        """How long the last filtered frame stays before the policy begins to act."""
        return RAW_AFTER_S if self is Outage.OPEN else CARD_AFTER_S


class Showing(StrEnum):
    """What the track shows at the moment."""

    NOTHING = "waiting"
    FILTERED = "live"
    CARD = "card"
    RAW = "raw"
