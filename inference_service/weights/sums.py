"""Sums of files, and the check of a file: `md5:`, `sha256:` or `git:` and hexadecimal digits.

The first digits of a sum, as model zoos write them into file names, tell a broken file from the right one.
They do not prove where it came from: TLS does, and the rights of the folder.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from inference_service.errors import WeightsError

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


def check(path: Path, sum_prefix: str | None, size_bytes: int | None = None) -> None:
    """Raise WeightsError unless `path` is a readable file of that size whose sum begins with `sum_prefix`."""
    kind, prefix = ("md5", "") if sum_prefix is None else split(sum_prefix)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            found = hashlib.file_digest(file, lambda: _hasher(kind, size)).hexdigest()
    except FileNotFoundError:
        raise WeightsError(f"there is no file {path}; put the weights there") from None
    except OSError as exc:
        raise WeightsError(f"{path} cannot be read ({exc.strerror})") from exc
    if size_bytes is not None and size != size_bytes:
        what = "truncated" if size < size_bytes else "not the file that is expected"
        raise WeightsError(f"{path} is {what}: it has {size:,} bytes, expected are {size_bytes:,}")
    if not found.startswith(prefix):
        raise WeightsError(
            f"{path} is truncated or not the file that is expected: the {kind.upper()} sum of its {size:,} "
            f"bytes begins with {found[: len(prefix)]}, expected is {prefix}"
        )


def _hasher(kind: str, size_bytes: int) -> hashlib._Hash:
    if kind != "git":
        return hashlib.new(kind, usedforsecurity=False)
    # `git hash-object` puts the number of bytes before them.
    return hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
