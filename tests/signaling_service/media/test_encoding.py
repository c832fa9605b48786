from __future__ import annotations

import threading

from signaling_service.media.encoding import Encoding


async def test_no_gpu_is_looked_for_where_h264_is_not_used(monkeypatch):
    looked = []
    for has_h264 in (False, True):
        encoding = Encoding(1, has_h264=has_h264)
        monkeypatch.setattr(encoding.nvenc, "look", lambda: looked.append(threading.current_thread().name))
        await encoding.open()
        encoding.close()
    # Beside the event loop, since a GPU takes its time.
    assert looked == ["encoder_0"]


async def test_closing_ends_the_threads():
    encoding = Encoding(2, has_h264=False)
    encoding.executor.submit(int).result()
    (thread,) = encoding.executor._threads
    encoding.close()
    assert not thread.is_alive()
