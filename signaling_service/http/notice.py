"""Tells whoever has started this process that it answers: the protocol of systemd's `sd_notify(3)`."""

from __future__ import annotations

import logging
import os
import socket

logger = logging.getLogger(__name__)

VARIABLE = "NOTIFY_SOCKET"


def tell_started() -> None:
    """Send `READY=1` to the socket that the environment names, where it names one."""
    path = os.environ.get(VARIABLE, "")
    if not path.startswith(("/", "@")):
        return
    # Linux' abstract names begin with a zero byte.
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.setblocking(False)
            own.sendto(b"READY=1", address)
    except OSError as exc:
        logger.warning("%s cannot be told that the service has started: %s", VARIABLE, exc.strerror)
