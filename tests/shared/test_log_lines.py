from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from shared import log_lines
from shared.log_ids import Ids, of_session
from shared.log_lines import Bounded, OneLine, OneObject

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


@pytest.mark.parametrize("character", ["\r", "\x1b", "\x85", "\u2028", "\u202e"])
def test_nothing_in_a_traceback_reaches_the_terminal(character: str) -> None:
    try:
        raise ValueError(f"a{character}b")
    except ValueError as exc:
        lines = logged("it failed", error=exc)
    assert character not in "".join(lines)
    assert lines[-1].startswith("    ValueError: a\\")


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


def objects(process: str = "") -> tuple[logging.Logger, Callable[[], list[dict[str, Any]]], Ids]:
    """Return a logger whose lines are JSON, and what reads them."""
    stream, ids = io.StringIO(), Ids()
    handler = logging.StreamHandler(stream)
    handler.addFilter(ids)
    handler.setFormatter(OneObject(process))
    logger = logging.Logger("test")  # noqa: LOG001 - one that nothing else hears
    logger.addHandler(handler)
    return logger, lambda: [json.loads(line) for line in stream.getvalue().splitlines()], ids


def test_as_json_a_line_is_one_object_whatever_is_in_it() -> None:
    logger, lines, _ = objects("media-0")
    try:
        raise ValueError(FORGED)
    except ValueError:
        logger.exception("no filter %s", FORGED + "\x85\u2028\x7f")
    (line,) = lines()
    assert line["message"] == f"no filter {FORGED}\x85\u2028\x7f"
    assert (line["level"], line["logger"], line["process"]) == ("error", "test", "media-0")
    assert datetime.fromisoformat(line["time"]).tzinfo is not None
    assert "ValueError" in line["traceback"]
    assert "session" not in line


async def test_a_line_has_the_session_for_which_its_task_works() -> None:
    logger, lines, ids = objects()

    async def work() -> None:
        await asyncio.sleep(0)
        logger.warning("from a task")
        await asyncio.to_thread(logger.warning, "from a thread")

    with of_session("aa"):
        working = asyncio.create_task(work())
    with of_session("bb"):
        logger.warning("from here")
    await working
    ids.worker = "w1"
    logger.warning("from nobody")
    logger.warning("of another", extra={"session": "cc", "worker": "w2"})
    said = [(line["message"], line.get("session"), line.get("worker")) for line in lines()]
    assert said == [
        ("from here", "bb", None),
        ("from a task", "aa", None),
        ("from a thread", "aa", None),
        ("from nobody", None, "w1"),
        ("of another", "cc", "w2"),
    ]


def test_text_has_the_ids_in_brackets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    ids = log_lines.configure("warning", process="media-1")
    ids.worker = "w1"
    with of_session("aa"):
        logging.getLogger("test").warning("both\nof them")
    logging.getLogger("test").warning("one")
    both, one = capsys.readouterr().err.splitlines()
    assert both.endswith("WARNING media-1 test [session aa, worker w1]: both\\nof them")
    assert one.endswith("WARNING media-1 test [worker w1]: one")
