"""Whole models with a few thousand random weights, written by the libraries' own `save_pretrained`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from harness.tokenizer import write_tokenizer

TEXT = 32
"""Values per word."""


def unet(*, is_lcm: bool) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=TEXT,
        attention_head_dim=8,
        norm_num_groups=8,
        time_cond_proj_dim=16 if is_lcm else None,
    )


def autoencoder() -> Any:
    from diffusers import AutoencoderTiny

    narrow = (8, 8, 8, 8)
    made = AutoencoderTiny(
        encoder_block_out_channels=narrow,
        decoder_block_out_channels=narrow,
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    )
    # Random ones paint black; so what they paint lies around a middle grey, and latents are of a usual size.
    made.decoder.layers[-1].bias.data.fill_(0.5)
    made.encoder.layers[-1].weight.data.mul_(5)
    return made


def text_encoder() -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=196,
        hidden_size=TEXT,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=TEXT,
        bos_token_id=194,
        eos_token_id=195,
        pad_token_id=0,
    )
    return CLIPTextModel(config)


def scheduler(*, is_lcm: bool) -> Any:
    from diffusers import EulerDiscreteScheduler, LCMScheduler

    noising = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    if is_lcm:
        return LCMScheduler(**noising, clip_sample=False, set_alpha_to_one=True)
    return EulerDiscreteScheduler(**noising, timestep_spacing="trailing", steps_offset=1)


def write(folder: Path, *, is_lcm: bool = False) -> Path:
    """Write a model in diffusers' layout; its parts are each a different random network."""
    torch.manual_seed(11)
    # The weights of a fresh text encoder all but ignore which words there are.
    words = text_encoder()
    for weight in words.parameters():
        weight.data.mul_(3)
    for name, part in (
        ("unet", unet(is_lcm=is_lcm)),
        ("vae", autoencoder()),
        ("text_encoder", words),
        ("scheduler", scheduler(is_lcm=is_lcm)),
    ):
        part.save_pretrained(folder / name)
    write_tokenizer(folder / "tokenizer")
    return folder
