"""What runs in the decoder's thread of each session, in the place of aiortc's own function.

aiortc's fails in the thread where the event loop has ended meanwhile, which happens now that nobody waits for
the thread (receiving.py).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import Any, Protocol

import av
from aiortc.codecs import get_decoder

logger = logging.getLogger(__name__)


class Tasks(Protocol):
    """Where the thread gets its work: codec and encoded frame, or None at the end."""

    def get(self) -> Any: ...


def decode_all(
    loop: asyncio.AbstractEventLoop,
    tasks: Tasks,
    frames: asyncio.Queue[av.VideoFrame | None],
    has_failed: threading.Event,
) -> None:
    """Decode until None comes; frames, and None at the end, go to `frames` on `loop`."""
    decoder: Any = None
    codec_name = None
    # The loop may be closed at any moment: then nobody is left who wants a frame.
    with suppress(RuntimeError):
        while (task := tasks.get()) is not None:
            codec, encoded = task
            if codec.name != codec_name:
                decoder, codec_name = get_decoder(codec), codec.name
            try:
                decoded = decoder.decode(encoded)
            except av.FFmpegError as exc:
                # It keeps its state, since a new one could decode nothing before the next key frame.
                logger.debug("a frame of %s cannot be decoded: %s", codec_name, exc)
                has_failed.set()
                continue
            for frame in decoded:
                loop.call_soon_threadsafe(frames.put_nowait, frame)
        loop.call_soon_threadsafe(frames.put_nowait, None)
