"""What an operator may set of a network that looks for candidates first (R-CNN)."""

from __future__ import annotations

from pydantic import Field

from inference_service.filters.vision.settings.network import NetworkSettings


class ProposalSettings(NetworkSettings):
    """Base of the settings of such a filter."""

    proposals_per_level: int = Field(
        default=256,
        ge=16,
        le=1000,
        title="Candidates",
        description="Best candidates of each of five sizes that are compared with each other.",
    )
    proposals: int = Field(
        default=100,
        ge=8,
        le=1000,
        title="Proposals",
        description="Candidates of a picture that are looked at closely.",
    )
