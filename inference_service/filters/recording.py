"""What is prepared while filters already serve (CUDA graphs, kernels), in pieces, in the loader's thread.

Each piece goes to the end of the loader's jobs. So a filter that somebody waits for is loaded first, and what
is let go in the middle is not held by a job that waits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from functools import partial

import torch

from inference_service.device import context
from inference_service.device.kernels import twin
from inference_service.filters.base import Fallback, Filter, Piece
from inference_service.filters.entry import Entry
from inference_service.filters.room import Room

logger = logging.getLogger(__name__)

FULL = Fallback("memory", "prepares no more CUDA graphs, since memory is short")
STUCK = Fallback("graphs", "prepares no more CUDA graphs, since nothing was heard of one")
FAILED = Fallback("graphs", "prepares no more CUDA graphs, since that has failed")


class Recording:
    """Belongs to the loader, and works in its thread; `give_up` in any."""

    def __init__(
        self,
        room: Room,
        device: torch.device,
        do_soon: Callable[[Callable[[], object]], None],
        is_relieved: Callable[[], bool],
        tell: Callable[[Entry], None],
        on_broken: Callable[[], None],
    ) -> None:
        """`do_soon` puts a job behind the others. `is_relieved`: another thread works instead of this one.

        `tell` is called where a filter may do without more than before.
        """
        self.at: Entry | None = None
        """The filter of the present piece."""
        self._room = room
        self._device = device
        self._do_soon = do_soon
        self._is_relieved = is_relieved
        self._tell = tell
        self._on_broken = on_broken

    def begin(self, entry: Entry) -> None:
        """Prepare what a filter gives that has just been loaded."""
        if entry.loaded is not None:
            entry.recordings = _pieces(entry.loaded, self._device)
            self._do_soon(partial(self._next, entry))

    def give_up(self, entry: Entry) -> None:
        """Prepare no more of this one, whose piece is stuck: it goes on as it is."""
        made, entry.recordings, self.at = entry.loaded, None, None
        if made is not None:
            made.fallbacks.append(STUCK)
            self._tell(entry)

    def _next(self, entry: Entry) -> None:
        made, pieces = entry.loaded, entry.recordings
        if made is None or pieces is None:
            return
        self.at = entry
        try:
            piece = next(pieces, None)
            if piece is not None and not self._room.may_grow(entry):
                made.fallbacks.append(FULL)
                pieces.close()
                piece = None
            if piece is not None:
                self._room.grow(entry, piece)
        except Exception as exc:
            if self._is_relieved():
                return
            logger.exception("filter %s cannot be prepared further", entry.point.name)
            made.fallbacks.append(FAILED)
            piece = None
            if context.is_broken(self._device, exc):
                self._on_broken()
        if self._is_relieved():
            return
        self.at = None
        self._tell(entry)
        if piece is not None:
            self._do_soon(partial(self._next, entry))
        elif entry.recordings is pieces:
            entry.recordings = None


def _pieces(made: Filter, device: torch.device) -> Generator[Piece]:
    """Give what kernels are to be decided about by now, and then what the filter gives."""
    yield from twin.pieces(device)
    if failures := twin.failures():
        named = ", ".join(failures)
        made.fallbacks.append(
            Fallback("compile", f"draws without Triton's kernels, which have failed ({named})")
        )
    # A generator: what a filter's own method raises at once belongs to the first piece.
    yield from made.recordings()
