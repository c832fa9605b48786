"""Packages that a filter needs and that not everybody has installed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from inference_service.errors import Cause, MissingPackage

INSTALL = "pip install 'p2pcamera[models]' (in a clone of the project: make models)"
TORCHVISION: Mapping[str, str] = {"torchvision": INSTALL}
"""What the filters made of torchvision's networks need."""


def require(filter_name: str, *packages: str, how: Mapping[str, str] | None = None) -> None:
    """Import each of `packages`; raises MissingPackage, which says what is missing and how to install it.

    `how` by the package's name; INSTALL brings all others.
    """
    for package in packages:
        install = (how or {}).get(package, INSTALL)
        try:
            importlib.import_module(package)
        except ImportError as exc:
            missing = exc.name.partition(".")[0] if exc.name else package
            if missing == package:
                raise MissingPackage(
                    f"the filter {filter_name} needs the package {package}: {install}", package, install
                ) from exc
            why = f"the package {missing} is missing" if exc.name else "it cannot be imported"
            raise MissingPackage(
                f"the filter {filter_name} needs {package}, which cannot be imported: "
                f"{why if exc.name else exc}",
                package,
                install,
                why,
                Cause.INCOMPLETE if exc.name else Cause.UNIMPORTABLE,
            ) from exc
        except RuntimeError as exc:
            # What torchvision raises beside a torch that it was not built for.
            raise MissingPackage(
                f"the filter {filter_name} needs {package}, which does not fit the installed torch "
                f"({exc}): {install}",
                package,
                install,
                "it does not fit the installed torch",
                Cause.MISFIT,
            ) from exc
