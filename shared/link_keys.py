"""Keys of the link between the services: CurveZMQ (RFC 26), one pair for each side.

A folder holds four files, each one Z85 key (RFC 32) of 40 characters:

    service.secret   service.public      what signaling services are known by
    worker.secret    worker.public       what workers are known by

A signaling service reads `service.secret` and `worker.public`, a worker the other two; a host needs only the
files of the side that it runs. All workers have one key: whoever has it may be a worker, and sees the frames
that a worker sees.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import zmq
from zmq.utils import z85

from shared.errors import KeysError

Side = Literal["service", "worker"]
SIDES: tuple[Side, Side] = ("service", "worker")


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """One side's own pair and the other side's public key, Z85."""

    public: bytes
    secret: bytes = field(repr=False)
    peer_public: bytes


def make(folder: Path) -> list[Path]:
    """Write two new pairs into `folder`, secrets with mode 0600; return the files. Raises KeysError."""
    pairs = {side: zmq.curve_keypair() for side in SIDES}
    names = [f"{side}.{part}" for side in SIDES for part in ("public", "secret")]
    if there := [name for name in names if (folder / name).exists()]:
        raise KeysError(
            f"{folder} holds {', '.join(there)} already: remove them first, or take another folder"
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for side, (public, secret) in pairs.items():
            _write(folder / f"{side}.public", public, 0o644)
            _write(folder / f"{side}.secret", secret, 0o600)
    except OSError as exc:
        raise KeysError(f"{exc.filename or folder}: {exc.strerror}") from exc
    return [folder / name for name in names]


def load(folder: Path, side: Side) -> LinkKeys:
    """Read what one side needs; raises KeysError, which names the file."""
    other = SIDES[1 - SIDES.index(side)]
    _check_folder(folder)
    secret = _read(folder / f"{side}.secret", is_secret=True)
    return LinkKeys(zmq.curve_public(secret), secret, _read(folder / f"{other}.public"))


def _write(path: Path, key: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(key + b"\n")


def _check_folder(folder: Path) -> None:
    """Refuse one into which everybody may put a public key of his own, and so be a worker."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        return  # The first file that is missing is named.
    # Where it is sticky, as volumes of Kubernetes are, only a file's owner replaces it.
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise KeysError(f"{folder} can be changed by everybody: chmod o-w {folder}")


def _read(path: Path, *, is_secret: bool = False) -> bytes:
    try:
        mode = path.stat().st_mode
        if mode & stat.S_IWOTH and not is_secret:
            raise KeysError(f"{path} can be changed by everybody: chmod o-w {path}")
        if is_secret and mode & stat.S_IRWXO:
            raise KeysError(f"{path} can be read by everybody: chmod 600 {path}")
        key = path.read_bytes().strip()
    except OSError as exc:
        raise KeysError(
            f"{path}: {exc.strerror}; `python -m signaling_service keys DIR` makes new keys"
        ) from exc
    try:
        if len(key) != 40 or len(z85.decode(key)) != 32:
            raise ValueError
    except (ValueError, KeyError) as exc:
        raise KeysError(f"{path}: expected a key of 40 characters (Z85)") from exc
    return key
