"""Where a service's pictures are encoded: threads for nothing else, and the GPU where it can."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from signaling_service.media.encoders.nvenc import Nvenc


class Encoding:
    """Threads and GPU of one service's encoders: `open` before the first session, `close` after the last."""

    def __init__(self, threads: int, *, has_h264: bool) -> None:
        self.nvenc = Nvenc()
        self.executor = ThreadPoolExecutor(threads, "encoder")
        self._has_h264 = has_h264

    async def open(self) -> None:
        if self._has_h264:
            await asyncio.get_running_loop().run_in_executor(self.executor, self.nvenc.look)

    def close(self) -> None:
        self.executor.shutdown(cancel_futures=True)
