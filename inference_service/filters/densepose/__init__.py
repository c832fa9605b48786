"""`densepose`: every person painted by body part, with detectron2's DensePose R50-FPN s1x.

detectron2 is the model's definition and loader; what it does slowly around the model is done here. It and
torchvision are needed by `load` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.base import Filter, Item, Piece
from inference_service.filters.densepose.model import PACKAGES
from inference_service.filters.densepose.paint import draw
from inference_service.filters.densepose.palette import ColourMap, Look, Palette, Part
from inference_service.filters.vision.networks.precision import dtype_of
from inference_service.filters.vision.settings.proposals import ProposalSettings
from inference_service.filters.vision.settings.recorded import RecordedSettings, on_device
from inference_service.weights.folder import WeightsFile


class DensePose(Filter):
    """Finds people, labels their pixels by body part, and paints these; see `network` and `paint`."""

    class Params(base.Params):
        """What a page may set, live; frames with different values share a batch."""

        over_camera: bool = Field(
            default=False,
            title="Over the camera's picture",
            description="Paint people over the camera's picture instead of on a plain background.",
        )
        alpha: float = Field(
            default=1.0,
            ge=0.0,
            le=1.0,
            title="Opacity",
            description="How much the paint covers what is below: 0 nothing, 1 all.",
        )
        colour_map: ColourMap = Field(
            default="viridis",
            title="Colours",
            description="OpenCV's colour map that gives each body part its colour.",
        )
        parts: tuple[Part, ...] = Field(
            default=(),
            max_length=14,
            title="Body parts",
            description="Which parts of the body are painted; all of them where none is named.",
        )
        min_score: float = Field(
            default=0.5,
            ge=0.0,
            le=1.0,
            title="Lowest score",
            description="How sure the network must be that something is a person.",
        )

    class Settings(RecordedSettings, ProposalSettings):
        """What an operator may set, once."""

        short_side: int = Field(
            default=480,
            ge=64,
            le=1333,
            title="Short side",
            description="Pixels to which a picture's short side is brought for the network.",
        )
        max_people: int = Field(
            default=8, ge=1, le=100, title="People", description="Most people painted in one picture."
        )
        warm_batch: int = Field(
            default=16,
            ge=1,
            le=64,
            title="Recorded batch",
            description="Most pictures of a recorded batch; each more holds 23 MB of the GPU.",
        )

    name: ClassVar[str] = "densepose"
    title: ClassVar[str] = "DensePose"
    description: ClassVar[str] = "Paints everybody by body part. Needs a GPU to keep up with a camera."
    equal_params: ClassVar[frozenset[str] | None] = frozenset()
    weights: ClassVar[tuple[WeightsFile, ...]] = (
        WeightsFile(
            name="densepose_rcnn_R_50_FPN_s1x_162be9.pkl",
            url="https://dl.fbaipublicfiles.com/densepose/densepose_rcnn_R_50_FPN_s1x/165712039/"
            "model_final_162be9.pkl",
            sum_prefix="md5:162be9",
            licence="CC BY-SA 3.0; trained on CC BY-NC data, see docs/licences.md",
            about_bytes=256_000_000,
        ),
    )

    def __init__(self) -> None:
        self._runner: Any = None
        self._compiled: Any = None
        self._palette: Palette | None = None
        self._upsample: Tensor | None = None

    def needed_weights(self) -> tuple[WeightsFile, ...]:
        """Return the model zoo's file, unless the operator has named another one."""
        return () if self.settings.weights else self.weights

    def needed_packages(self) -> Mapping[str, str]:
        return PACKAGES

    def needs_gpu(self) -> bool:
        return True

    def load(self, device: torch.device) -> None:
        """Build the model and fill it.

        Raises MissingPackage and WeightsError, which tell the operator what to do.
        """
        # Here, not above: only this filter needs detectron2, and these modules are no use without it.
        from inference_service.filters.densepose import checkpoint, model
        from inference_service.filters.densepose.network import Limits, Network
        from inference_service.filters.densepose.runner import Runner
        from inference_service.filters.vision.networks.fusing import refusals

        settings = self.settings
        model.require_packages()
        path = settings.weights or self.weights_folder.get(self.weights[0])
        made = model.build(self.configuration())
        checkpoint.load(made, path)
        limits = Limits(
            settings.short_side, settings.proposals_per_level, settings.proposals, settings.max_people
        )
        with on_device(device):
            network = Network(made, limits, device, dtype_of(settings.precision, device))
            runner = Runner(network)
            self.fallbacks += refusals(device, network.dtype)
        self._compiled = network.compiled
        self._palette = Palette(device, network.dtype)
        self._upsample = network.upsample
        self._runner = runner

    def recordings(self) -> Iterator[Piece]:
        """Record the work of a GPU; see `Runner.recordings`."""
        settings, runner = self.settings, self._runner
        sizes = [(height, width) for width, height in settings.sizes_to_record(runner.device)]
        try:
            if sizes:
                most_people = settings.warm_batch * settings.max_people
                pieces = runner.recordings(sizes, settings.warm_batch, most_people)
                once = partial(runner.run_once, sizes[0])
                yield from settings.compiling(self._compiled, once, pieces, self.fallbacks)
        finally:
            # More would be done without recordings; half as many each time is faster.
            self.max_batch = runner.largest
            self.fallbacks += settings.without_graphs(runner.device, runner.unrecorded)

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Tensor:
        """Return the drawings of (N, 3, H, W) uint8 RGB frames as floating-point numbers; see `Filter.apply`.

        All of a picture is NaN where the network's output for it is not finite.
        """
        if self._runner is None or self._palette is None:
            raise RuntimeError("densepose is not loaded")
        tables, min_scores = self._palette.stack([_wish(item.params) for item in items])
        with lap("network"):
            seen = self._runner.see(batch, min_scores)
        tables = tables + seen.poison.to(tables.dtype)[:, None, None]
        people = seen.people
        with lap("paint"):
            return draw(batch, seen.maps, people.boxes, people.picture, people.rank, tables, self._upsample)

    def configuration(self) -> Any:
        """Return detectron2's configuration of the model; another one for other weights."""
        from inference_service.filters.densepose import model

        return model.configuration()


def _wish(params: DensePose.Params) -> tuple[Look, float]:
    look = Look(params.over_camera, params.alpha, params.colour_map, params.parts)
    return look, params.min_score
