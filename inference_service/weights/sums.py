"""Sums of files as they are written down: `md5:`, `sha256:` or `git:` and the first digits or all of them."""

from __future__ import annotations

import hashlib
import re

DIGITS = {"md5": 32, "sha256": 64, "git": 40}
_WRITTEN = re.compile(r"([a-z0-9]+):([0-9a-f]{6,64})")


def split(written: str) -> tuple[str, str]:
    """Return the kind of a sum and its digits. Raises ValueError for what is none."""
    found = _WRITTEN.fullmatch(written)
    if found is None or len(found[2]) > DIGITS.get(found[1], 0):
        raise ValueError(
            f"weights: expected md5: or sha256: and 6 or more digits 0-9a-f of that sum, not {written!r}"
        )
    return found[1], found[2]


def hasher(kind: str, size_bytes: int) -> hashlib._Hash:
    """Return what a file's bytes are put into; `git` counts their number first, as `git hash-object` does."""
    if kind != "git":
        return hashlib.new(kind, usedforsecurity=False)
    made = hashlib.sha1(usedforsecurity=False)
    made.update(b"blob %d\0" % size_bytes)
    return made
