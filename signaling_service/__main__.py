"""`python -m signaling_service`: read settings, bind, serve until a signal."""

from __future__ import annotations

import logging
import sys

import uvicorn

from signaling_service.app import Service, create_app_for
from signaling_service.config import read_settings
from signaling_service.results import ResultsNotBound

logger = logging.getLogger("signaling_service")


def main() -> int:
    """Run the service; returns the exit code."""
    settings = read_settings(sys.argv[1:])
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    # Both log every connection check and packet at their own levels.
    logging.getLogger("aioice").setLevel(logging.WARNING)
    logging.getLogger("aiortc").setLevel(logging.WARNING)
    service = Service(settings)
    try:
        service.bind()
    except ResultsNotBound as exc:
        logger.error("%s", exc)
        return 1
    server = uvicorn.Server(
        uvicorn.Config(
            create_app_for(service),
            host=settings.host,
            port=settings.port,
            loop="asyncio",  # The datagram hooks of aioice's patches differ on uvloop.
            log_level=settings.log_level,
            access_log=settings.log_level == "debug",
            log_config=None,
            ssl_certfile=settings.ssl_certfile,
            ssl_keyfile=settings.ssl_keyfile,
            timeout_graceful_shutdown=1,
        )
    )
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
