"""What keeps a filter from running, or from keeping up: a code, words for a page, and what to do."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import torch

from inference_service.device.memory import is_shortage
from inference_service.errors import (
    DownloadError,
    FilterFailed,
    FilterNotUsable,
    MissingPackage,
    WeightsError,
)
from inference_service.filters.base import Filter
from inference_service.filters.vision.networks.packages import INSTALL
from inference_service.weights.folder import default_folder
from shared.own_python import own_python

MODELS = "make models"


class Code(StrEnum):
    """What is in the way; docs/reference.md explains each."""

    NEEDS_PACKAGE = "needs_package"
    NEEDS_RESTART = "needs_restart"
    BAD_PACKAGE = "bad_package"
    NEEDS_GPU = "needs_gpu"
    REDUCED = "reduced"
    NEEDS_WEIGHTS = "needs_weights"
    DOWNLOAD_FAILED = "download_failed"
    BAD_WEIGHTS = "bad_weights"
    OUT_OF_MEMORY = "out_of_memory"
    FAILED = "failed"


PASSING = frozenset({Code.DOWNLOAD_FAILED, Code.BAD_WEIGHTS, Code.OUT_OF_MEMORY})
"""What may have gone when the filter is wanted again: a network is back, a file replaced, memory free."""
BLOCKING = frozenset({Code.NEEDS_PACKAGE, Code.NEEDS_RESTART, Code.BAD_PACKAGE})
"""What makes every attempt to load useless, so that none is made."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One obstacle. No text holds a path, since pages are shown it."""

    code: Code
    text: str
    """A sentence's end: what is said after the filter's name."""
    cause: str = ""
    """A fixed word for what it comes from (`errors.Cause`); of `reduced` kinds of fallbacks, with commas."""
    detail: str = ""
    """A name that belongs to the cause; without one, the part of the text that differs from case to case."""
    remedy: str = ""
    """What the operator can do: a command, where there is one."""


def before_loading(made: Filter, device: torch.device, weights_dir: Path) -> Trouble | None:
    """Return what is known to be in the way of a filter that knows its settings; nothing is imported."""
    needed = made.needed_packages()
    if missing := [name for name in needed if not _is_there(name)]:
        names = ", ".join(missing)
        packages = "package" if len(missing) == 1 else "packages"
        return Trouble(
            Code.NEEDS_PACKAGE,
            f"needs the {packages} {names}",
            detail=names,
            remedy=" && ".join(dict.fromkeys(_install(needed[name]) for name in missing)),
        )
    if slow := on_device(made, device):
        return slow
    files = [file.name for file in made.needed_weights() if not (weights_dir / file.name).exists()]
    if files:
        return Trouble(
            Code.NEEDS_WEIGHTS,
            f"downloads {', '.join(files)} at its first use",
            detail=", ".join(files),
            remedy=_download(made.name, weights_dir),
        )
    return None


def on_device(made: Filter, device: torch.device) -> Trouble | None:
    """Return what stays in the way of a filter that is loaded on this device."""
    if device.type != "cpu" or not made.needs_gpu():
        return None
    remedy = "run the worker on a host with a GPU"
    return Trouble(Code.NEEDS_GPU, "needs a GPU to keep up with a camera", remedy=remedy)


def once_loaded(made: Filter, device: torch.device) -> Trouble | None:
    """Return what stays in the way of a filter that has been loaded."""
    if slow := on_device(made, device):
        return slow
    if not made.fallbacks:
        return None
    text = "; ".join(one.text for one in made.fallbacks)
    kinds = ",".join(dict.fromkeys(one.kind for one in made.fallbacks))
    return Trouble(Code.REDUCED, text, kinds, text, "see the worker's log")


def installed_since(made: Filter) -> Trouble | None:
    """Return what to say of a filter that lacked a package before: None while one is still missing."""
    importlib.invalidate_caches()
    needed = made.needed_packages()
    if not all(map(_is_there, needed)):
        return None
    names = ", ".join(needed)
    return Trouble(
        Code.NEEDS_RESTART,
        f"needs a restart of the worker, since its packages have been installed ({names})",
        detail=names,
        remedy="restart the worker",
    )


def after_failure(
    name: str,
    what: str,
    exc: BaseException,
    weights_dir: Path,
    explain: Callable[[BaseException], str] | None = None,
) -> Trouble:
    """Return why a filter could not be imported or loaded.

    Of most errors only their kind is told, unless `explain` has words for them.
    """
    if isinstance(exc, MissingPackage):
        remedy = _install(exc.remedy)
        if not exc.why:
            text = f"needs the package {exc.package}"
            return Trouble(Code.NEEDS_PACKAGE, text, detail=exc.package, remedy=remedy)
        text = f"cannot use the package {exc.package} ({exc.why})"
        return Trouble(Code.BAD_PACKAGE, text, exc.cause or "", exc.package, remedy)
    if isinstance(exc, DownloadError):
        return Trouble(
            Code.DOWNLOAD_FAILED,
            f"has not got its weights: {exc.public}",
            exc.cause,
            exc.subject,
            _download(name, weights_dir),
        )
    if isinstance(exc, WeightsError):
        told = exc.public or "they do not fit"
        text = f"cannot use its weights: {told}"
        return Trouble(Code.BAD_WEIGHTS, text, exc.cause, exc.subject, _download(name, weights_dir))
    if is_shortage(exc):
        return Trouble(
            Code.OUT_OF_MEMORY, "did not fit into memory", remedy="free memory, or use a larger GPU"
        )
    if isinstance(exc, FilterFailed | FilterNotUsable):
        # In the worker's words or in those that its author meant for pages: no path is in them.
        told = exc.reason if isinstance(exc, FilterFailed) else str(exc)
        return Trouble(Code.FAILED, f"{what}: {told}", detail=told, remedy="see the worker's log")
    if explain is not None:
        told = explain(exc)
        return Trouble(Code.FAILED, f"{what}: {told}", detail=told, remedy="see the worker's log")
    kind = type(exc).__name__
    return Trouble(Code.FAILED, f"{what} ({kind})", detail=kind, remedy="see the worker's log")


def weights_size_bytes(made: Filter) -> int:
    """Return the size of all files that the filter downloads, as far as it is known."""
    return sum(file.size_bytes or file.about_bytes for file in made.needed_weights())


def has_weights(made: Filter, weights_dir: Path) -> bool:
    """Tell whether each of them is there; their sums are checked when they are loaded."""
    return all((weights_dir / file.name).exists() for file in made.needed_weights())


def _is_there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _install(how: str) -> str:
    return MODELS if how == INSTALL else how


def _download(name: str, weights_dir: Path) -> str:
    # Which folder it is, pages are not told.
    folder = "" if weights_dir == default_folder() else " --weights-dir DIR"
    return f"{own_python()} -m inference_service download {name}{folder}"
