"""A folder in diffusers' layout, as `save_pretrained` of a pipeline writes it, into networks in memory.

    unet/          config.json, diffusion_pytorch_model.safetensors
    vae/           config.json, diffusion_pytorch_model.safetensors: an AutoencoderTiny
    text_encoder/  config.json, model.safetensors
    tokenizer/     vocab.json, merges.txt
    scheduler/     scheduler_config.json, where there is one

Weights may also end in `.fp16.safetensors`. Nothing is loaded that does not fit: the libraries' own
`from_pretrained` starts with random numbers where a file lacks some.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inference_service.errors import WeightsError
from inference_service.filters.img2img.schedule import Model, Noising

TINY = "AutoencoderTiny"
_KEYS_NAMED = 3
_TEXT_PREFIX = "text_model."
_POSITIONS = "embeddings.position_ids"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a folder holds, on the CPU, in evaluation mode."""

    unet: Any
    autoencoder: Any
    text_encoder: Any
    tokenizer: Any
    noising: Noising


def load(folder: Path, model: Model, dtype: torch.dtype) -> Loaded:
    """Read `folder`. Raises WeightsError, which tells the operator what to do."""
    from diffusers import AutoencoderTiny, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    unet = _from_diffusers(folder / "unet", UNet2DConditionModel, dtype)
    _refuse_other_model(folder / "unet", unet, model)
    autoencoder = _from_diffusers(folder / "vae", AutoencoderTiny, dtype)
    text_encoder = _filled(
        folder / "text_encoder",
        "model",
        lambda config: CLIPTextModel(CLIPTextConfig.from_dict(config)),
        dtype,
        renamed=_as_this_release_names_them,
    )
    words, wanted = text_encoder.config.hidden_size, unet.config.cross_attention_dim
    if words != wanted:
        raise WeightsError(
            f"{_real(folder)}: the text encoder's {words} values per word are not the {wanted} that unet "
            "takes; take both from one model"
        )
    return Loaded(unet, autoencoder, text_encoder, _tokenizer(folder, CLIPTokenizer), _noising(folder))


def has_tiny_autoencoder(folder: Path) -> bool:
    """Its vae is the fast one that this filter uses; Stable Diffusion's own is not."""
    path = folder / "vae" / "config.json"
    return path.exists() and _json(path).get("_class_name") == TINY


def _from_diffusers(folder: Path, kind: Any, dtype: torch.dtype) -> Any:
    stated = _json(folder / "config.json").get("_class_name", kind.__name__)
    if stated != kind.__name__:
        raise WeightsError(f"{_real(folder)} holds {stated}; img2img takes {kind.__name__}")

    def build(config: Mapping[str, Any]) -> nn.Module:
        # Without memory, and without a minute of random numbers: all of it comes from the file.
        with torch.device("meta"):
            made: nn.Module = kind.from_config(config)
        return made

    return _filled(folder, "diffusion_pytorch_model", build, dtype)


def _filled(
    folder: Path,
    stem: str,
    build: Callable[[Mapping[str, Any]], nn.Module],
    dtype: torch.dtype,
    renamed: Callable[[dict[str, Tensor], Iterable[str]], dict[str, Tensor]] | None = None,
) -> Any:
    config = _json(folder / "config.json")
    path = _weights_in(folder, stem)
    try:
        network = build(config)
    except Exception as exc:
        # A library may raise anything for a configuration that it does not know.
        raise WeightsError(
            f"{_real(folder / 'config.json')} describes no network that this release of the libraries builds "
            f"({type(exc).__name__}: {exc})"
        ) from exc
    tensors = _tensors(path)
    if renamed is not None:
        tensors = renamed(tensors, network.state_dict())
    _refuse_misfits(path, network, tensors)
    network.load_state_dict({key: value.to(dtype) for key, value in tensors.items()}, assign=True)
    return network.eval().requires_grad_(False)


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as exc:
        raise WeightsError(
            f"{_real(path)} is truncated or no safetensors file ({exc}); copy or download it again"
        ) from exc
    return tensors


