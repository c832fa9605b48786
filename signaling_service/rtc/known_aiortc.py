"""Whether aiortc and aioice are those that this service's changes were written for.

What protects a call from strangers stands in the place of the libraries' own functions (aiortc_patches.py),
and relies on what they keep in private. Set into other code it might protect nothing, without a word. So the
files that are changed, or relied on, are compared with those that were read. With others no service starts.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from pathlib import Path

import aioice
import aiortc

from shared.errors import P2PCameraError

READ_VERSIONS = {"aiortc": "1.16.0", "aioice": "0.13.0"}
READ_FILES = {
    "aioice.ice": "f4d01b70452d80bebbda926027be8509",
    "aioice.stun": "4c5882a44c4a0fc09536554e81fd103c",
    "aiortc.codecs": "87b4a6b98ba84e84b99717de626b2c55",
    "aiortc.rtcdtlstransport": "cc70f1f8228e8057657c8f23496e3fc0",
    "aiortc.rtcrtpreceiver": "f5705c8a30bad4840ecbbfdcdc0429fa",
    "aiortc.rtcrtpsender": "630d5ec7cce598e3f5333cb5d17d741f",
    "aiortc.rtcsctptransport": "ce86eaaaecb2dc04616991a52ac4fac8",
    "aiortc.rtp": "c65f39ad80b0bb917f089524b2381945",
}
"""BLAKE2b with 16 bytes of each module's file; `installed_files` returns those that are installed."""


class UnknownAiortc(P2PCameraError):
    """The installed libraries are other ones; the service cannot start."""

    def __init__(self, modules: list[str]) -> None:
        installed = f"aiortc {aiortc.__version__} and aioice {aioice.__version__}"
        wanted = " ".join(f"{name}=={version}" for name, version in READ_VERSIONS.items())
        super().__init__(
            f"{installed} are installed, and are not what this service protects calls in "
            f"({', '.join(modules)}); do: pip install --force-reinstall {wanted}"
        )


def check() -> None:
    """Raise UnknownAiortc unless every file is one that was read."""
    if differing := [name for name, digest in installed_files().items() if digest != READ_FILES[name]]:
        raise UnknownAiortc(differing)


def installed_files() -> Mapping[str, str]:
    """Return the digest of each module's file; empty for one whose source is not there."""
    return {name: _digest(name) for name in READ_FILES}


def _digest(name: str) -> str:
    path = importlib.import_module(name).__file__
    try:
        return hashlib.blake2b(Path(path or "").read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""
