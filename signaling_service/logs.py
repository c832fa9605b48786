"""Where this service's log lines go, and whose are left out."""

from __future__ import annotations

import logging

from shared import log_lines


def configure_logs(level: str, format_: log_lines.LogFormat, process: str = "") -> None:
    """Log to standard error from `level` on; `process` tells one process from another."""
    log_lines.configure(level, format_, process)
    # Both log every connection check and packet at their own levels.
    logging.getLogger("aioice").setLevel(logging.WARNING)
    logging.getLogger("aiortc").setLevel(logging.WARNING)
