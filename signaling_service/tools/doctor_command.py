"""`python -m signaling_service doctor`: looks at everything that a service needs, and says what to do."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from signaling_service.config import Settings, read_settings
from signaling_service.tools import host_checks, network_checks, service_checks
from signaling_service.tools.asking import Asking, own_url
from signaling_service.tools.finding import Finding, Level


def main(argv: Sequence[str]) -> int:
    """Print what is found; returns 0 where nothing is bad, 1 where something is, 2 for a setting."""
    parser = argparse.ArgumentParser(
        prog="python -m signaling_service doctor",
        description="Look at ports, certificate, GPU, driver, weights and link of this host's service, "
        "whether it runs or not. Takes every flag of the service too, and its SIGNALING_... variables.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments, flags = parser.parse_known_args(argv)
    settings = read_settings(flags)
    is_bad = False
    for finding in look(settings):
        is_bad = is_bad or finding.level is Level.BAD
        sys.stdout.write(json.dumps(asdict(finding)) + "\n" if arguments.json else _line(finding))
        # The next one may take seconds.
        sys.stdout.flush()
    return 1 if is_bad else 0


def look(settings: Settings) -> Iterator[Finding]:
    """Yield what is found, in the order in which a call needs it.

    Nothing of it stays, but for this user's folder for sockets.
    """
    asking = Asking(own_url(_variables(settings)), settings.key or "")
    now = service_checks.ask(asking)
    is_running = now is not None
    yield network_checks.http_port(settings, is_running=is_running)
    yield network_checks.certificate(settings)
    yield from network_checks.udp_ports(settings, is_running=is_running)
    yield network_checks.results_endpoint(settings, is_running=is_running)
    yield from host_checks.cores(settings)
    yield from host_checks.gpus()
    if now is not None:
        yield from service_checks.running(asking, now)
    else:
        yield from host_checks.weights()


def _variables(settings: Settings) -> dict[str, str]:
    certificate = (
        {} if settings.ssl_certfile is None else {"SIGNALING_SSL_CERTFILE": str(settings.ssl_certfile)}
    )
    return {"SIGNALING_HOST": settings.host, "SIGNALING_PORT": str(settings.port), **certificate}


def _line(finding: Finding) -> str:
    line = f"{finding.level.value:<5} {finding.what:<12} {finding.text}\n"
    if finding.remedy:
        line += f"{'':<19}-> {finding.remedy}\n"
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in line)
