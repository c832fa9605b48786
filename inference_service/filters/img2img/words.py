"""Prompts into what the denoiser understands, by the model's tokenizer and text encoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inference_service.filters.img2img.schedule import Model

TOKENS = 77
"""What CLIP reads of a text; the rest of a longer one is left out."""
OPENCLIP_PADDING = 0
"""OpenCLIP, sd-turbo's text encoder, fills texts up with zeros; OpenAI's CLIP, LCM's, with ends of text."""


class Words:
    """Encodes texts on the device of its text encoder."""

    def __init__(self, tokenizer: Any, text_encoder: Any, model: Model) -> None:
        self._tokenizer = tokenizer
        self._text_encoder = text_encoder
        # By the model, not by the tokenizer's files: releases of transformers read different ones of them.
        self._padding = OPENCLIP_PADDING if model == "sd-turbo" else tokenizer.eos_token_id

    def encode(self, texts: list[str]) -> Tensor:
        """Return (N, 77, D) in the text encoder's precision."""
        rows = []
        for text in texts:
            ids = self._tokenizer(text, truncation=True, max_length=TOKENS).input_ids
            rows.append(ids + [self._padding] * (TOKENS - len(ids)))
        device = self._text_encoder.device
        tokens = torch.tensor(rows, pin_memory=device.type == "cuda").to(device, non_blocking=True)
        encoded: Tensor = self._text_encoder(tokens)[0]
        return encoded
