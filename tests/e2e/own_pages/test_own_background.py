"""A user's own picture goes through both services by HTTP, and comes back behind the person."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from PIL import Image

from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Bytes, Picture
from harness.services import Services
from shared.wire import INLINE_PARAMS_BYTES

pytestmark = pytest.mark.asyncio(loop_scope="session")

FPS = 8
WITHIN_S = 30.0
GREEN = (0, 255, 0)


class Watcher(Peer):
    """Notes the colours of the four quarters of what comes back."""

    quarters: list[list[tuple[float, ...]]]

    async def _read(self, track: MediaStreamTrack) -> None:
        self.quarters = []
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            levels = frame.to_ndarray(format="rgb24").astype(float)  # type: ignore[union-attr]
            height, width = levels.shape[:2]
            rows, columns = (slice(0, height // 2), slice(height // 2, None)), (
                slice(0, width // 2), slice(width // 2, None)
            )  # fmt: skip
            self.quarters.append(
                [tuple(levels[row, one].mean(axis=(0, 1))) for row in rows for one in columns]
            )

    async def sees(self, *colours: tuple[int, int, int]) -> None:
        """Wait for a picture whose quarters have these colours."""

        def is_near() -> bool:
            return bool(self.quarters) and bool(np.abs(np.subtract(self.quarters[-1], colours)).max() < 20)

        try:
            await eventually(is_near, WITHIN_S, f"the picture is {colours}")
        except AssertionError as exc:
            raise AssertionError(f"{exc}; it is {self.quarters[-1:]}") from exc


class Wall(Picture):
    """A camera before an even wall: in the usual texture the network sees a person now and then."""

    def frame(self, counter: int) -> Bytes:
        del counter
        return np.full((self.height * 3 // 2, self.width), 128, np.uint8)


def own_picture(*colours: tuple[int, int, int]) -> str:
    """Return a JPEG whose quarters have these colours, with noise that makes it long, as a data URL."""
    levels = np.empty((480, 640, 3))
    for place, colour in enumerate(colours):
        row, column = place // 2 * 240, place % 2 * 320
        levels[row : row + 240, column : column + 320] = colour
    levels += np.random.default_rng(0).normal(0, 12, levels.shape)
    into = io.BytesIO()
    Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(into, "JPEG", quality=92)
    return "data:image/jpeg;base64," + base64.b64encode(into.getvalue()).decode()


async def test_own_picture_is_set_by_patch_and_seen_in_the_returned_frames(services: Services) -> None:
    services.start_signaling()
    services.start_worker("background")
    await services.ready({"background": 1})
    colours = ((200, 40, 40), (40, 60, 200), (220, 210, 60), (60, 60, 60))
    picture = own_picture(*colours)
    assert INLINE_PARAMS_BYTES < 64 * 1024 < len(picture) < 700_000
    async with Watcher(services.http, Wall(320, 240), FPS) as peer:
        await peer.call(filter="background", params={"mode": "green"})
        await peer.sees(*[GREEN] * 4)

        async def set_params(**params: str) -> int:
            answer = await services.http.patch(f"/sessions/{peer.session}", json={"params": params})
            return answer.status_code

        assert await set_params(mode="picture", picture=picture) == 200
        await peer.sees(*colours)
        # Longer than the schema allows: refused at once, and the old one stays.
        assert await set_params(mode="picture", picture="A" * 700_001) == 422
        # More than any parameters may have.
        assert await set_params(mode="picture", picture="A" * 1_040_000) == 400
        assert await set_params(mode="picture", picture="A" * 2_000_000) == 413
        since = len(peer.quarters)
        await eventually(lambda: len(peer.quarters) > since + 3, WITHIN_S, "frames go on coming")
        await peer.sees(*colours)
