"""A chain of filters for a command: found, its parameters checked, and loaded."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import torch

from inference_service import exit_codes
from inference_service.config import Settings, read_settings
from inference_service.engine.params import ChainParams, CheckedParams
from inference_service.errors import BadParams, FilterNotUsable, InferenceError
from inference_service.filter_faults import faults_of_filters
from inference_service.filters.base import Filter
from inference_service.filters.installed import installed
from inference_service.filters.loading import load
from inference_service.filters.rules import checked
from inference_service.process import take_device
from shared import wire
from shared.operator_settings import refuse

WORKER_FLAGS = ("device", "max-batch", "weights-dir", "filter-settings")
_DESTINATION = "worker "


@dataclass(frozen=True, slots=True)
class Chain:
    """What a command has asked for, checked."""

    classes: tuple[type[Filter], ...]
    params: ChainParams
    raw_params: Mapping[str, Any]
    device: torch.device
    device_label: str
    settings: Settings

    @property
    def names(self) -> tuple[str, ...]:
        """The filters, in their order."""
        return tuple(cls.name for cls in self.classes)


def prepare(names: str, params: str, flags: Sequence[str]) -> Chain:
    """Find the filters `a,b` and the device that the worker's own `flags` and variables name.

    Exits with 2 for names, flags or `params` (a JSON object) that cannot be used, and says why.
    """
    # The worker's own --filters, also of the environment, is not what this command was asked for.
    settings = read_settings(["--filters=,", *flags])
    points = installed(has_test_params=True)  # Here nobody else waits.
    faults = faults_of_filters(settings, points)
    # A chain may have a filter twice.
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    if not chosen:
        faults.append("FILTER: expected the name of a filter, or several with commas between them")
    faults += [f"FILTER: {_unknown(name, points)}" for name in dict.fromkeys(chosen) if name not in points]
    raw = _object(params)
    device = take_device(settings, faults)
    try:
        classes = tuple(checked(name, points[name].load()) for name in chosen)
        checked_params = CheckedParams().check([cls() for cls in classes], wire.params_id(raw), raw)
    except BadParams as exc:
        refuse([f"--params: {exc}"])
    except FilterNotUsable as exc:
        refuse([f"filter {names!r} cannot be used: {exc}"])
    except Exception as exc:
        # A filter of the author's own may raise anything; its traceback is what the author needs.
        sys.excepthook(type(exc), exc, exc.__traceback__)
        refuse([f"filter {names!r} cannot be used"])
    return Chain(classes, checked_params, raw, device.torch, device.label, settings)


def loaded(chain: Chain) -> tuple[Filter, ...]:
    """Load the filters of a chain; exits with 1, and says why, where one cannot be loaded."""
    made: dict[str, Filter] = {}
    # Once each, as a worker does, also where a chain has one twice.
    for cls in dict.fromkeys(chain.classes):
        settings = chain.settings.filter_settings.get(cls.name, {})
        try:
            made[cls.name] = load(cls, chain.device, settings, chain.settings.weights_dir, _say)
        except InferenceError as exc:
            fail(f"filter {cls.name!r} cannot be loaded: {exc}")
        except Exception as exc:
            sys.excepthook(type(exc), exc, exc.__traceback__)
            fail(f"filter {cls.name!r} cannot be loaded")
    return tuple(made[name] for name in chain.names)


def add_worker_flags(parser: argparse.ArgumentParser, names: Sequence[str] = WORKER_FLAGS) -> None:
    """Let a command take those of the worker's own flags that mean something to it."""
    group = parser.add_argument_group("as for a worker, also by INFERENCE_... variables")
    for name in names:
        group.add_argument(f"--{name}", dest=_DESTINATION + name, metavar="VALUE")


def worker_flags(arguments: argparse.Namespace) -> list[str]:
    """Return those that were given, as `read_settings` takes them."""
    given = ((name, getattr(arguments, _DESTINATION + name, None)) for name in WORKER_FLAGS)
    return [f"--{name}={value}" for name, value in given if value is not None]


def fail(text: str) -> NoReturn:
    """Say why, and exit with 1."""
    sys.stderr.write(f"{text}\n")
    raise SystemExit(exit_codes.FAILED)


def _unknown(name: str, points: Collection[str]) -> str:
    near = difflib.get_close_matches(name, points, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(points))}"
    return f"no filter {name!r}; {hint}"


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as exc:
        refuse([f"--params: expected a JSON object ({exc})"])
    if not isinstance(found, dict):
        refuse(["--params: expected a JSON object"])
    return found


def _say(text: str, fraction: float) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text} {fraction:4.0%}\x1b[K" + ("\n" if fraction >= 1 else ""))
        sys.stderr.flush()
