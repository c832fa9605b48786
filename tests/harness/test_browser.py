from __future__ import annotations

from typing import Any, cast

from playwright.async_api import Page

from harness.browser import Shown, new_pictures, shown_so_far


class SlowPage:
    """A page that goes on showing frames while its rows are read."""

    async def evaluate(self, script: str, argument: object = None) -> Any:
        del argument
        if script == "performance.now()":
            return 1000.0
        return [_row(at_ms) for at_ms in (900.0, 1000.0, 1300.0)]


def _row(at_ms: float) -> dict[str, Any]:
    return {"at": at_ms, "width": 640, "height": 480, "code": None, "patch": [0, 0, 0], "age": None}


def _shown(at_ms: float, counter: int | None) -> Shown:
    return Shown(at_ms, 640, 480, counter, None, None, (0, 0, 0), None)


async def test_reading_a_pages_rows_is_no_gap_at_their_end() -> None:
    rows, now_ms = await shown_so_far(cast(Page, SlowPage()))
    assert [row.at_ms for row in rows] == [900.0, 1000.0]
    assert now_ms == 1000.0


def test_new_pictures_are_readable_and_not_the_one_before() -> None:
    rows = [_shown(0, None), _shown(33, 1), _shown(66, 1), _shown(100, None), _shown(133, 1), _shown(166, 2)]
    assert [row.at_ms for row in new_pictures(rows)] == [33, 166]
