"""Tells when a picture that a private choice would have hidden has left the page's screen.

The frame sent last stays on the screen until the next one. It is bare where its choice hides nothing. A bare
frame must be covered when the new choice is private. The first frame of the new choice covers it or, where
none comes at once, the card.
"""

from __future__ import annotations

import asyncio

COVER_AFTER_S = 0.15
"""A bare frame may stay on the screen for so long while no frame of the private choice comes."""
SENT_LIMIT_S = 0.5
"""A sender that takes longer is stuck in a network that takes nothing; no frame gets through either."""


class Cover:
    """Follows the frames of one returned track. Times are of the monotonic clock; event loop only."""

    def __init__(self) -> None:
        self._is_private = False
        self._is_bare = False
        """Whether the frame sent last is of a choice that hides nothing."""
        self._bare_since_s: float | None = None
        """Since when such a frame is to be covered; None where there is none."""
        self._covered = asyncio.Event()
        self._covered.set()

    @property
    def due_s(self) -> float | None:
        """When the card has to cover a bare frame, if nothing else did; None where nothing is bare."""
        return None if self._bare_since_s is None else self._bare_since_s + COVER_AFTER_S

    @property
    def is_settled(self) -> bool:
        """Nothing is to be covered, and nothing that covers is still on its way out."""
        return self._bare_since_s is None and self._covered.is_set()

    def begin(self, now_s: float, *, is_private: bool) -> bool:
        """Begin another choice; returns whether a bare frame is to be covered from now on."""
        self._is_private = is_private
        if not is_private:
            self._bare_since_s = None
            self._covered.set()
            return False
        if not self._is_bare or self._bare_since_s is not None:
            return False
        self._bare_since_s = now_s
        self._covered.clear()
        return True

    def note_idle(self) -> None:
        """Note that every frame so far has been sent."""
        if self._bare_since_s is None:
            self._covered.set()

    def note_frame(self, *, is_card: bool) -> None:
        """Note that a frame of the present choice, or the card, goes to the encoder."""
        self._is_bare = not self._is_private and not is_card
        self._bare_since_s = None

    async def lasts(self) -> bool:
        """Wait until the bare frame is covered; returns False where the sender is stuck."""
        return await within(COVER_AFTER_S + 2 * SENT_LIMIT_S, self._covered)


async def within(limit_s: float, event: asyncio.Event) -> bool:
    """Wait for an event; returns whether it came within the limit."""
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
