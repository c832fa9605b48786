"""Which files a model needs, where each is downloaded from, and where it lies in diffusers' layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inference_service.errors import WeightsError
from inference_service.filters.img2img.checkpoint import has_tiny_autoencoder
from inference_service.filters.img2img.schedule import Model
from inference_service.weights.folder import WeightsFile

STABILITY = "Stability AI Community License: conditions of its own, see docs/licences.md"
LCM_LICENCE = "MIT by its page, made from Stable Diffusion (OpenRAIL-M), see docs/licences.md"
MIT = "MIT"


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a model."""

    place: str
    """In diffusers' layout."""
    file: WeightsFile


def _hub(repository: str, commit: str, path: str) -> str:
    return f"https://huggingface.co/{repository}/resolve/{commit}/{path}"


def _turbo(
    place: str, name: str, sum_prefix: str, size_bytes: int | None = None, path: str | None = None
) -> Part:
    url = _hub("stabilityai/sd-turbo", "b261bac6fd2cf515557d5d0707481eafa0485ec2", path or place)
    return Part(place, WeightsFile(f"sd-turbo-{name}", url, f"sha256:{sum_prefix}", STABILITY, size_bytes))


def _lcm(place: str, name: str, sum_prefix: str | None = None, about_bytes: int = 0) -> Part:
    # Of most files the sum could be read nowhere when this was written; so the hub is asked.
    url = _hub("SimianLuo/LCM_Dreamshaper_v7", "a85df6a8bd976cdd08b4fd8f3b73f229c9e54df5", place)
    file = WeightsFile(f"lcm-dreamshaper-7-{name}", url, sum_prefix, LCM_LICENCE, about_bytes=about_bytes)
    return Part(place, file)


def _tiny(place: str, name: str, sum_prefix: str, size_bytes: int | None = None) -> Part:
    path = place.removeprefix("vae/")
    url = _hub("madebyollin/taesd", "614f76814bbe30edbe2e627ace1c2234c81a2c0e", path)
    return Part(place, WeightsFile(f"taesd-{name}", url, f"sha256:{sum_prefix}", MIT, size_bytes))


TAESD = (
    _tiny(
        "vae/config.json",
        "config.json",
        "3ebefd1aa96ac474cc6430fe6ea81febccf7ee82461715691ee9315c884adeef",
    ),
    _tiny(
        "vae/diffusion_pytorch_model.safetensors",
        "autoencoder.safetensors",
        "db169d69145ec4ff064e49d99c95fa05d3eb04ee453de35824a6d0f325513549",
        9_793_292,
    ),
)
SD_TURBO = (
    _turbo(
        "unet/config.json",
        "unet-config.json",
        "ca09d494527ebe13343006e22b4468d45bf12aa34e76cf03639b6dbba1fb5c6d",
    ),
    _turbo(
        "unet/diffusion_pytorch_model.safetensors",
        "unet.fp16.safetensors",
        "40ec400881e27d1376c7c95c5bd495f407b33756e80eb6365e301c33a07af6e5",
        1_731_904_736,
        path="unet/diffusion_pytorch_model.fp16.safetensors",
    ),
    _turbo(
        "text_encoder/config.json",
        "text-config.json",
        "9f6935d3d41bf8ce49b1d7ed912b29e770649d1aa3f3972215284f9397cd97d2",
    ),
    _turbo(
        "text_encoder/model.safetensors",
        "text.fp16.safetensors",
        "bc1827c465450322616f06dea41596eac7d493f4e95904dcb51f0fc745c4e13f",
        680_820_392,
        path="text_encoder/model.fp16.safetensors",
    ),
    _turbo(
        "tokenizer/vocab.json",
        "vocab.json",
        "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349",
    ),
    _turbo(
        "tokenizer/merges.txt",
        "merges.txt",
        "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a",
    ),
)
LCM = (
    _lcm("unet/config.json", "unet-config.json"),
    _lcm("unet/diffusion_pytorch_model.safetensors", "unet.safetensors", about_bytes=3_440_000_000),
    _lcm("text_encoder/config.json", "text-config.json"),
    _lcm(
        "text_encoder/model.safetensors",
        "text.safetensors",
        "sha256:66262104f5099c84ad0e6ec156acae57b2292caebd4d7b8699327fa745145b76",
        492_000_000,
    ),
    _lcm("tokenizer/vocab.json", "vocab.json"),
    _lcm("tokenizer/merges.txt", "merges.txt"),
)
MODELS: dict[Model, tuple[Part, ...]] = {"sd-turbo": SD_TURBO + TAESD, "lcm": LCM + TAESD}


def own_parts(folder: Path) -> tuple[Part, ...]:
    """Return what an operator's own folder lacks: the fast autoencoder, where it has a slow one.

    Raises WeightsError where there is no such folder.
    """
    if not folder.is_dir():
        raise WeightsError(f"there is no folder {folder}, which the filter's `weights` setting names")
    return () if has_tiny_autoencoder(folder) else TAESD


def lay_out(into: Path, parts: Sequence[Part], paths: Sequence[Path], own: Path | None) -> None:
    """Link the files of `parts`, which lie at `paths`, and the rest of the operator's `own` folder.

    So there is one way to read a model, whether it was downloaded or not.
    """
    for part, path in zip(parts, paths, strict=True):
        link = into / part.place
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path.absolute())
    if own is not None:
        for folder in own.absolute().iterdir():
            if not (into / folder.name).exists():
                (into / folder.name).symlink_to(folder)
