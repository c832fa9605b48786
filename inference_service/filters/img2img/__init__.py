"""`img2img`: the camera painted anew towards a prompt, by sd-turbo or LCM with TAESD, in one to four steps.

diffusers and transformers define the networks; the loop around them is the project's own, so that pictures of
different sessions, prompts and strengths share a batch. Both packages are imported by `load` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.base import Filter, Item, Piece
from inference_service.filters.img2img import checkpoint, steady
from inference_service.filters.img2img.files import MODELS, Part, lay_out, own_parts
from inference_service.filters.img2img.networks import Networks
from inference_service.filters.img2img.noise import Noise
from inference_service.filters.img2img.painter import Painter, Wish
from inference_service.filters.img2img.prompts import Prompts
from inference_service.filters.img2img.schedule import LEAST_STRENGTH, MAX_STEPS, Model, Schedule
from inference_service.filters.img2img.size import MULTIPLE, working_size
from inference_service.filters.img2img.words import Words
from inference_service.filters.vision.networks import packages
from inference_service.filters.vision.networks.precision import dtype_of
from inference_service.filters.vision.settings.recorded import RecordedSettings, on_device
from inference_service.weights.folder import WeightsFile


class Img2Img(Filter):
    """Repaints pictures; see `painter` for how, `schedule` for the numbers, `steady` for stillness."""

    class Params(base.Params):
        """What a page may set, live; frames share a batch where their steps are equal."""

        prompt: str = Field(
            default="oil painting of a person, warm light, visible brush strokes",
            max_length=400,
            title="Prompt",
            description="What to paint, in English; the first 75 words or parts of words count.",
        )
        negative_prompt: str = Field(
            default="",
            max_length=400,
            title="Not wanted",
            description="What to keep out. Works with sd-turbo, and only where guidance is above 1.",
        )
        strength: float = Field(
            default=0.5,
            ge=LEAST_STRENGTH,
            le=1.0,
            title="Strength",
            description="How far the painting may leave the camera's picture.",
        )
        steps: int = Field(
            default=1,
            ge=1,
            le=MAX_STEPS,
            title="Steps",
            description="Each refines the painting, and costs as much time again.",
        )
        seed: int = Field(
            default=1,
            ge=0,
            le=9999,
            title="Seed",
            description="Another number, another painting; the same one paints alike.",
        )
        guidance: float = Field(
            default=1.0,
            ge=1.0,
            le=12.0,
            title="Guidance",
            description="How strictly the prompt is followed. 1: the model's own way, and fastest.",
        )
        steadiness: float = Field(
            default=0.8,
            ge=0.0,
            le=0.98,
            title="Steadiness",
            description="How much of the last painting stays where nothing moves.",
        )
        mix: float = Field(
            default=1.0,
            ge=0.0,
            le=1.0,
            title="Mix",
            description="0 shows the camera, 1 the painting.",
        )

    class Settings(RecordedSettings):
        """What an operator may set, once."""

        model: Model = Field(
            default="sd-turbo",
            title="Model",
            description="sd-turbo, best for one step; lcm, best from two steps on. Licences differ.",
        )
        side: int = Field(
            default=512,
            ge=128,
            le=1024,
            multiple_of=MULTIPLE,
            title="Side",
            description="Pictures are painted at about this many pixels squared.",
        )
        weights: Path | None = Field(
            default=None,
            title="Weights",
            description="A folder as diffusers' save_pretrained writes it, instead of the downloaded files.",
        )
        warm_batch: int = Field(
            default=4,
            ge=1,
            le=64,
            title="Recorded batch",
            description="Most pictures of a recorded batch; a guided one counts twice.",
        )

    name: ClassVar[str] = "img2img"
    title: ClassVar[str] = "Painted by prompt"
    description: ClassVar[str] = "Paints the camera anew as a prompt says, by a diffusion model. Needs a GPU."
    keeps_state: ClassVar[bool] = True
    equal_params: ClassVar[frozenset[str] | None] = frozenset({"steps"})
    weights: ClassVar[tuple[WeightsFile, ...]] = tuple(
        dict.fromkeys(part.file for parts in MODELS.values() for part in parts)
    )

    def __init__(self) -> None:
        self._painter: Painter | None = None
        self._schedule: Schedule | None = None
        self._networks: Any = None

    def needed_weights(self) -> tuple[WeightsFile, ...]:
        """Return the files of the chosen model; see `Filter.needed_weights`."""
        return tuple(part.file for part in self._parts())

    def needed_packages(self) -> Mapping[str, str]:
        return dict.fromkeys(("diffusers", "transformers"), packages.INSTALL)

    def needs_gpu(self) -> bool:
        return True

    def load(self, device: torch.device) -> None:
        """Read the model and put it on `device`.

        Raises MissingPackage and WeightsError, which tell the operator what to do.
        """
        settings = self.settings
        packages.require(self.name, *self.needed_packages())
        dtype = dtype_of(settings.precision, device)
        parts = self._parts()
        paths = self.weights_folder.get_all([part.file for part in parts])
        with TemporaryDirectory(prefix="p2pcamera-img2img-") as name:
            lay_out(Path(name), parts, paths, settings.weights)
            read = checkpoint.load(Path(name), settings.model, dtype)
        with on_device(device):
            networks = Networks(read.unet, read.autoencoder, device, dtype)
            words = Words(read.tokenizer, read.text_encoder.to(device), settings.model)
        self._networks = networks
        self._schedule = Schedule(settings.model, read.noising)
        self._painter = Painter(networks, Prompts(words.encode), Noise(device))

    def recordings(self) -> Iterator[Piece]:
        """Record the work of a GPU; see `Networks.recordings`."""
        settings, networks = self.settings, self._networks
        wanted = settings.sizes_to_record(networks.device)
        sizes = [working_size(width, height, settings.side) for width, height in wanted]
        try:
            if sizes:
                once = partial(networks.run_once, *sizes[0])
                pieces = networks.recordings(sizes, settings.warm_batch)
                yield from settings.compiling(networks.compiled, once, pieces, self.fallbacks)
        finally:
            self.fallbacks += settings.without_graphs(networks.device, networks.unrecorded)

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Tensor:
        """Return the paintings of (N, 3, H, W) uint8 RGB frames, float32 in [0, 255]; see `Filter.apply`.

        All of a picture is NaN where the network's output for it is not finite.
        """
        if self._painter is None:
            raise RuntimeError("img2img is not loaded")
        height, width = batch.shape[-2:]
        across, down = working_size(width, height, self.settings.side)
        frames = batch.float()
        camera = _resized(frames, (down, across))
        painted = self._painter.paint(camera / 127.5 - 1, [self._wish(item.params) for item in items])
        with lap("steady"):
            painted = (painted.float() + 1) * 127.5
            poison = painted.flatten(1).sum(dim=1)[:, None, None, None] * 0
            memory = steady.Memory.of(items, camera)
            painted = memory.blended(painted.clamp(0, 255), _per_picture(steady.shares(items), batch.device))
            mix = _per_picture([item.params.mix for item in items], batch.device)
            result = frames.lerp(_resized(painted, (height, width)), mix) + poison
        memory.keep(items, painted)
        return result

    def _wish(self, params: Img2Img.Params) -> Wish:
        assert self._schedule is not None
        plan = self._schedule.plan(params.steps, params.strength)
        return Wish(params.prompt, params.negative_prompt, params.seed, params.guidance, plan)

    def _parts(self) -> tuple[Part, ...]:
        """Return what is downloaded with these settings."""
        own = self.settings.weights
        if own is None:
            return MODELS[self.settings.model]
        return own_parts(own)


def _per_picture(values: Sequence[float], device: torch.device) -> Tensor:
    """Return (N, 1, 1, 1) float32 on the device; from pinned memory, so that the copy waits for nothing."""
    host = torch.tensor(values, dtype=torch.float32, pin_memory=device.type == "cuda")
    return host.to(device, non_blocking=True)[:, None, None, None]


def _resized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    if pictures.shape[-2:] == size:
        return pictures
    return nnf.interpolate(pictures, size=size, mode="bilinear", align_corners=False, antialias=True)
