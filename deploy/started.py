"""Waits until a service that was started here answers: only its own word counts.

Whatever else has its port would answer in its place.
"""

from __future__ import annotations

import socket
import threading
import urllib.error
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.signaling_health import own_opener
from signaling_service.http.notice import VARIABLE

LOOK_S = 0.2
TIMEOUT_S = 1.0


class Started:
    """A socket of `sd_notify(3)` in a folder of this process; use as `with`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "started.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    @property
    def variables(self) -> dict[str, str]:
        """What the service's environment needs."""
        return {VARIABLE: str(self._path)}

    def __enter__(self) -> Self:
        self._socket.bind(str(self._path))
        self._socket.settimeout(LOOK_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._socket.close()

    def wait(self, url: str, stop: threading.Event) -> bool:
        """Return True once the service has said that it listens and `url` answers, False after `stop`."""
        has_said = False
        while not stop.is_set():
            if has_said:
                if _answers(url):
                    return True
                stop.wait(LOOK_S)
                continue
            try:
                has_said = self._socket.recv(256).startswith(b"READY=1")
            except TimeoutError:
                continue
            except OSError:
                return False
        return False


def _answers(url: str) -> bool:
    try:
        with own_opener().open(url, timeout=TIMEOUT_S):
            return True
    except (urllib.error.URLError, OSError):
        return False
