"""The certificate of HTTPS, which follows its two files: what renews them needs to tell nobody.

A handshake takes the newest pair that fitted. Connections from before keep what they have, and calls, whose
media has keys of its own (DTLS), notice nothing.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from shared.errors import P2PCameraError

logger = logging.getLogger(__name__)

LOOK_S = 2.0
"""Looked at so often, and not watched: on a folder that a container shares, nobody is told of a change."""

_Stamp = tuple[tuple[int, int, int], ...]


class CertificateUnusable(P2PCameraError):
    """The files hold no certificate with its key; the text says what is wrong with them."""


class Certificate:
    """A certificate chain and its private key, both PEM; raises CertificateUnusable."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain, self._key = chain, key
        self._seen = self._loaded = self._stamp()
        self.context = self._newest = self._load()
        """What the server listens with; each handshake is given the newest one in its place."""
        # Called without a server name (RFC 6066, section 3) too. A context whose files are read again would
        # be left with a chain and no key when they do not fit.
        self.context.sni_callback = self._give_newest

    async def run(self) -> None:
        """Take what the files hold when they have changed, until this is cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self._look)

    def _look(self) -> None:
        stamp = self._stamp()
        is_settled = stamp == self._seen
        self._seen = stamp
        # The two files are replaced one after the other, so a change waits for the next look.
        if stamp == self._loaded or not is_settled:
            return
        self._loaded = stamp
        try:
            self._newest = self._load()
        except CertificateUnusable as exc:
            logger.warning("the certificate in use stays: %s", exc)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # An empty passphrase, since OpenSSL would ask for one at the terminal.
            context.load_cert_chain(self._chain, self._key, password="")
            ends = x509.load_pem_x509_certificate(self._chain.read_bytes()).not_valid_after_utc
        except (OSError, ValueError) as exc:
            raise CertificateUnusable(self._fault(exc)) from exc
        level = logging.INFO if ends > datetime.now(UTC) else logging.WARNING
        logger.log(level, "HTTPS: the certificate in %s is valid until %s", self._chain, ends.isoformat(" "))
        return context

    def _fault(self, exc: OSError | ValueError) -> str:
        files = f"{self._chain} and {self._key}"
        if isinstance(exc, ssl.SSLError):
            if exc.reason == "KEY_VALUES_MISMATCH":
                return f"the key in {self._key} is not that of the certificate in {self._chain}"
            return f"{files}: expected a certificate chain and its key without a passphrase, both PEM"
        return f"{files}: {exc.strerror if isinstance(exc, OSError) else exc}"

    def _stamp(self) -> _Stamp:
        """Return what changes with the files; links are followed."""
        return tuple(_stamp_of(path) for path in (self._chain, self._key))

    def _give_newest(
        self, handshake: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext
    ) -> None:
        handshake.context = self._newest


def _stamp_of(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return found.st_ino, found.st_mtime_ns, found.st_size
