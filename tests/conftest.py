"""Says which route the peers of this run take."""

from __future__ import annotations

from tests.e2e.services import in_namespace


def pytest_report_header() -> str:
    """Name the route in the report's head, since a failure may show on one of them alone."""
    route = "a network namespace of its own" if in_namespace() else "loopback (--ice-addresses 127.0.0.1)"
    return f"p2pcamera: WebRTC peers use {route}"
