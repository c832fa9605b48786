"""Exit with 0 if the signaling service of this host answers `/healthz`: the container's health check."""

from __future__ import annotations

import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping

TIMEOUT_S = 4.0
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""A service that listens on all addresses is asked on the loopback one."""


def health_url(environment: Mapping[str, str]) -> str:
    """Return the address of `/healthz`, from the variables that the service itself reads."""
    host = environment.get("SIGNALING_HOST", "127.0.0.1")
    host = EVERY_ADDRESS.get(host, host)
    if ":" in host:
        host = f"[{host}]"
    scheme = "https" if environment.get("SIGNALING_SSL_CERTFILE") else "http"
    return f"{scheme}://{host}:{environment.get('SIGNALING_PORT', '7860')}/healthz"


def own_opener() -> urllib.request.OpenerDirector:
    """Return what asks a service of this host, by no proxy."""
    # The certificate names the public host, not the address asked here; nothing secret is sent.
    unverified = ssl._create_unverified_context()
    no_proxy = urllib.request.ProxyHandler({})
    return urllib.request.build_opener(no_proxy, urllib.request.HTTPSHandler(context=unverified))


def is_healthy(url: str) -> bool:
    try:
        with own_opener().open(url, timeout=TIMEOUT_S) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError) as exc:
        print(f"{url}: {exc}")
        return False


if __name__ == "__main__":
    sys.exit(0 if is_healthy(health_url(os.environ)) else 1)
