"""The compose files as Docker Compose reads them, as far as they use its merging."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "docker-compose.yml"
CPU = ROOT / "docker-compose.cpu.yml"
RUN_DIR = "/run/p2pcamera"

_RESET = object()


class _Loader(yaml.SafeLoader):
    """Knows the tag that takes a key of an earlier file away."""


_Loader.add_constructor("!reset", lambda loader, node: _RESET)


def load(path: Path) -> dict[str, Any]:
    """Return one file with its anchors merged; keys tagged `!reset` are left out."""
    found: dict[str, Any] = _without_resets(_read(path))
    return found


def load_cpu_variant() -> dict[str, Any]:
    """Return what `-f docker-compose.yml -f docker-compose.cpu.yml` means."""
    merged: dict[str, Any] = _merge(load(BASE), _read(CPU))
    return merged


def _read(path: Path) -> Any:
    return yaml.load(path.read_text(), _Loader)


def _merge(base: Any, override: Any) -> Any:
    if not isinstance(override, dict) or not isinstance(base, dict):
        # How two lists merge depends on the key; the override has no such case.
        assert not (isinstance(base, list) and isinstance(override, list))
        return override
    merged = dict(base)
    for key, value in override.items():
        if value is _RESET:
            merged.pop(key)
        else:
            merged[key] = _merge(merged[key], value) if key in merged else value
    return merged


def _without_resets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_resets(one) for key, one in value.items() if one is not _RESET}
    return value
