"""What a service says whose packages are not all installed."""

from __future__ import annotations

import sys

OWN = ("shared", "signaling_service", "inference_service")


def explain(service: str, extra: str, exc: ModuleNotFoundError) -> None:
    """Write one line to standard error: which package, and how to install it. Raises our own faults."""
    package = (exc.name or "").partition(".")[0]
    if not package or package in OWN:
        raise exc
    sys.stderr.write(
        f"{service} cannot start, since the Python package {package} is not installed: `make install`, "
        f"or {sys.executable} -m pip install 'p2pcamera[{extra}]'\n"
    )
