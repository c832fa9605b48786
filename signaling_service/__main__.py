"""`python -m signaling_service`: read settings, bind, serve until a signal.

With a command (`keys`, `status`, `doctor`): make the keys of the link to workers, or look at a service.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

from shared import absent_package
from signaling_service.hidden_secrets import hide

logger = logging.getLogger("signaling_service")


def main() -> int:
    """Run the service; returns the exit code, 0 when a signal has ended it."""
    # Before the imports, which take a second; uvicorn raises the signal that ended it once more when all is
    # closed, and finds these again.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    hide(sys.argv[1:])
    try:
        return _run(sys.argv[1:])
    except ModuleNotFoundError as exc:
        absent_package.explain("signaling_service", "signaling", exc)
        return 1


def _run(arguments: list[str]) -> int:
    if arguments and not arguments[0].startswith("-"):
        try:
            return _command(arguments[0], arguments[1:])
        except BrokenPipeError:
            # `status | head`: who read it has seen enough. What is left must not fail once more at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
    # What imports make is here to stay: a tenth of their time goes into looking for garbage among it.
    gc.disable()
    from signaling_service.config import read_settings
    from signaling_service.network_settings import AUTO

    settings = read_settings(arguments)
    import uvicorn

    from signaling_service.http.app import Serving, create_app
    from signaling_service.http.certificate import Certificate, CertificateUnusable
    from signaling_service.http.connections import BoundedConnection, EventLoop, raise_descriptor_limit
    from signaling_service.http.ending import Server
    from signaling_service.http.listening import BACKLOG, PortNotTaken, listen, patiently
    from signaling_service.logs import configure_logs
    from signaling_service.processes.front import Front
    from signaling_service.processes.nursery import Nursery
    from signaling_service.rtc import known_aiortc
    from signaling_service.rtc.public_address import NoPublicAddress, public_address
    from signaling_service.service import Service
    from signaling_service.sockets.fixed_port import MediaPortNotTaken
    from signaling_service.workers.results import ResultsNotBound

    # A full collection of what the imports leave takes longer than a frame: take that out of its sight. Nor
    # may it write into memory that the media processes share.
    gc.collect()
    gc.freeze()
    gc.enable()
    nursery = Nursery()
    if settings.processes > 1:
        nursery.fork()
    configure_logs(settings.log_level, settings.log_format)
    raise_descriptor_limit()
    try:
        known_aiortc.check()
        if settings.public_ip == AUTO:
            found = public_address(settings.ice_servers, settings.ice_addresses)
            settings = settings.model_copy(update={"public_ip": found})
            logger.info("browsers are told the address %s", settings.public_ip)
        certificate = None
        if settings.ssl_certfile and settings.ssl_keyfile:
            certificate = Certificate(settings.ssl_certfile, settings.ssl_keyfile)
        service: Serving
        # The port first: a start that cannot have it touches no socket of the service that has.
        until_s = time.monotonic() + settings.wait_seconds
        listening = patiently(lambda: listen(settings.host, settings.port), until_s, PortNotTaken)
        service = Front(settings, nursery) if settings.processes > 1 else Service(settings)
        patiently(service.bind, until_s, ResultsNotBound, MediaPortNotTaken)
    except (
        CertificateUnusable,
        NoPublicAddress,
        PortNotTaken,
        ResultsNotBound,
        MediaPortNotTaken,
        known_aiortc.UnknownAiortc,
    ) as exc:
        logger.error("%s", exc)
        nursery.close()
        return 1
    hurry = asyncio.Event()
    server = Server(
        uvicorn.Config(
            create_app(service, certificate, hurry),
            # asyncio's: the datagram hooks of aioice's patches differ on uvloop.
            loop=f"{EventLoop.__module__}:{EventLoop.__name__}",
            http=BoundedConnection,
            ws="none",  # A connection that changes to another protocol would have no bounds.
            backlog=BACKLOG,
            log_level=settings.log_level,
            access_log=False,  # It would name addresses, and parameters in queries.
            log_config=None,
            proxy_headers=False,  # The application does it, for the proxies that are named.
            ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
            timeout_graceful_shutdown=1,
        ),
        hurry,
    )
    # And of what the start has made.
    gc.collect()
    gc.freeze()
    server.run(sockets=listening)
    return 0 if server.started else 1


def _command(name: str, arguments: list[str]) -> int:
    """Run a command in place of the service; returns the exit code, 2 for one that is unknown."""
    if name == "keys":
        from signaling_service.keys_command import main as make_keys

        return make_keys(arguments)
    if name == "status":
        from signaling_service.tools.status_command import main as show_status

        return show_status(arguments)
    if name == "doctor":
        from signaling_service.tools.doctor_command import main as look

        return look(arguments)
    sys.stderr.write(f"no command {name!r}; there are keys, status and doctor (flags begin with --)\n")
    return 2


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
