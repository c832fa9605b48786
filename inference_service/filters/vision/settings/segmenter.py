"""What an operator may set of the segmentation network, for each filter that uses it."""

from __future__ import annotations

import torch
from pydantic import Field

from inference_service.filters.vision.networks.packages import require
from inference_service.filters.vision.networks.precision import dtype_of
from inference_service.filters.vision.networks.segmenter import WEIGHTS, NetworkName, Segmenter
from inference_service.filters.vision.settings.recorded import SizedSettings
from inference_service.weights.folder import WeightsFile, WeightsFolder
from shared.heap import keep_large_blocks


class SegmenterSettings(SizedSettings):
    """Base of these filters' settings; each has a `short_side` of its own."""

    network: NetworkName = Field(
        default="lraspp_mobilenet_v3_large",
        title="Network",
        description="deeplabv3 finds somewhat more and takes several times as long.",
    )

    @property
    def needed_weights(self) -> tuple[WeightsFile, ...]:
        """The file of the chosen network, unless the operator has named another one."""
        return () if self.weights else (WEIGHTS[self.network],)


def load_segmenter(
    filter_name: str,
    settings: SegmenterSettings,
    folder: WeightsFolder,
    device: torch.device,
    short_side: int,
) -> Segmenter:
    """Return the network on `device`; raises MissingPackage and WeightsError, which say what to do."""
    require(filter_name, "torchvision")
    if device.type == "cpu":
        keep_large_blocks()
    path = settings.weights or folder.get(WEIGHTS[settings.network])
    dtype = dtype_of(settings.precision, device)
    return Segmenter.load(settings.network, path, device, short_side, dtype)
