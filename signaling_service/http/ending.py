"""When a running service ends: SIGTERM has it drain, Ctrl-C or another signal ends it at once."""

from __future__ import annotations

import asyncio
import signal
import socket
from types import FrameType

import uvicorn


class Server(uvicorn.Server):
    """uvicorn's, which sets `hurry` when nobody is to be waited for."""

    def __init__(self, config: uvicorn.Config, hurry: asyncio.Event) -> None:
        super().__init__(config)
        self._hurry = hurry
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal, in the main thread, between any two steps of the event loop."""
        if (sig == signal.SIGINT or self.should_exit) and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hurry.set)
        super().handle_exit(sig, frame)
