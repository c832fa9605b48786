"""`python -m inference_service list`: the filters that can be had here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint

import torch

from inference_service.commands.chain import add_worker_flags, worker_flags
from inference_service.config import Settings, read_settings
from inference_service.filters.base import Filter
from inference_service.filters.loading import configured
from inference_service.filters.registry import installed
from inference_service.filters.rules import checked, remarks
from inference_service.filters.trouble import Code, before_loading

EXIT_DONE = 0


def main(argv: Sequence[str]) -> int:
    """Print a line for each filter, and its parameters where asked for; return 0."""
    parser = argparse.ArgumentParser(
        prog="python -m inference_service list", description="The filters that can be had here."
    )
    parser.add_argument("--params", action="store_true", help="list their parameters and settings as well")
    add_worker_flags(parser)
    arguments = parser.parse_args(argv)
    settings = read_settings(worker_flags(arguments))
    for name, point in sorted(installed().items()):
        sys.stdout.write(f"{_line(name, point, settings)}\n")
        if arguments.params:
            for line in _details(point):
                sys.stdout.write(f"    {line}\n")
    return EXIT_DONE


def _line(name: str, point: EntryPoint, settings: Settings) -> str:
    try:
        cls = checked(name, point.load())
        made = configured(cls, settings.filter_settings.get(name, {}))
        needed = made.needed_weights()
        # As on a CPU: that a filter needs a GPU is worth knowing on every host.
        obstacle = before_loading(made, torch.device("cpu"), settings.weights_dir)
    except Exception as exc:
        return f"{name:<14} cannot be used: {type(exc).__name__}: {exc}"
    remarks = []
    if cls.is_private:
        remarks.append("private")
    if cls.keeps_state:
        remarks.append("keeps state")
    if obstacle is not None and obstacle.code is not Code.NEEDS_WEIGHTS:
        remarks.append(f"{obstacle.text}: {obstacle.remedy}")
    for file in needed:
        here = (settings.weights_dir / file.name).exists()
        remarks.append(f"weights {file.name} {'are here' if here else 'are downloaded on first use'}")
    return f"{name:<14} {cls.title}" + (f" ({'; '.join(remarks)})" if remarks else "")


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
