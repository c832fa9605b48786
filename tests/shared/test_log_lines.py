from __future__ import annotations

import io
import logging

import pytest

from shared import log_lines
from shared.log_lines import Bounded, OneLine

FORGED = "ink\n2026-11-28 12:00:00,000 INFO signaling_service: all is well"


def logged(message: str, *values: object, error: Exception | None = None) -> list[str]:
    """Return the lines that one call makes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine("%(levelname)s %(name)s: %(message)s"))
    logger = logging.Logger("test")  # noqa: LOG001 - one that nothing else hears
    logger.addHandler(handler)
    logger.error(message, *values, exc_info=error)
    return stream.getvalue().removesuffix("\n").split("\n")


@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x00", "\x85", "\u2028", "\u202e", "\x7f"])
def test_no_value_ends_its_line_or_reaches_the_terminal(character: str) -> None:
    (line,) = logged("parameter %s is refused", f"a{character}b")
    assert character not in line
    assert "parameter a\\" in line


def test_a_forged_line_stays_part_of_its_own() -> None:
    (line,) = logged("no filter %s", FORGED)
    assert line.startswith("ERROR test: no filter ink\\n2026")


def test_a_traceback_keeps_its_lines_and_cannot_look_like_the_logs() -> None:
    try:
        raise ValueError(FORGED)
    except ValueError as exc:
        first, *others = logged("it failed", error=exc)
    assert first == "ERROR test: it failed"
    assert len(others) > 2
    assert all(line.startswith("    ") for line in others)


def test_text_of_every_language_stays_as_it_is() -> None:
    assert logged("%s", "größe 大きさ الحجم") == ["ERROR test: größe 大きさ الحجم"]


def test_a_flood_of_lines_is_cut_and_the_next_says_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(Bounded())
    logger = logging.Logger("test")  # noqa: LOG001 - one that nothing else hears
    logger.addHandler(handler)
    now_s = 0.0
    monkeypatch.setattr("shared.log_lines.time.monotonic", lambda: now_s)

    def flood(count: int) -> None:
        for number in range(count):
            logger.warning("no descriptor for %s", number)

    flood(1_000)
    logger.warning("another kind of line")
    lines = stream.getvalue().splitlines()
    assert len(lines) == log_lines.BURST + 1
    assert lines[-1] == "another kind of line"
    now_s = log_lines.WINDOW_S
    flood(1)
    left_out = 1_000 - log_lines.BURST
    assert (
        stream.getvalue().splitlines()[-1]
        == f"no descriptor for 0 ({left_out} lines like this were left out before)"
    )
