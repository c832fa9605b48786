"""The files of a small tokenizer, for models of random weights that are made of text too."""

from __future__ import annotations

import json
from pathlib import Path


def write_tokenizer(folder: Path) -> None:
    """Write a byte-pair tokenizer that knows printable ASCII, by single letters and a few words."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(33, 127)]
    merges = ["h e", "a t</w>", "o i", "oi l</w>", "r e", "re d</w>"]
    pieces = letters + [f"{one}</w>" for one in letters] + [merge.replace(" ", "") for merge in merges]
    vocabulary = {piece: n for n, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
