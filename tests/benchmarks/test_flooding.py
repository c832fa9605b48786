"""A page that floods its call, live: the others go on, and the flood is bounded in count and time."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.flooder import KINDS
from benchmarks.flooding import run

SECONDS = 1.5
PER_SECOND = 10_000


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "one_port"), [*((kind, False) for kind in KINDS), ("nack", True)])
async def test_calls_go_on_beside_a_page_that_floods(tmp_path: Path, kind: str, one_port: bool) -> None:
    found = await run(tmp_path, kind, PER_SECOND, SECONDS, one_port=one_port)
    print(found)
    flooded = found["service"]
    assert 0 < flooded.datagrams <= PER_SECOND * SECONDS
    # Where the flood takes what the event loop gets, there is a frame or none in this time.
    assert flooded.age.count > found["nobody"].age.count / 4
    assert found["afterwards"].age.count > 0
