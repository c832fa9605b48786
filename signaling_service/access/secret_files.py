"""Secrets in files, which no list of processes shows."""

from __future__ import annotations

from pathlib import Path

MAX_SECRET_BYTES = 64 * 1024


def secret_in(path: Path) -> str:
    """Return a file's text without the space around it; raises ValueError, which says nothing of the text."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as exc:
        raise ValueError(f"{path} cannot be read: {exc.strerror}") from exc
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"{path} is over {MAX_SECRET_BYTES} bytes")
    try:
        text = content.decode().strip()
    except UnicodeDecodeError as exc:
        raise ValueError(f"{path} is not text") from exc
    if not text:
        raise ValueError(f"{path} is empty")
    return text
