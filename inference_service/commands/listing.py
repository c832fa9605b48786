"""`python -m inference_service list`: the filters that can be had here."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Any

import torch

from inference_service import exit_codes
from inference_service.commands.chain import add_worker_flags, worker_flags
from inference_service.config import Settings, read_settings
from inference_service.filters.base import Filter
from inference_service.filters.installed import installed
from inference_service.filters.loading import configured
from inference_service.filters.rules import checked, remarks
from inference_service.filters.trouble import Code, before_loading


def main(argv: Sequence[str]) -> int:
    """Print a line for each filter, and its parameters where asked for; return 0."""
    parser = argparse.ArgumentParser(
        prog="python -m inference_service list", description="The filters that can be had here."
    )
    parser.add_argument("--params", action="store_true", help="list their parameters and settings as well")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, without parameters")
    add_worker_flags(parser)
    arguments = parser.parse_args(argv)
    settings = read_settings(worker_flags(arguments))
    for name, point in sorted(installed().items()):
        described = _described(name, point, settings)
        sys.stdout.write(f"{json.dumps(described) if arguments.json else _line(described)}\n")
        if arguments.params and not arguments.json:
            for line in _details(point):
                sys.stdout.write(f"    {line}\n")
    return exit_codes.DONE


def _described(name: str, point: EntryPoint, settings: Settings) -> dict[str, Any]:
    try:
        cls = checked(name, point.load())
        made = configured(cls, settings.filter_settings.get(name, {}))
        needed = made.needed_weights()
        # As on a CPU: that a filter needs a GPU is worth knowing on every host.
        obstacle = before_loading(made, torch.device("cpu"), settings.weights_dir)
    except Exception as exc:
        return {"name": name, "error": f"{type(exc).__name__}: {exc}"}
    # Those are told one by one.
    if obstacle is not None and obstacle.code is Code.NEEDS_WEIGHTS:
        obstacle = None
    return {
        "name": name,
        "title": cls.title,
        "private": cls.is_private,
        "keeps_state": cls.keeps_state,
        "obstacle": obstacle
        and {"code": obstacle.code.value, "text": obstacle.text, "remedy": obstacle.remedy},
        "weights": {file.name: (settings.weights_dir / file.name).exists() for file in needed},
    }


def _line(one: dict[str, Any]) -> str:
    if "error" in one:
        return f"{one['name']:<14} cannot be used: {one['error']}"
    remarks = []
    if one["private"]:
        remarks.append("private")
    if one["keeps_state"]:
        remarks.append("keeps state")
    if (obstacle := one["obstacle"]) is not None:
        remarks.append(f"{obstacle['text']}: {obstacle['remedy']}")
    for file, is_here in one["weights"].items():
        remarks.append(f"weights {file} {'are here' if is_here else 'are downloaded on first use'}")
    return f"{one['name']:<14} {one['title']}" + (f" ({'; '.join(remarks)})" if remarks else "")


def _details(point: EntryPoint) -> list[str]:
    try:
        cls: type[Filter] = point.load()
        told = [
            f"{what} {name}: {_range(schema)} {schema.get('description', '')}".rstrip()
            for what, model in (("parameter", cls.Params), ("setting", cls.Settings))
            for name, schema in model.model_json_schema().get("properties", {}).items()
        ]
        return told + [f"it {remark}" for remark in remarks(cls)]
    except Exception:  # Its line has said what is wrong.
        return []


def _range(schema: dict[str, object]) -> str:
    if "enum" in schema:
        kind = "|".join(map(str, schema["enum"])) if isinstance(schema["enum"], list) else ""
    else:
        kind = str(schema.get("type", "value"))
    if "minimum" in schema or "maximum" in schema:
        kind += f" {schema.get('minimum', '')}..{schema.get('maximum', '')}"
    return f"{kind}, default {schema['default']!r}." if "default" in schema else f"{kind}."
