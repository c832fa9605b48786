"""STUN and TURN servers: as the browser gets them, and as this service's own connections use them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from typing import Any

from aiortc import RTCIceServer

from signaling_service.setting_types import IceServer

CREDENTIALS_S = 3600


def ice_servers_for_browser(servers: Sequence[IceServer], now_s: float | None = None) -> list[dict[str, Any]]:
    """Return `RTCConfiguration.iceServers`; `now_s` is Unix time. The shared secret never leaves."""
    return [_with_credentials(server, now_s) for server in servers]


def ice_servers_for_aiortc(servers: Sequence[IceServer]) -> list[RTCIceServer]:
    """Return the same for this service's connections; empty means none, not aiortc's public default."""
    return [RTCIceServer(**_with_credentials(server, None)) for server in servers]


def _with_credentials(server: IceServer, now_s: float | None) -> dict[str, Any]:
    made: dict[str, Any] = {"urls": server.urls}
    if server.secret is not None:
        made["username"], made["credential"] = turn_credentials(server.secret, now_s)
    else:
        made.update(server.model_dump(include={"username", "credential"}, exclude_none=True))
    return made


def turn_credentials(secret: str, now_s: float | None = None) -> tuple[str, str]:
    """Return user name and password of draft-uberti-behave-turn-rest-00: expiry and HMAC-SHA1 of it."""
    expires = int(time.time() if now_s is None else now_s) + CREDENTIALS_S
    username = f"{expires}:{secrets.token_hex(8)}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()
