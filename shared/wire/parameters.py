"""A choice's parameters: their id, and their size on the wire."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgpack

from shared.wire.limits import PARAMS_ID_BYTES


def params_id(params: Mapping[str, Any]) -> bytes:
    """Hash of parameters: BLAKE2b of their JSON with sorted keys, 16 bytes."""
    text = json.dumps(params, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=PARAMS_ID_BYTES).digest()


def params_size_bytes(params: Mapping[str, Any]) -> int:
    """Size of parameters as they would travel."""
    return len(msgpack.packb(params))
