from __future__ import annotations

import time
from typing import Any

from shared.wire import ResultKind
from signaling_service.media.frame import CameraFrame
from signaling_service.session.tracing import MAX_OPEN, Tracing
from signaling_service.workers.choice import Choice
from tests.shared.spans import Kept, lasts_ns, parent, told
from tests.signaling_service.making import SESSION, MadePlanes, planes, result

INK = Choice.of(["ink"], {}, 0)


def frame(captured_ns: int) -> CameraFrame:
    return CameraFrame(planes=MadePlanes(planes()), width=32, height=16, pts=0, captured_ns=captured_ns)


def sent(tracing: Tracing, captured_ns: int = 0, worker: str | None = "w1") -> tuple[CameraFrame, bytes]:
    """Let a frame go to a worker as a session does."""
    one = frame(captured_ns or time.monotonic_ns())
    carried = tracing.begin(one, INK)
    tracing.note_sent(one, worker)
    return one, carried


def answer(of: CameraFrame, **values: Any) -> Any:
    return result(captured_ns=of.captured_ns, **values)


def test_one_frame_in_so_many_is_followed_from_its_receipt_to_its_return() -> None:
    traces = Kept()
    tracing = Tracing(traces, 3, SESSION.hex())
    carried = []
    for _ in range(3):
        tracing.note_stage("decode", 0.002)
        one, context = sent(tracing)
        carried.append(context)
    assert [bool(context) for context in carried] == [False, False, True]
    header = answer(one, wait_ms=1.0, batch_ms=6.0, filter_ms=5.0)
    tracing.note_result(header, is_taken=True)
    tracing.note_taken(header)
    tracing.note_stage("encode", 0.004)
    whole = traces.named("frame")
    assert (told(whole, "outcome"), told(whole, "filters"), told(whole, "width")) == ("shown", "ink", 32)
    assert told(whole, "session") == SESSION.hex()
    assert {span.name for span in traces.spans} == {"frame", "decode", "link", "hold", "encode"}
    assert {parent(span) for span in traces.spans} == {0, whole.context.span_id}
    assert abs(lasts_ns(traces.named("decode")) - 2_000_000) < 100_000
    link = traces.named("link")
    assert (told(link, "worker"), told(link, "batch_ms")) == ("w1", 6.0)
    assert carried[-1][16:] == link.context.span_id.to_bytes(8, "big")


def test_a_frame_that_is_not_shown_says_where_its_way_ended() -> None:
    traces = Kept()
    tracing = Tracing(traces, 1, SESSION.hex())
    sent(tracing, worker=None)
    failed, late, older, newer = (sent(tracing, time.monotonic_ns() + place)[0] for place in range(4))
    error = answer(failed, kind=ResultKind.ERROR, code="filter_failed")
    tracing.note_result(error, is_taken=False)
    tracing.note_result(answer(late), is_taken=False)
    for one in (older, newer):
        tracing.note_result(answer(one), is_taken=True)
    tracing.note_taken(answer(newer))
    sent(tracing)
    tracing.close()
    outcomes = [told(span, "outcome") for span in traces.spans if span.name == "frame"]
    assert outcomes == [
        *("no_worker", "filter_failed", "not_shown", "replaced"),
        *("session_ended", "session_ended"),
    ]
    tracing.close()


def test_a_worker_that_had_a_copy_does_not_answer_for_the_other() -> None:
    traces = Kept()
    tracing = Tracing(traces, 1, SESSION.hex())
    one, _ = sent(tracing)
    tracing.note_result(answer(one, worker="w2", kind=ResultKind.PROGRESS), is_taken=False)
    assert not traces.spans
    # But where its picture came first, that is shown.
    tracing.note_result(answer(one, worker="w2"), is_taken=True)
    tracing.note_taken(answer(one, worker="w2"))
    tracing.note_stage("encode", 0.001)
    assert told(traces.named("frame"), "outcome") == "shown"


def test_frames_that_nobody_answers_are_let_go() -> None:
    traces = Kept()
    tracing = Tracing(traces, 1, SESSION.hex())
    for place in range(MAX_OPEN + 2):
        sent(tracing, 1 + place)
    frames = [span for span in traces.spans if span.name == "frame"]
    assert [told(span, "outcome") for span in frames] == ["not_answered"] * 2
    assert len(tracing._ways) == MAX_OPEN


def test_without_traces_nothing_is_kept() -> None:
    tracing = Tracing(None, 1, SESSION.hex())
    tracing.note_stage("decode", 0.001)
    one, carried = sent(tracing)
    tracing.note_result(answer(one), is_taken=True)
    tracing.note_taken(answer(one))
    tracing.close()
    assert carried == b""
    assert not tracing._ways
