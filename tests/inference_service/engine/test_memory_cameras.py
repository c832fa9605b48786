from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from inference_service.engine.memory_cameras import Cameras, Load


def test_each_camera_counts_its_own_frames_and_shows_its_pictures_in_turn() -> None:
    came: defaultdict[bytes, list[Any]] = defaultdict(list)
    mailbox = SimpleNamespace(
        put=lambda header, picture, now_ns: came[header.session].append((header, bytes(picture)))
    )
    engine: Any = SimpleNamespace(saw=lambda header: None, mailbox=mailbox)
    pictures = [bytes([number]) * (16 * 16 * 3 // 2) for number in range(5)]
    cameras = Cameras(Load(cameras=3, size=(16, 16), pictures=pictures), ("invert",), engine)
    for _ in range(4):
        cameras.begun(cameras.sessions)
    cameras.end()
    cameras.ended.clear()
    cameras.feed()
    assert len(came) == 3
    for frames in came.values():
        assert [header.sequence for header, _ in frames] == [1, 2, 3, 4, 5]
        shown = [picture[0] for _, picture in frames]
        assert [(after - before) % 5 for before, after in pairwise(shown)] == [1] * 4
