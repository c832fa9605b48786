"""What Hugging Face's hub says of a file: its sum and its size, asked for once and kept beside the file.

The hub states SHA-256 of large files, and of small ones SHA-1 as git takes it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from inference_service.errors import Cause
from inference_service.weights.fetch import HEADERS, FetchError, server_errors

_COMMIT = re.compile(r"/resolve/([0-9a-f]{40})/")
_NOTE = re.compile(r"(sha256:[0-9a-f]{64}|git:[0-9a-f]{40}) (\d{1,15}) (\S+)\n?")
_ETAG = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Stated:
    """What a file must be."""

    sum: str
    """`sha256:` or `git:` and all digits."""
    size_bytes: int


def commit_in(url: str) -> str | None:
    """Return the commit that an address of the hub names; None where it names a branch, which may change."""
    found = _COMMIT.search(urlsplit(url).path)
    return found[1] if found else None


def ask(url: str) -> Stated:
    """Return what the hub says of the file at `url`. Raises FetchError."""
    from huggingface_hub import get_hf_file_metadata

    with server_errors():
        # Without the user's token: what is public is fetched by nobody in particular.
        said = get_hf_file_metadata(url, token=False, headers=HEADERS, retry_on_errors=True)
    if said.commit_hash != commit_in(url):
        text = f"the server speaks of commit {said.commit_hash} instead of {commit_in(url)}"
        raise FetchError(text, Cause.NO_SUM)
    etag = said.etag or ""
    if said.size is None or not _ETAG.fullmatch(etag):
        raise FetchError("the server does not say which sum and size the file has", Cause.NO_SUM)
    return Stated(f"{'sha256' if len(etag) == 64 else 'git'}:{etag}", said.size)


def keep(note: Path, url: str, stated: Stated) -> None:
    """Write down what was said of `url`, if that folder may be written to."""
    part = note.with_name(f"{note.name}.part")
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(f"{stated.sum} {stated.size_bytes} {url}\n", "ascii")
        part.replace(note)


def kept(note: Path, url: str) -> Stated | None:
    """Return what `keep` wrote of this very `url`; None where nothing of that kind is there."""
    try:
        found = _NOTE.fullmatch(note.read_text("ascii"))
    except (OSError, ValueError):
        return None
    return Stated(found[1], int(found[2])) if found and found[3] == url else None
