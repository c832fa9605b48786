"""Asks a running service over HTTP, with its key."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared.errors import P2PCameraError
from signaling_service.access.origins import is_loopback

LIMIT_S = 5.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked at, never bound
"""A service that listens on all addresses is asked on the loopback one."""


class NoAnswer(P2PCameraError):
    """The service does not answer, or not as one of ours; the text says what came and what to do."""


class Refused(NoAnswer):
    """The service answers with an error."""

    def __init__(self, path: str, status: int, code: str, message: str) -> None:
        super().__init__(f"{path} is answered with {status}: {message}")
        self.status = status
        self.code = code
        self.message = message


def own_url(environment: Mapping[str, str]) -> str:
    """Return the address of this host's service, from the variables that the service itself reads."""
    host = environment.get("SIGNALING_HOST") or "127.0.0.1"
    host = EVERY_ADDRESS.get(host, host)
    scheme = "https" if environment.get("SIGNALING_SSL_CERTFILE") else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{environment.get('SIGNALING_PORT') or 7860}"


def own_key(environment: Mapping[str, str]) -> str:
    """Return the API key of these variables, empty where there is none; raises NoAnswer for a bad file."""
    if key := environment.get("SIGNALING_API_KEY"):
        return key
    if not (file := environment.get("SIGNALING_API_KEY_FILE")):
        return ""
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise NoAnswer(f"the key cannot be read from {file}: {reason}") from exc


class Asking:
    """Calls of one service; follows no redirection, since the key is for this service alone."""

    def __init__(self, url: str, key: str = "") -> None:
        """Raises ValueError where `url` is no address of a service."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url!r}: expected an address such as http://127.0.0.1:7860")
        parts.port  # noqa: B018 - raises ValueError where it is none
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._key = key
        context = ssl.create_default_context()
        if is_loopback(parts.hostname):
            # The certificate names the public host; nobody stands between a host and itself.
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        handlers = [urllib.request.HTTPSHandler(context=context), _NoRedirection()]
        if is_loopback(parts.hostname):
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def text(self, path: str) -> str:
        """Return what a call answers; raises NoAnswer."""
        request = urllib.request.Request(self.url + path)  # noqa: S310 - the scheme is checked
        if self._key:
            request.add_header("Authorization", f"Bearer {self._key}")
        try:
            with self._opener.open(request, timeout=LIMIT_S) as answer:
                return str(answer.read(MAX_ANSWER_BYTES).decode())
        except urllib.error.HTTPError as exc:
            raise _refused(path, exc) from exc
        except (OSError, ValueError, HTTPException) as exc:
            reason = getattr(exc, "reason", exc)
            reason = getattr(reason, "strerror", None) or reason or type(exc).__name__
            raise NoAnswer(f"no service answers at {self.url}: {reason}") from exc

    def json(self, path: str) -> dict[str, Any]:
        """Return the object that a call answers; raises NoAnswer."""
        try:
            found = json.loads(self.text(path))
        except ValueError as exc:
            raise NoAnswer(f"what answers at {self.url} is not a p2pcamera service") from exc
        if not isinstance(found, dict):
            raise NoAnswer(f"what answers at {self.url} is not a p2pcamera service")
        return found


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


def _refused(path: str, exc: urllib.error.HTTPError) -> Refused:
    try:
        error = json.loads(exc.read(64 * 1024))["error"]
        return Refused(path, exc.code, str(error["code"]), str(error["message"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Refused(path, exc.code, "", str(exc.reason))