def _as_this_release_names_them(tensors: dict[str, Tensor], known: Iterable[str]) -> dict[str, Tensor]:
    """Rename CLIP's keys: transformers 5 dropped a prefix, and since 4.31 positions are no weights."""
    prefix = _TEXT_PREFIX if any(key.startswith(_TEXT_PREFIX) for key in known) else ""
    return {
        prefix + key.removeprefix(_TEXT_PREFIX): value
        for key, value in tensors.items()
        if not key.endswith(_POSITIONS)
    }


def _refuse_misfits(path: Path, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in tensors.items()}
    misshapen = [
        f"{key} of shape {found[key]} instead of {shape}"
        for key, shape in expected.items()
        if key in found and found[key] != shape
    ]
    faults = [
        _some("lacks", sorted(expected.keys() - found.keys())),
        _some("has unknown", sorted(found.keys() - expected.keys())),
        _some("has", misshapen),
    ]
    if any(faults):
        raise WeightsError(
            f"{_real(path)} is made for another network than the config.json beside it describes: it "
            f"{', '.join(filter(None, faults))}. Take both from one model"
        )


def _refuse_other_model(folder: Path, unet: Any, model: Model) -> None:
    takes_guidance = unet.config.time_cond_proj_dim is not None
    if takes_guidance != (model == "lcm"):
        kind, setting = ("an LCM", "lcm") if takes_guidance else ("no LCM", "sd-turbo")
        raise WeightsError(f"{_real(folder)} is {kind}; set the filter's `model` to {setting!r} for it")


def _tokenizer(folder: Path, kind: Any) -> Any:
    place = folder / "tokenizer"
    for name in ("vocab.json", "merges.txt"):
        if not (place / name).exists():
            raise WeightsError(f"there is no file {_real(place / name)}; {_how()}")
    try:
        return kind.from_pretrained(str(place), local_files_only=True)
    except Exception as exc:
        # Libraries raise anything for a file that is something else.
        raise WeightsError(
            f"{_real(place)} holds no tokenizer that can be read ({type(exc).__name__}); {_how()}"
        ) from exc


def _noising(folder: Path) -> Noising:
    path = folder / "scheduler" / "scheduler_config.json"
    if not path.exists():
        return Noising()
    config = _json(path)
    for key, expected in (("beta_schedule", "scaled_linear"), ("prediction_type", "epsilon")):
        if config.get(key, expected) != expected:
            raise WeightsError(
                f"{_real(path)}: {key} is {config[key]!r}; img2img takes models of {expected!r}"
            )
    usual = Noising()
    try:
        return Noising(
            timesteps=int(config.get("num_train_timesteps", usual.timesteps)),
            beta_start=float(config.get("beta_start", usual.beta_start)),
            beta_end=float(config.get("beta_end", usual.beta_end)),
        )
    except (TypeError, ValueError) as exc:
        raise WeightsError(f"{_real(path)}: expected numbers ({exc})") from exc


def _weights_in(folder: Path, stem: str) -> Path:
    names = (f"{stem}.safetensors", f"{stem}.fp16.safetensors")
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise WeightsError(f"there is no file {' or '.join(names)} in {_real(folder)}; {_how()}")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"there is no file {_real(path)}; {_how()}") from None
    except (OSError, ValueError) as exc:
        raise WeightsError(f"{_real(path)} cannot be read ({exc}); copy or download it again") from exc
    if not isinstance(found, dict):
        raise WeightsError(f"{_real(path)} is no configuration; copy or download it again")
    return found


def _how() -> str:
    return (
        "the filter's `weights` setting names a folder as diffusers' `save_pretrained` writes it; without it "
        "the files are downloaded"
    )


def _real(path: Path) -> Path:
    # Downloaded files are read through links, which would tell the operator nothing.
    return path.resolve()


def _some(verb: str, names: list[str]) -> str:
    more = f" and {len(names) - _KEYS_NAMED} more" if len(names) > _KEYS_NAMED else ""
    return f"{verb} {', '.join(names[:_KEYS_NAMED])}{more}" if names else ""
