"""What the text encoder makes of prompts, computed once per text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

KEPT = 256
"""Texts; 0.16 MB each with sd-turbo in half precision."""

Encode = Callable[[list[str]], Tensor]
"""(N, tokens, D) of N texts."""


class Prompts:
    """The texts in use lie on the device, the one unused for longest is let go."""

    def __init__(self, encode: Encode, kept: int = KEPT) -> None:
        self._encode = encode
        self._kept = kept
        self._known: OrderedDict[str, Tensor] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, texts: Sequence[str]) -> Tensor:
        """Return (N, tokens, D), what the denoiser is told by each text; new ones are encoded together."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            for text, encoded in zip(missing, self._encode(missing), strict=True):
                # A copy: a view would keep all texts that were new at the same time.
                self._known[text] = encoded.clone()
        found = torch.stack([self._known[text] for text in texts])
        for text in texts:
            self._known.move_to_end(text)
        while len(self._known) > self._kept:
            self._known.popitem(last=False)
        return found
