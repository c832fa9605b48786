"""`python -m inference_service download`: the weights of filters, ahead of their first use."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from tqdm import tqdm

from inference_service import exit_codes
from inference_service.commands.chain import add_worker_flags, worker_flags
from inference_service.config import read_settings
from inference_service.errors import WeightsError
from inference_service.filters.installed import installed
from inference_service.filters.loading import configured
from inference_service.filters.rules import checked
from inference_service.weights.folder import OnProgress, WeightsFile, WeightsFolder

ALL = "all"
"""What shells say of a program that Ctrl-C has ended."""


def main(argv: Sequence[str]) -> int:
    """Download what the named filters need.

    Returns 0 when every file is there and checked, and 1 when one is not. 2: nothing was begun, since a
    filter is unknown or needs no weights. 130: it was stopped. Exits with 2 for a flag that cannot be used.
    """
    arguments = _parser().parse_args(argv)
    points = installed()
    names = list(points) if ALL in arguments.filters else arguments.filters
    unknown = [name for name in names if name not in points]
    if unknown:
        return _refuse(f"no filter {name!r}; there are {', '.join(sorted(points))}" for name in unknown)
    settings = read_settings(worker_flags(arguments))
    needed, failures = _needed(names, points, settings.filter_settings)
    if ALL not in arguments.filters:
        idle = [name for name, files in needed.items() if not files]
        if idle:
            return _refuse(f"filter {name!r} has nothing to download: it needs no weights" for name in idle)
    # By file: filters may share one.
    wanted = {file: name for name, files in needed.items() for file in files}
    try:
        failures += [
            fault for file, name in wanted.items() if (fault := _download(name, file, settings.weights_dir))
        ]
    except KeyboardInterrupt:
        sys.stderr.write("stopped; what has come is kept, and the next try goes on from there\n")
        return exit_codes.INTERRUPTED
    if not wanted and not failures:
        _say("no filter here needs weights")
    for fault in failures:
        sys.stderr.write(f"{fault}\n")
    return exit_codes.FAILED if failures else exit_codes.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m inference_service download",
        description="Download the weights of filters, so that no first use has to wait for them.",
    )
    parser.add_argument("filters", nargs="+", metavar="FILTER", help=f"names of filters, or {ALL!r}")
    add_worker_flags(parser, ("weights-dir", "filter-settings"))
    return parser


def _needed(
    names: Sequence[str], points: Mapping[str, EntryPoint], settings: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, tuple[WeightsFile, ...]], list[str]]:
    """Return the files of each filter that can be imported, and what is wrong with the others."""
    needed: dict[str, tuple[WeightsFile, ...]] = {}
    faults = []
    for name in names:
        try:
            needed[name] = configured(
                checked(name, points[name].load()), settings.get(name, {})
            ).needed_weights()
        except ValidationError as exc:
            faults += [f"filter {name!r}: setting {fault}" for fault in _said(exc)]
        except Exception as exc:
            # A plug-in may raise anything; the others can still be served.
            faults.append(f"filter {name!r} could not be imported: {type(exc).__name__}: {exc}")
    return needed, faults


def _said(exc: ValidationError) -> Iterator[str]:
    for error in exc.errors():
        yield f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def _download(name: str, file: WeightsFile, folder: Path) -> str | None:
    """Bring one file; return what went wrong, if anything did."""
    size = "" if file.size_bytes is None else f", {file.size_bytes / 1e6:.0f} MB"
    _say(f"{name}: {file.name}{size}; licence: {file.licence}")
    try:
        with _bar() as on_progress:
            path = WeightsFolder(folder, on_progress).get(file)
    except WeightsError as exc:
        return f"{name}: {exc}"
    _say(f"{name}: {path} is there and checked")
    return None


@contextmanager
def _bar() -> Iterator[OnProgress]:
    """Show progress as a bar on a terminal, and nowhere else."""
    form = "{desc} |{bar}| {percentage:3.0f} % {elapsed}<{remaining}"
    with tqdm(total=1.0, bar_format=form, disable=None, leave=False, dynamic_ncols=True) as bar:

        def show(text: str, fraction: float) -> None:
            bar.set_description_str(text, refresh=False)
            bar.n = fraction
            bar.refresh()

        yield show


def _refuse(faults: Iterator[str]) -> int:
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return exit_codes.REFUSED


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    # Before the bar, which goes to the other stream.
    sys.stdout.flush()
