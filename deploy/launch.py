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
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from deploy.announcement import Announcement
from deploy.own_addresses import own_addresses
from deploy.own_certificate import certificate_for, fingerprint, folder
from deploy.signaling_health import health_url
from deploy.started import Started
from shared import run_dir
from shared.errors import P2PCameraError
from signaling_service.access.origins import is_loopback

END_LIMIT_S = 2.5
"""Both services leave on their own long before; after this they are killed."""
DIED_EARLY_S = 10.0
SELF_SIGNED = "selfsigned"
SERVICES = ("signaling_service", "inference_service")
CHOSEN = tuple(f"SIGNALING_{name}" for name in ("API_KEY", "API_KEY_FILE", "TOKEN_KEY", "TOKEN_JWKS", "OPEN"))
"""With one of these somebody has said who may call. Else a service beyond loopback gets a key of its own."""
CERTIFICATE = ("SIGNALING_SSL_CERTFILE", "SIGNALING_SSL_KEYFILE")


class CannotLaunch(P2PCameraError):
    """What was asked for cannot be done; the text says why."""


def main() -> int:
    """Run until Ctrl-C, SIGTERM or the end of the signaling service; returns the exit code."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    with tempfile.TemporaryDirectory(prefix="p2pcamera-") as own:
        try:
            environment = _environment(os.environ)
            announcement = _announcement(environment, Path(own))
        except P2PCameraError as exc:
            print(exc, file=sys.stderr)
            return 2
        with Started(Path(own)) as started:
            environment |= started.variables
            processes = {name: _start(name, environment) for name in SERVICES}
            url = health_url(environment).replace("healthz", "readyz")
            announcing = threading.Thread(
                target=_announce, args=(announcement, started, url, stop), daemon=True
            )
            announcing.start()
            code = _watch(processes, environment, stop)
            stop.set()
            _end(list(processes.values()))
            announcing.join()
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
    # Nobody takes its calls over.
    environment.setdefault("SIGNALING_DRAIN_SECONDS", "0")
    if not is_loopback(environment["SIGNALING_HOST"].lower()) and not any(map(given.get, CHOSEN)):
        environment["SIGNALING_API_KEY"] = secrets.token_urlsafe(24)
    if tls := given.get("TLS"):
        if tls != SELF_SIGNED:
            raise CannotLaunch(f"TLS={tls}: expected TLS={SELF_SIGNED}, or {' and '.join(CERTIFICATE)}")
        if any(map(given.get, CERTIFICATE)):
            raise CannotLaunch(f"TLS={tls}: expected without {' and '.join(CERTIFICATE)}")
    return environment


def _announcement(environment: dict[str, str], own: Path) -> Announcement:
    """Write what the services read from files; return what is said once they are ready."""
    addresses, shown = own_addresses(), ""
    if environment.get("TLS"):
        kept = folder(environment)
        try:
            chain, private = certificate_for(addresses, kept)
        except OSError as exc:
            raise CannotLaunch(f"TLS={SELF_SIGNED}: {kept} cannot be written: {exc.strerror}") from exc
        environment |= zip(CERTIFICATE, (str(chain), str(private)), strict=True)
        shown = fingerprint(chain)
    key = "" if os.environ.get("SIGNALING_API_KEY") else environment.get("SIGNALING_API_KEY", "")
    if key:
        key_file = own / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(f"{key}\n")
    return Announcement(
        scheme="https" if environment.get(CERTIFICATE[0]) else "http",
        host=environment["SIGNALING_HOST"],
        port=environment["SIGNALING_PORT"],
        addresses=addresses,
        key=key,
        key_file=own / "key",
        fingerprint=shown,
    )


def _start(name: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", name], env=environment)


def _watch(
    processes: dict[str, subprocess.Popen[bytes]], environment: Mapping[str, str], stop: threading.Event
) -> int:
    started_s = time.monotonic()
    while not stop.wait(0.1):
        code = processes[SERVICES[0]].poll()
        if code is not None:
            return code or 1
        code = processes[SERVICES[1]].poll()
        if code is None:
            continue
        if time.monotonic() - started_s < DIED_EARLY_S:
            return code or 1
        print(f"inference_service ended with code {code}; starting it again", flush=True)
        started_s = time.monotonic()
        processes[SERVICES[1]] = _start(SERVICES[1], environment)
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


def _announce(announcement: Announcement, started: Started, url: str, stop: threading.Event) -> None:
    if started.wait(url, stop):
        announcement.write(sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
