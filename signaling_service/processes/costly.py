"""Offers over which a media process was lost: dealt to the next one, they would take all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from signaling_service.errors import MediaProcessLost, UnusableOffer

MOST = 256


class CostlyOffers:
    """Remembers the last of them, by their hashes."""

    def __init__(self) -> None:
        self._digests: dict[bytes, None] = {}

    @contextmanager
    def dealing(self, sdp: str) -> Iterator[None]:
        """Surround the dealing of an offer; raises UnusableOffer for one that has cost a process before."""
        digest = hashlib.blake2b(sdp.encode(errors="replace"), digest_size=16).digest()
        if digest in self._digests:
            raise UnusableOffer("a media process was lost over this offer before")
        try:
            yield
        except MediaProcessLost:
            # Perhaps by this very offer.
            self._digests[digest] = None
            if len(self._digests) > MOST:
                del self._digests[next(iter(self._digests))]
            raise
