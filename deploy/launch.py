"""Starts both services on this machine, as `make run` does; Ctrl-C ends them.

The worker is started again when it dies; the service that serves the page is not, since its end says that the
start failed (a port that is taken, say) or that somebody wanted it.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from types import FrameType

from shared import run_dir
from signaling_service.access.origins import is_loopback

END_LIMIT_S = 2.5
"""Both services leave on their own long before; after this they are killed."""
DIED_EARLY_S = 10.0
EVERY_ADDRESS = ("0.0.0.0", "::")
CHOSEN = tuple(f"SIGNALING_{name}" for name in ("API_KEY", "API_KEY_FILE", "TOKEN_KEY", "TOKEN_JWKS", "OPEN"))
"""With one of these somebody has said who may call. Else a service beyond loopback gets a key of its own."""


def main() -> int:
    """Run until Ctrl-C, SIGTERM or the end of the signaling service; returns the exit code."""
    environment = _environment(os.environ)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    processes = {name: _start(name, environment) for name in ("signaling_service", "inference_service")}
    is_made = "SIGNALING_API_KEY" not in os.environ and "SIGNALING_API_KEY" in environment
    made_key = environment["SIGNALING_API_KEY"] if is_made else ""
    threading.Thread(target=_announce, args=(environment, made_key, stop), daemon=True).start()
    code = _watch(processes, environment, stop)
    _end(list(processes.values()))
    return code


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """Short names of `make run` become the services' own variables, unless those are set."""
    environment = dict(given)
    port = given.get("PORT", "7860")
    filter_ = given.get("FILTER", "ink")
    # Named after the port, so that a second start needs another PORT alone.
    results = f"ipc://{run_dir.run_dir(given) / f'results-{port}.ipc'}"
    environment.setdefault("SIGNALING_PORT", port)
    environment.setdefault("SIGNALING_HOST", given.get("HOST", "127.0.0.1"))
    environment.setdefault("SIGNALING_DEFAULT_FILTER", filter_)
    environment.setdefault("SIGNALING_RESULTS_BIND", results)
    environment.setdefault("INFERENCE_SIGNALING", environment["SIGNALING_RESULTS_BIND"])
    environment.setdefault("INFERENCE_FILTERS", filter_)
    if not is_loopback(environment["SIGNALING_HOST"].lower()) and not any(map(given.get, CHOSEN)):
        environment["SIGNALING_API_KEY"] = secrets.token_urlsafe(24)
    return environment


def _start(name: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", name], env=environment)


def _watch(
    processes: dict[str, subprocess.Popen[bytes]], environment: Mapping[str, str], stop: threading.Event
) -> int:
    started_s = time.monotonic()
    while not stop.wait(0.1):
        code = processes["signaling_service"].poll()
        if code is not None:
            return code or 1
        code = processes["inference_service"].poll()
        if code is None:
            continue
        if time.monotonic() - started_s < DIED_EARLY_S:
            return code or 1
        print(f"inference_service ended with code {code}; starting it again", flush=True)
        started_s = time.monotonic()
        processes["inference_service"] = _start("inference_service", environment)
    return 0


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ask, wait, and kill what is still there: nothing may outlive this process."""
    for process in processes:
        process.terminate()
    limit_s = time.monotonic() + END_LIMIT_S
    for process in processes:
        try:
            process.wait(max(limit_s - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _announce(environment: Mapping[str, str], made_key: str, stop: threading.Event) -> None:
    """Print the page's address when an offer would be accepted.

    A key that was made for this start goes behind `#`: browsers send that part to nobody.
    """
    scheme = "https" if environment.get("SIGNALING_SSL_CERTFILE") else "http"
    host = environment["SIGNALING_HOST"]
    shown = "localhost" if host in ("127.0.0.1", "::1", *EVERY_ADDRESS) else host
    url = f"{scheme}://{shown}:{environment['SIGNALING_PORT']}/"
    link = f"{url}#token={made_key}" if made_key else url
    if host in EVERY_ADDRESS:
        link += "\n  (on other devices with this host's address in place of localhost)"
    if scheme == "https":
        print(f"\n  p2pcamera: open {link}\n", flush=True)
        return
    while not stop.wait(0.2):
        try:
            with urllib.request.urlopen(f"{url}readyz", timeout=1):
                print(f"\n  p2pcamera is ready: open {link}   (Ctrl-C ends it)\n", flush=True)
                return
        except (urllib.error.URLError, OSError):
            continue


if __name__ == "__main__":
    sys.exit(main())
